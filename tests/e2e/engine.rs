//! The real engine, restarted; and behind a socket of our own, which can be cut: to commands it looks as if the engine had
//! stopped.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ENGINE: &str = "/var/run/docker.sock";

/// Restarts the engine, as an update of it does: all its containers stop, and those of nodes start again.
pub fn restart() {
    let run = |program: &str, args: &[&str]| {
        Command::new(program).args(args).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if run("systemctl", &["is-active", "--quiet", "docker"]) {
        assert!(run("systemctl", &["restart", "docker"]));
        return;
    }
    assert!(run("pkill", &["-TERM", "-x", "dockerd"]));
    while run("pgrep", &["-x", "dockerd"]) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(run(concat!(env!("CARGO_MANIFEST_DIR"), "/testbed/engine/ensure"), &[]));
}

/// The engine behind a socket in `directory`.
pub struct Detour {
    socket: PathBuf,
    streams: Arc<Mutex<Option<Vec<UnixStream>>>>,
}

impl Detour {
    /// Starts to pass on what comes.
    pub fn start(directory: &Path) -> Self {
        let detour = Self { socket: directory.join("docker.sock"), streams: Arc::default() };
        detour.mend();
        detour
    }

    /// Takes connections, again after it was cut.
    pub fn mend(&self) {
        let listener = UnixListener::bind(&self.socket).expect("a socket");
        *self.streams.lock().expect("no thread panicked") = Some(Vec::new());
        let open = self.streams.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = UnixStream::connect(ENGINE) else { continue };
                let mut open = open.lock().expect("no thread panicked");
                // Once cut, nobody is answered anymore.
                let Some(open) = open.as_mut() else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) =
                        (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                open.extend([near, far]);
            }
        });
    }

    /// What `DOCKER_HOST` is to be.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Breaks every connection, and takes no more.
    pub fn cut(&self) {
        let _ = std::fs::remove_file(&self.socket);
        for stream in self.streams.lock().expect("no thread panicked").take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
