//! The keys of `devcluster dev` on a terminal: each takes effect as it is pressed.

use std::io::{IsTerminal, Read};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use super::progress::Progress;
use crate::operation::dev::Command;

const HELP: &str =
    "keys: r rebuild all, s start all anew, j run Jobs anew, o open in the browser, q quit, h help";

/// A terminal that gives each key at once and does not show it; as it was before when this is dropped.
struct Unbuffered(Termios);

impl Unbuffered {
    /// None where standard input is no terminal.
    fn new() -> Option<Self> {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut changed = before.clone();
        changed.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(&input, OptionalActions::Now, &changed).ok()?;
        Some(Self(before))
    }
}

impl Drop for Unbuffered {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Does what keys ask for, until one asks to quit. Without a terminal it waits for ever.
pub async fn obey(
    progress: &Progress,
    commands: &mpsc::UnboundedSender<Command>,
    addresses: &Mutex<Vec<String>>,
) {
    let Some(_terminal) = Unbuffered::new() else { return std::future::pending().await };
    progress.line(HELP);
    let (send, mut pressed) = mpsc::unbounded_channel();
    // A read of a terminal cannot be given up: it is left to a thread that ends with the process.
    std::thread::spawn(move || {
        for key in std::io::stdin().lock().bytes().map_while(Result::ok) {
            if send.send(key).is_err() {
                return;
            }
        }
    });
    loop {
        let Some(key) = pressed.recv().await else { return std::future::pending().await };
        match key {
            b'q' => return,
            b'r' => drop(commands.send(Command::Rebuild)),
            b's' => drop(commands.send(Command::Restart)),
            b'j' => drop(commands.send(Command::RecreateJobs)),
            b'o' => {
                let address = addresses.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
                open(progress, address.as_deref());
            }
            b'h' | b'?' => progress.line(HELP),
            _ => {}
        }
    }
}

/// Opens an address in the browser, with the program that the desktop has for that.
fn open(progress: &Progress, address: Option<&str>) {
    let Some(address) = address else { return progress.line("the system has no address to open") };
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = std::process::Command::new(program)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(_) => progress.line(&format!("opening {address}")),
        Err(error) => progress.line(&format!("{program} cannot be run ({error}); open {address}")),
    }
}
