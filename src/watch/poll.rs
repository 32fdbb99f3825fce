//! Sees files change by looking again and again, where the system does not tell.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::index::Index;

/// How long is paused between two looks at least.
const PAUSE: Duration = Duration::from_millis(500);

/// How much longer a pause is than the look before it: a large tree is looked at less often.
const SHARE: u32 = 10;

/// Looks at directories. Dropped, it stops.
pub struct Poll {
    _stop: mpsc::Sender<()>,
}

impl Poll {
    /// Begins to look at `roots`, and tells `send` of each path that is not as it was.
    pub fn start(roots: Vec<PathBuf>, send: UnboundedSender<PathBuf>) -> Self {
        let look = move || Index::of(roots.clone(), |path: &Path| path.ends_with(".git"));
        let mut before = look();
        let (stop, stopped) = mpsc::channel();
        std::thread::spawn(move || {
            let mut pause = PAUSE;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let begun = Instant::now();
                let now = look();
                for path in before.differences(&now) {
                    let _ = send.send(path);
                }
                before = now;
                pause = PAUSE.max(begun.elapsed() * SHARE);
            }
        });
        Self { _stop: stop }
    }
}
