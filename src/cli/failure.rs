//! Turns an operation's error into an exit code and words, with the cure where one is known.

use super::exit::{CliError, Exit};
use crate::apply::diagnose::render;
use crate::cluster::{ClusterError, EngineError};
use crate::handoff::ci::Redactor;
use crate::handoff::release::ReleaseError;
use crate::image::ImageError;
use crate::manifest::ManifestError;
use crate::operation::ci::CiError;
use crate::operation::error::OperationError;
use crate::operation::handoff::error::HandoffError;
use crate::operation::verify::LockError;
use crate::process::ProcessError;

impl From<OperationError> for CliError {
    fn from(error: OperationError) -> Self {
        Self::message(exit(&error), words(&error).trim_end())
    }
}

impl CliError {
    /// The same without any Secret's value: logs of CI are read by many.
    pub(super) fn redacted(error: &OperationError, redactor: &Redactor) -> Self {
        Self::message(exit(error), redactor.text(words(error).trim_end()))
    }
}

fn words(error: &OperationError) -> String {
    match error {
        OperationError::NotReady(not_ready) => {
            let head = not_ready.to_string();
            let head = head.lines().next().unwrap_or_default().to_owned();
            format!("{head}\n{}", render(&not_ready.diagnoses))
        }
        error => error.to_string(),
    }
}

fn exit(error: &OperationError) -> Exit {
    match error {
        OperationError::NotReady(_) => Exit::NotReady,
        OperationError::Manifest(error) => of_manifest(error),
        OperationError::Handoff(error) => of_handoff(error),
        OperationError::Engine(error)
        | OperationError::Cluster(ClusterError::Engine(error))
        | OperationError::Image(ImageError::Engine(error)) => of_engine(error),
        OperationError::Cluster(ClusterError::Process(ProcessError::Missing { .. }))
        | OperationError::Image(ImageError::Process(ProcessError::Missing { .. })) => Exit::Missing,
        OperationError::Images(_)
        | OperationError::MissingKinds(_)
        | OperationError::NoStore { .. }
        | OperationError::WhichStore { .. }
        | OperationError::UnknownStore { .. }
        | OperationError::OtherStore { .. }
        | OperationError::Name(_)
        | OperationError::Seed(_)
        | OperationError::Lock(
            LockError::Absent { .. } | LockError::NoText { .. } | LockError::Faults { .. },
        )
        | OperationError::Ci(CiError::NotOurs { .. } | CiError::Busy { .. } | CiError::Image { .. })
        | OperationError::Generate(_)
        | OperationError::Attestation(_)
        | OperationError::Release(
            ReleaseError::None | ReleaseError::Unknown { .. } | ReleaseError::Note { .. },
        )
        | OperationError::Cluster(
            ClusterError::PortTaken { .. } | ClusterError::NotOurs { .. } | ClusterError::Elsewhere { .. },
        ) => Exit::Usage,
        _ => Exit::Failed,
    }
}

fn of_manifest(error: &ManifestError) -> Exit {
    if error.is_users() {
        Exit::Usage
    } else if error.is_missing_tool() {
        Exit::Missing
    } else {
        Exit::Failed
    }
}

fn of_handoff(error: &HandoffError) -> Exit {
    match error {
        HandoffError::Process(ProcessError::Missing { .. }) => Exit::Missing,
        error if error.is_users() => Exit::Usage,
        _ => Exit::Failed,
    }
}

fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Unreachable { .. } | EngineError::Lost { .. } => Exit::Missing,
        _ => Exit::Failed,
    }
}
