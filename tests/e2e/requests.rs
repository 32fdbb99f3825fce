//! Requests without pause, and what came of them: every connection is a new one, so that each could fail.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Requests that go on until [`Requests::end`].
pub struct Requests {
    stop: Arc<AtomicBool>,
    running: JoinHandle<Answers>,
}

/// What was answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// How often each text came.
    pub texts: BTreeMap<String, usize>,
    /// What failed, in words.
    pub failures: Vec<String>,
    /// The last text.
    pub last: String,
}

impl Requests {
    /// Asks `address` again and again.
    pub fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = stop.clone();
        let running = std::thread::spawn(move || {
            let mut answers = Answers::default();
            while !ended.load(Ordering::Relaxed) {
                match get(address) {
                    Ok(text) => {
                        answers.last.clone_from(&text);
                        *answers.texts.entry(text).or_default() += 1;
                    }
                    Err(error) => answers.failures.push(error.to_string()),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            answers
        });
        Self { stop, running }
    }

    /// Ends them.
    pub fn end(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().expect("no thread panicked")
    }
}

/// One request's answer.
pub fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: released\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other(format!("an answer that is none: {text:?}"))),
    }
}
