//! A process and all that it starts, ended together.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// How long it is given to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// The processes of one command. What is left of them is killed when this is dropped.
pub(super) struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// Starts a command as the first of a group of its own, its outputs piped.
    pub(super) fn start(command: &mut Command) -> std::io::Result<Self> {
        let piped =
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = piped.kill_on_drop(true).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, id })
    }

    /// Its number: the first process's id.
    pub(super) fn id(&self) -> i32 {
        self.id.map_or(0, |id| id.as_raw_nonzero().get())
    }

    /// The first process, to read from.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the first process's end.
    pub(super) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks all of them to end, and then makes them.
    pub(super) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// One that is gone is not there to be told.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
