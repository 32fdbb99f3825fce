//! What runs, taken hold of: its Pods, the hands on its nodes, and what swaps its images.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::node_watch::NodeWatch;
use crate::operation::gather::Desired;
use crate::operation::hands::Hands;
use crate::operation::live::Live;
use crate::operation::logs::{self, Line};
use crate::operation::session::{Existing, Session};
use crate::operation::swap::{Stage, Style, Swapper};

/// What is running, and how to change it.
pub(super) struct Running {
    pub desired: Desired,
    pub existing: Arc<Existing>,
    pub live: Live,
    pub hands: Hands,
    pub swapper: Swapper,
    pub nodes: NodeWatch,
    /// Sends on the logs for as long as it is kept.
    pub _logs: Option<AbortOnDropHandle<()>>,
}

/// Sends on what the system's containers write from now on.
pub(super) fn follow(
    existing: &Existing,
    desired: &Desired,
    lines: mpsc::Sender<Line>,
) -> AbortOnDropHandle<()> {
    let options = logs::Options {
        namespaces: desired.namespaces(),
        pod: None,
        follow: true,
        tail: Some(0),
        since_seconds: None,
        previous: false,
    };
    let client = existing.cluster.client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        // One that follows ends only with its reader.
        let _ = logs::stream(client, options, lines).await;
    }))
}

impl Running {
    pub fn parts<'a>(
        &'a mut self,
        session: &'a Session,
        style: Style,
    ) -> (Stage<'a>, &'a mut Hands, &'a mut Swapper) {
        let Self { desired, existing, live, hands, swapper, .. } = self;
        (Stage { session, desired, existing, live, style }, hands, swapper)
    }
}
