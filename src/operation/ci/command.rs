//! One attempt at a command on this machine: its output kept, its time limited, nothing of it left behind.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, BufReader};
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::log::{Log, next_line};
use super::running::{MARK, Running};
use crate::handoff::ci::Ended;
use crate::operation::attestation::KEY;
use crate::process;

/// How long is read on once a command has ended: something that left its group may hold its output open.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// What is run.
pub(super) struct Attempt<'a> {
    /// The program and its arguments.
    pub argv: &'a [String],
    /// Variables beside those of this process.
    pub env: &'a BTreeMap<String, String>,
    /// Where.
    pub directory: &'a Path,
    /// How long it may take.
    pub timeout: Duration,
    /// Ends it early.
    pub interrupted: &'a CancellationToken,
    /// Where it is noted.
    pub running: &'a Running,
}

impl Attempt<'_> {
    /// Runs it to its end.
    pub(super) async fn run(&self, log: &mut Log<'_>) -> std::io::Result<Ended> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Ok(Ended::NotRun { why: "it names no program".into() });
        };
        let mut command = tokio::process::Command::new(program);
        // What is tested has no need of the key that what came of it is signed with.
        command.env_remove(KEY).env(MARK, self.running.mark());
        command.args(arguments).envs(self.env).current_dir(self.directory);
        let mut group = match Group::start(&mut command) {
            Ok(group) => group,
            Err(error) => {
                let call = process::Command::new(program).directory(self.directory);
                return Ok(Ended::NotRun { why: call.start_error(error).to_string() });
            }
        };
        self.running.note(group.id());
        let (out, err) = (group.child().stdout.take(), group.child().stderr.take());
        let ended = CancellationToken::new();
        let deciding = async {
            let end = self.end(&mut group).await;
            // What the first process leaves behind ends with it.
            group.signal(Signal::KILL);
            ended.cancel();
            end
        };
        let reading = async {
            let late = async {
                ended.cancelled().await;
                tokio::time::sleep(AFTERWARDS).await;
            };
            let log = Mutex::new(log);
            let both = async { tokio::try_join!(read(out, &log), read(err, &log)).map(drop) };
            tokio::select! {
                read = both => read,
                () = late => Ok(()),
            }
        };
        let (end, read) = tokio::join!(deciding, reading);
        read?;
        end
    }

    async fn end(&self, group: &mut Group) -> std::io::Result<Ended> {
        let early = tokio::select! {
            status = group.wait() => return Ok(of_status(status?)),
            () = tokio::time::sleep(self.timeout) => Ended::TimedOut { seconds: self.timeout.as_secs() },
            () = self.interrupted.cancelled() => Ended::Interrupted,
        };
        group.stop().await;
        Ok(early)
    }
}

fn of_status(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ended::Passed,
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// Takes an output's lines as they come.
async fn read(from: Option<impl AsyncRead + Unpin>, log: &Mutex<&mut Log<'_>>) -> std::io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    let (mut from, mut line) = (BufReader::new(from), Vec::new());
    while next_line(&mut from, &mut line).await? {
        log.lock().unwrap_or_else(PoisonError::into_inner).line(&line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;
    use crate::handoff::ci::Redactor;

    async fn run(script: &str, timeout: Duration, interrupted: &CancellationToken) -> (Ended, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let (redactor, watch) = (Redactor::new([]), |_: &str, _: &str| {});
        let mut log = Log::begin(&directory.path().join("log"), "a", &redactor, &watch).unwrap();
        let running = Running::begin(&directory.path().join("runs"), &Silent).await.unwrap();
        let attempt = Attempt {
            argv: &["sh", "-c", script].map(str::to_owned),
            env: &BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            directory: directory.path(),
            timeout,
            interrupted,
            running: &running,
        };
        let ended = attempt.run(&mut log).await.unwrap();
        (ended, log.end().unwrap())
    }

    const LONG: Duration = Duration::from_mins(5);

    #[tokio::test]
    async fn both_outputs_are_kept_and_the_end_is_told() {
        let free = CancellationToken::new();
        let (ended, mut tail) = run("echo $GREETING; echo there >&2; printf end; exit 3", LONG, &free).await;
        tail.sort();
        assert_eq!((ended, tail), (Ended::Code(3), ["end", "hello", "there"].map(str::to_owned).to_vec()));
        assert_eq!(run("kill -9 $$", LONG, &free).await.0, Ended::Signal(9));
        assert_eq!(run("true", LONG, &free).await.0, Ended::Passed);
    }

    /// Whether a process of that id runs; one that has ended and is not looked after does not.
    fn runs(id: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        state.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
    }

    /// Waits until it does not: it lets go of its output a moment before it has ended.
    async fn is_gone(id: &str) -> bool {
        for _ in 0..1000 {
            if !runs(id) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn time_ends_the_whole_group_and_so_does_the_end_of_its_first_process() {
        let free = CancellationToken::new();
        let (ended, tail) = run("sleep 1000 & echo $!; wait", Duration::from_secs(1), &free).await;
        assert_eq!(ended, Ended::TimedOut { seconds: 1 });
        assert!(is_gone(&tail[0]).await);
        let (ended, tail) = run("sleep 1000 & echo $!", LONG, &free).await;
        assert_eq!(ended, Ended::Passed);
        assert!(is_gone(&tail[0]).await, "what holds the output open is ended");
    }

    #[tokio::test]
    async fn one_that_does_not_listen_is_killed_when_the_run_is_ended() {
        let ending = CancellationToken::new();
        let end = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            ending.cancel();
        };
        let stubborn = run("trap '' TERM; echo $$; while :; do sleep 1; done", LONG, &ending);
        let ((ended, tail), ()) = tokio::join!(stubborn, end);
        assert_eq!(ended, Ended::Interrupted);
        assert!(is_gone(&tail[0]).await);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (redactor, watch) = (Redactor::new([]), |_: &str, _: &str| {});
        let mut log = Log::begin(&directory.path().join("log"), "a", &redactor, &watch).unwrap();
        let running = Running::begin(&directory.path().join("runs"), &Silent).await.unwrap();
        let attempt = Attempt {
            argv: &["no-such-program-here".to_owned()],
            env: &BTreeMap::new(),
            directory: directory.path(),
            timeout: LONG,
            interrupted: &CancellationToken::new(),
            running: &running,
        };
        let ended = attempt.run(&mut log).await.unwrap();
        assert!(ended.to_string().contains("`no-such-program-here` is not installed"), "{ended}");
    }
}
