//! The steps of a run, one after the other; each is noted as it ends, so that an early end finds all that was done.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;

use super::addresses::Addresses;
use super::diagnostics::{self, Gathering};
use super::heard::Heard;
use super::known::{self, Known};
use super::out::Out;
use super::running::Running;
use super::shard_image::{self, ShardImage};
use super::{End, Locking, Options};
use crate::apply::diagnose::Diagnosis;
use crate::cluster::identity::Found;
use crate::config::{CiCommand, Config, Place};
use crate::event::{Event, Reporter as _, SharedReporter};
use crate::handoff::ci::{Command, Kind, Redactor, Report, Shards, SigningKey, Step, Tested, Verdict};
use crate::handoff::{self, FILE};
use crate::operation::down;
use crate::operation::error::OperationError;
use crate::operation::session::Session;
use crate::operation::up::{self, Raised};
use crate::operation::verify;
use crate::words::counted;

/// Steps whose failure is looked into: the state of a cluster in which everything fails is told once.
const LOOKED_INTO: usize = 5;

const LOCK: usize = 0;
const UP: usize = 1;
const DATA: usize = 2;
/// The first command's place among the steps.
pub(super) const COMMANDS: usize = 3;

/// A run on its way.
pub(super) struct Runner<'a> {
    pub(super) config: Config,
    pub(super) options: &'a Options<'a>,
    pub(super) out: Out,
    pub(super) running: Running,
    pub(super) redactor: Redactor,
    pub(super) report: Report,
    pub(super) session: Option<Session>,
    /// Whether neither a cluster nor data stood when it began: then its data goes with the cluster.
    pub(super) is_first: bool,
    pub(super) begun: Instant,
    /// The images of sharded commands, by command.
    pub(super) shard_images: BTreeMap<String, ShardImage>,
    secrets: Vec<Vec<u8>>,
    pub(super) heard: Arc<Heard>,
    looked_into: usize,
}

impl<'a> Runner<'a> {
    /// Everything is still to be done.
    pub(super) fn new(
        config: Config,
        options: &'a Options<'a>,
        (out, running): (Out, Running),
        reporter: SharedReporter,
    ) -> Self {
        let mut steps =
            vec![Step::due("lock", Kind::Lock), Step::due("up", Kind::Up), Step::due("data", Kind::Data)];
        steps.extend(config.ci.iter().map(|command| Step::due(&command.name, Kind::Command(facts(command)))));
        let report = Report {
            version: 1,
            project: config.name.clone(),
            cluster: config.cluster.name.clone(),
            profile: config.profile.name.clone(),
            lock: None,
            started_on: now(),
            finished_on: String::new(),
            seconds: 0.0,
            steps,
            after: options.after,
        };
        Self {
            config,
            options,
            out,
            running,
            redactor: Redactor::new([]),
            report,
            session: None,
            is_first: false,
            begun: Instant::now(),
            shard_images: BTreeMap::new(),
            secrets: Vec::new(),
            heard: Arc::new(Heard::new(reporter)),
            looked_into: 0,
        }
    }

    /// Does all of it.
    pub(super) async fn run(&mut self) -> Result<(), End> {
        self.learn().await?;
        self.lock().await?;
        let raised = Box::pin(self.up()).await?;
        let addresses = self.reach(&raised).await?;
        self.commands(&raised, &addresses).await
    }

    /// Learns what is not to be told, before anything is, and finds the images of sharded commands.
    async fn learn(&mut self) -> Result<(), End> {
        let step = if matches!(self.options.lock, Locking::Ignored) { UP } else { LOCK };
        let begun = Instant::now();
        let (config, heard) = (self.config.clone(), self.heard.clone());
        let reading = self.unless_interrupted(step, known::read(&config, heard.as_ref())).await?;
        let Known { secrets, images } = reading.map_err(|error| self.broken(step, begun, error))?;
        self.know(secrets);
        self.know(self.options.key.map(SigningKey::secret).into_iter().collect());
        let found = shard_image::find(&config, &images);
        self.shard_images = found.map_err(|error| self.broken(step, begun, error.into()))?;
        Ok(())
    }

    /// Holds the manifests against the lock.
    async fn lock(&mut self) -> Result<(), End> {
        let Locking::Compared(file) = self.options.lock else {
            self.report.steps[LOCK].verdict = Verdict::Skipped { why: "--no-lock".into() };
            return Ok(());
        };
        let begun = self.begin(LOCK, "comparing with the lock");
        let path = file.map_or_else(|| self.config.directory().join(FILE), std::borrow::ToOwned::to_owned);
        let heard = self.heard.clone();
        let config = self.config.clone();
        let compared = self
            .unless_interrupted(LOCK, async {
                let known = verify::read(&config, Some(&path))?;
                verify::run(&config, &known, heard.as_ref()).await
            })
            .await?;
        let compared = compared.map_err(|error| self.broken(LOCK, begun, error))?;
        // Read again: what was compared is what is attested, unless someone writes at this moment.
        let text = std::fs::read(&path).unwrap_or_default();
        let sha256 = self.out.write(FILE, &text).map_err(|error| self.broken(LOCK, begun, error.into()))?;
        self.report.lock = Some(Tested { root: compared.root.clone(), sha256 });
        let text = handoff::to_text(&compared);
        if compared.differs() {
            let why = format!("{} from the lock", counted(compared.differences.len(), "difference"));
            self.end(LOCK, begun, Verdict::Failed { why }, Some(text));
            return Err(End::LockDiffers);
        }
        self.end(LOCK, begun, Verdict::Passed, Some(text));
        Ok(())
    }

    /// Brings the system up, and with it the data.
    async fn up(&mut self) -> Result<Raised, End> {
        let begun = self.begin(UP, "bringing the system up");
        let config = self.config.clone();
        let heard = self.heard.clone();
        let raising = async {
            let session = Session::open(config.clone(), heard).await?;
            let is_first =
                matches!(session.find().await?, Found::Absent) && down::claims(&session).is_empty();
            Ok::<_, OperationError>((session, is_first))
        };
        let opened = self.unless_interrupted(UP, raising).await?;
        let (session, is_first) = opened.map_err(|error| self.broken(UP, begun, error))?;
        self.session = Some(session.clone());
        self.is_first = is_first;
        let snapshot = self.options.up.snapshot || self.options.secure && !is_first;
        let up_options = up::Options { snapshot, ..self.options.up };
        let raising = Box::pin(up::raise(&session, &up_options));
        let raised = self.unless_interrupted(UP, raising).await?;
        let data = self.heard.data();
        self.report.steps[DATA].seconds = data.as_secs_f64();
        let raised = match raised {
            Ok(raised) => raised,
            Err(error) => return Err(self.not_up(begun, error).await),
        };
        let said =
            format!("{} on cluster {}", counted(raised.report.objects, "object"), raised.report.cluster);
        self.end(UP, begun, Verdict::Passed, Some(said));
        self.report.steps[UP].seconds = (begun.elapsed().saturating_sub(data)).as_secs_f64();
        self.data(&raised);
        let live = known::live_secrets(&raised.existing).await;
        let live = live.map_err(|error| self.broken(UP, begun, error))?;
        self.know(live);
        Ok(raised)
    }

    fn data(&mut self, raised: &Raised) {
        let step = &mut self.report.steps[DATA];
        if self.config.data.is_empty() {
            step.verdict = Verdict::Skipped { why: "devcluster.yaml names no data".into() };
            return;
        }
        let stores: Vec<String> = raised.report.given.iter().map(ToString::to_string).collect();
        step.verdict = Verdict::Passed;
        step.said = Some(match stores.as_slice() {
            [] => "the stores hold what they were given before".into(),
            stores => format!("loaded into {}", stores.join(", ")),
        });
    }

    /// The system did not come up: the cluster, where there is one, is looked into.
    async fn not_up(&mut self, begun: Instant, error: OperationError) -> End {
        let step = if is_of_data(&error) { DATA } else { UP };
        let known = match &error {
            OperationError::NotReady(not_ready) => not_ready.diagnoses.clone(),
            _ => Vec::new(),
        };
        let end = self.broken(step, begun, error);
        if step == DATA {
            self.report.steps[UP].verdict = Verdict::Skipped { why: "its data was not loaded".into() };
        }
        self.look_into(step, &known).await;
        end
    }

    /// Opens addresses for the commands.
    async fn reach(&mut self, raised: &Raised) -> Result<Addresses, End> {
        let begun = Instant::now();
        let opening = Addresses::open(&raised.existing, &raised.report);
        let opened = self.unless_interrupted(UP, opening).await?;
        let addresses = opened.map_err(|error| self.broken(UP, begun, error))?;
        for note in &addresses.notes {
            self.heard.report(Event::Note(note.clone()));
        }
        let listing = serde_json::to_vec_pretty(&addresses.listing()).unwrap_or_default();
        self.out.write("addresses.json", &listing).map_err(|error| self.broken(UP, begun, error.into()))?;
        Ok(addresses)
    }

    /// Writes down what the cluster looks like now that a step has failed.
    pub(super) async fn look_into(&mut self, step: usize, known: &[Diagnosis]) {
        if self.looked_into == LOOKED_INTO || self.options.interrupted.is_cancelled() {
            return;
        }
        let Some(session) = &self.session else { return };
        if !matches!(session.find().await, Ok(Found::Ours(..))) {
            return;
        }
        self.looked_into += 1;
        let into = format!("diagnostics/{}", self.report.steps[step].name);
        let gathering = async {
            let existing = session.existing().await?;
            if let Ok(live) = known::live_secrets(&existing).await {
                self.secrets.extend(live);
            }
            let redactor = Redactor::new(self.secrets.clone());
            let gathering =
                Gathering { existing: &existing, out: &self.out, redactor: &redactor, into: &into, known };
            gathering.run().await
        };
        let gathered = tokio::select! {
            gathered = tokio::time::timeout(diagnostics::PATIENCE, gathering) => gathered,
            () = self.options.interrupted.cancelled() => return,
        };
        let why = match gathered {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the cluster does not answer".into()),
        };
        self.redactor = Redactor::new(self.secrets.clone());
        if let Some(why) = why {
            let why = self.redactor.text(&why);
            self.heard.report(Event::Warning(format!("diagnostics are not whole: {why}")));
        }
        if self.out.directory().join(&into).is_dir() {
            self.report.steps[step].diagnostics = Some(into);
        }
    }

    fn know(&mut self, secrets: Vec<Vec<u8>>) {
        self.secrets.extend(secrets);
        self.secrets.sort();
        self.secrets.dedup();
        self.redactor = Redactor::new(self.secrets.clone());
    }

    /// What comes of work, unless the run is ended meanwhile: then the step was interrupted.
    pub(super) async fn unless_interrupted<T>(
        &mut self,
        step: usize,
        work: impl Future<Output = T>,
    ) -> Result<T, End> {
        tokio::select! {
            done = work => Ok(done),
            () = self.options.interrupted.cancelled() => {
                self.report.steps[step].verdict = Verdict::Interrupted;
                Err(End::Interrupted)
            }
        }
    }

    fn begin(&self, step: usize, what: &str) -> Instant {
        let step = self.report.steps[step].name.clone();
        self.heard.report(Event::Started { step, what: what.into() });
        Instant::now()
    }

    fn end(&mut self, step: usize, begun: Instant, verdict: Verdict, said: Option<String>) {
        let step = &mut self.report.steps[step];
        step.seconds = begun.elapsed().as_secs_f64();
        step.verdict = verdict;
        step.said = said;
        let (step, what) = (step.name.clone(), self.redactor.text(&step.outcome()));
        self.heard.report(Event::Done { step, what, took: begun.elapsed() });
    }

    /// A step that ends the run.
    pub(super) fn broken(&mut self, step: usize, begun: Instant, error: OperationError) -> End {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned();
        self.end(step, begun, Verdict::Failed { why }, Some(text));
        End::Broken(Box::new(error))
    }

    /// Passes an event on.
    pub(super) fn tell(&self, event: Event) {
        self.heard.report(event);
    }
}

/// A command as reports have it.
fn facts(command: &CiCommand) -> Command {
    Command {
        argv: command.run.argv(),
        timeout_seconds: command.timeout_seconds,
        retries: command.retries,
        shards: match &command.place {
            Place::Here => None,
            Place::Shards { count, image } => Some(Shards { count: *count, image: image.clone() }),
        },
    }
}

/// Whether it was the data that failed, and not the system.
fn is_of_data(error: &OperationError) -> bool {
    use OperationError as E;
    matches!(
        error,
        E::Postgres(_)
            | E::Mysql(_)
            | E::Mongo(_)
            | E::Redis(_)
            | E::Volume(_)
            | E::Snapshot(_)
            | E::Seed(_)
            | E::Generate(_)
            | E::Migration { .. }
            | E::NoMigration { .. }
            | E::NoCredentials { .. }
            | E::NoTables { .. }
            | E::NoDatabase { .. }
            | E::NoStore { .. }
            | E::UnknownStore { .. }
            | E::NotInSnapshot { .. }
            | E::Unable { .. }
            | E::Name(_)
    )
}

/// This moment, as RFC 3339 in UTC.
pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
