//! The end of a run: its results are written, and then the cluster goes, where it is to.

use std::io::Write as _;

use super::error::CiError;
use super::steps::{Runner, now};
use super::{End, Finished};
use crate::cluster::identity::Found;
use crate::event::Event;
use crate::handoff::ci::{After, Report, junit, seal, statement, summary};
use crate::operation::down;
use crate::operation::error::OperationError;

/// The statement, in its envelope where it is signed.
const ATTESTATION: &str = "attestation.json";
/// The file that GitHub shows on a run's page.
const GITHUB: &str = "GITHUB_STEP_SUMMARY";

impl Runner<'_> {
    /// Writes down what there is, and then takes the cluster away where that is asked for.
    pub(super) async fn finish(mut self, end: End) -> Result<Finished, OperationError> {
        self.report.finished_on = now();
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        let report = self.report.clone().redacted(&self.redactor);
        let summary = self.write(&report)?;
        let bundle = self.out.bundle()?;
        let taken = self.take_down().await;
        let is_there = match &self.session {
            Some(session) => matches!(session.find().await, Ok(Found::Ours(..))),
            None => false,
        };
        Ok(Finished {
            is_there,
            report,
            summary,
            directory: self.out.directory().to_owned(),
            bundle,
            end,
            taken,
            redactor: self.redactor,
        })
    }

    fn write(&self, report: &Report) -> Result<String, OperationError> {
        let summary = summary(report);
        let xml = junit(report).map_err(std::io::Error::other);
        let xml =
            xml.map_err(|source| CiError::Write { path: self.out.directory().join("junit.xml"), source })?;
        let json = serde_json::to_vec_pretty(&report.whole()).unwrap_or_default();
        let files = [
            ("junit.xml", self.out.write("junit.xml", xml.as_bytes())?),
            ("result.json", self.out.write("result.json", &json)?),
            ("summary.md", self.out.write("summary.md", summary.as_bytes())?),
        ];
        match &report.lock {
            Some(lock) => {
                let statement = statement(report, lock, env!("CARGO_PKG_VERSION"), &files);
                let text = serde_json::to_vec_pretty(&statement).unwrap_or_default();
                self.out.write(ATTESTATION, &self.sealed(text)?)?;
            }
            None => self.tell(Event::Note("without a lock there is nothing to attest".into())),
        }
        self.show_on_github(&summary);
        Ok(summary)
    }

    /// A statement as it is written: signed where there is a key.
    fn sealed(&self, statement: Vec<u8>) -> Result<Vec<u8>, CiError> {
        let Some(key) = self.options.key else { return Ok(statement) };
        let path = self.out.directory().join(ATTESTATION);
        let source = || std::io::Error::other("this machine gives no random bytes to sign with");
        let envelope = seal(&statement, key).ok_or_else(|| CiError::Write { path, source: source() })?;
        Ok(serde_json::to_vec_pretty(&envelope).unwrap_or_default())
    }

    fn show_on_github(&self, summary: &str) {
        let Some(path) = std::env::var_os(GITHUB).filter(|path| !path.is_empty()) else { return };
        let appended = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        if let Err(error) = appended.and_then(|mut file| file.write_all(summary.as_bytes())) {
            self.tell(Event::Warning(format!("{GITHUB} cannot be written to: {error}")));
        }
    }

    /// The data that stood before the run stays, whatever becomes of the cluster.
    async fn take_down(&self) -> Option<down::Taken> {
        let session = self.session.as_ref().filter(|_| self.options.after == After::TakenDown)?;
        match down::run(session, self.is_first, true).await {
            Ok(taken) => Some(taken),
            Err(error) => {
                let error = self.redactor.text(&error.to_string());
                self.tell(Event::Warning(format!("the cluster is still there: {error}")));
                None
            }
        }
    }
}
