//! The commands of `ci:`, in their order, each tried as often as it may be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::addresses::Addresses;
use super::command;
use super::error::CiError;
use super::log::Log;
use super::shards::{self, Crew, Told};
use super::steps::{COMMANDS, Runner};
use super::{End, names};
use crate::apply::SYSTEM_NAMESPACE;
use crate::config::{CiCommand, Place};
use crate::event::Event;
use crate::handoff::ci::{Attempt, Ended, Kind, Verdict, variables};
use crate::operation::error::OperationError;
use crate::operation::status;
use crate::operation::up::Raised;

/// What commands are given.
struct Surroundings<'a> {
    raised: &'a Raised,
    /// On this machine.
    here: BTreeMap<String, String>,
    /// In the cluster.
    within: BTreeMap<String, String>,
}

impl Runner<'_> {
    /// Runs all of them; those after one that failed, too, unless the first failure is to be the last.
    pub(super) async fn commands(&mut self, raised: &Raised, addresses: &Addresses) -> Result<(), End> {
        let client = &raised.existing.cluster.client;
        shards::remove_left(client).await.map_err(|error| self.broken(COMMANDS, Instant::now(), error))?;
        let surroundings = self.surroundings(raised, addresses);
        let mut failed = None;
        for (index, command) in self.config.ci.clone().iter().enumerate() {
            let step = COMMANDS + index;
            if let Some(name) = failed.as_ref().filter(|_| self.options.fail_fast) {
                self.report.steps[step].verdict = Verdict::Skipped { why: format!("{name} failed") };
                continue;
            }
            let begun = Instant::now();
            let tried = self.tries(step, command, &surroundings).await;
            self.report.steps[step].seconds = begun.elapsed().as_secs_f64();
            let last = tried.map_err(|error| self.broken(step, begun, error))?;
            match last {
                Ended::Passed => self.report.steps[step].verdict = Verdict::Passed,
                Ended::Interrupted => {
                    self.report.steps[step].verdict = Verdict::Interrupted;
                    return Err(End::Interrupted);
                }
                last => {
                    self.report.steps[step].verdict = Verdict::Failed { why: last.to_string() };
                    self.look_into(step, &[]).await;
                    failed.get_or_insert_with(|| command.name.clone());
                }
            }
            let what = self.redactor.text(&self.report.steps[step].outcome());
            self.tell(Event::Done { step: command.name.clone(), what, took: begun.elapsed() });
        }
        if failed.is_some() { Err(End::TestsFailed) } else { Ok(()) }
    }

    fn surroundings<'r>(&self, raised: &'r Raised, addresses: &Addresses) -> Surroundings<'r> {
        let (mut here, twice) = addresses.variables();
        for name in twice {
            let what =
                format!("two Services would both be {name}: it stands for neither, addresses.json has both");
            self.tell(Event::Warning(what));
        }
        let ci = ("CI".to_owned(), "true".to_owned());
        if let Some(session) = &self.session {
            here.insert("KUBECONFIG".into(), session.state.kubeconfig().display().to_string());
        }
        let listing = self.out.directory().join("addresses.json");
        here.insert("DEVCLUSTER_ADDRESSES".into(), listing.display().to_string());
        here.extend([ci.clone()]);
        let (mut within, _) = variables(&addresses.within);
        within.extend([ci]);
        Surroundings { raised, here, within }
    }

    /// Tries a command until it passes or may not be tried again, and gives the last end.
    async fn tries(
        &mut self,
        step: usize,
        command: &CiCommand,
        surroundings: &Surroundings<'_>,
    ) -> Result<Ended, OperationError> {
        let mut number = 1;
        loop {
            let begun = Instant::now();
            let what = format!("attempt {number} of {}", command.retries + 1);
            self.tell(Event::Started { step: command.name.clone(), what });
            let told = match &command.place {
                Place::Here => self.here(command, number, surroundings).await?,
                Place::Shards { count, .. } => {
                    self.sharded(step, command, number, *count, surroundings).await?
                }
            };
            let ended = told.ended.clone();
            let seconds = begun.elapsed().as_secs_f64();
            let attempt = Attempt { ended: told.ended, seconds, logs: told.logs, tail: told.tail };
            self.report.steps[step].attempts.push(attempt);
            if ended == Ended::Passed || ended == Ended::Interrupted || number > command.retries {
                return Ok(ended);
            }
            self.tell(Event::Note(format!(
                "{}: {}; tried again",
                command.name,
                self.redactor.text(&ended.to_string())
            )));
            number += 1;
        }
    }

    /// On this machine.
    async fn here(
        &self,
        command: &CiCommand,
        number: u32,
        surroundings: &Surroundings<'_>,
    ) -> Result<Told, OperationError> {
        let file = format!("commands/{}/attempt-{number}.log", command.name);
        let path = self.out.place(&file)?;
        let failed = |source| CiError::Write { path: path.clone(), source };
        let mut log = Log::begin(&path, &command.name, &self.redactor, self.options.watch).map_err(failed)?;
        let mut env = surroundings.here.clone();
        env.extend(command.env.clone());
        let attempt = command::Attempt {
            argv: &command.run.argv(),
            env: &env,
            directory: self.config.directory(),
            timeout: Duration::from_secs(command.timeout_seconds),
            interrupted: self.options.interrupted,
            running: &self.running,
        };
        let ended = attempt.run(&mut log).await.map_err(failed)?;
        let tail = log.end().map_err(failed)?;
        Ok(Told { ended, logs: vec![file], tail })
    }

    /// In the cluster.
    async fn sharded(
        &mut self,
        step: usize,
        command: &CiCommand,
        number: u32,
        count: u32,
        surroundings: &Surroundings<'_>,
    ) -> Result<Told, OperationError> {
        let interrupted = || Told { ended: Ended::Interrupted, logs: Vec::new(), tail: Vec::new() };
        let Some(session) = self.session.clone() else { return Ok(interrupted()) };
        let Some(image) = self.shard_images.get(&command.name).cloned() else { return Ok(interrupted()) };
        let existing = &surroundings.raised.existing;
        let delivering = async {
            names::resolve(&existing.cluster.client).await?;
            image.deliver(&session, existing).await
        };
        let namespaces = status::namespaces(existing).await?;
        let Ok(delivered) = self.unless_interrupted(step, delivering).await else { return Ok(interrupted()) };
        let image = delivered?;
        if let Kind::Command(facts) = &mut self.report.steps[step].kind
            && let Some(shards) = &mut facts.shards
        {
            shards.image.clone_from(&image);
        }
        let mut env = surroundings.within.clone();
        env.extend(command.env.clone());
        let crew = Crew {
            client: existing.cluster.client.clone(),
            namespace: SYSTEM_NAMESPACE,
            command: &command.name,
            argv: &command.run.argv(),
            image: &image,
            count,
            env: &env,
            reached: &namespaces,
            timeout: Duration::from_secs(command.timeout_seconds),
            interrupted: self.options.interrupted,
            reporter: self.heard.as_ref(),
            redactor: &self.redactor,
            watch: self.options.watch,
        };
        crew.run(&self.out, &format!("commands/{}/attempt-{number}", command.name)).await
    }
}
