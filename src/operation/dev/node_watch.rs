//! Notices that nodes were started again, as they are after the engine was: what they forget then is to be put right.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use futures::future::try_join_all;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::{Engine, EngineError, Node};
use crate::operation::session::Existing;

/// How long the engine is left alone before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// A look at a cluster's nodes that goes on. Dropped, it ends.
pub struct NodeWatch {
    restarted: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl NodeWatch {
    /// Begins to look. An engine that is away now is asked later.
    pub async fn start(engine: &Engine, existing: &Existing) -> Self {
        let nodes: Vec<Node> = existing.nodes.iter().map(|node| node.node.clone()).collect();
        let before = started(&nodes).await.ok();
        let (tell, restarted) = watch::channel(false);
        let engine = engine.clone();
        let task = tokio::spawn(async move {
            loop {
                let asked = SystemTime::now();
                // What happened while the engine was away, or nobody listened, shows in the times.
                if started(&nodes).await.is_ok_and(|now| Some(&now) != before.as_ref()) {
                    let _ = tell.send(true);
                    return;
                }
                one_starts(&engine, &nodes, asked).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { restarted, _task: AbortOnDropHandle::new(task) }
    }

    /// Whether a node was started again.
    pub fn restarted(&self) -> bool {
        *self.restarted.borrow()
    }

    /// Waits until a node is started again.
    pub async fn restart(&mut self) {
        if self.restarted.wait_for(|restarted| *restarted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until the engine tells that a node has started since, or until it tells nothing anymore.
async fn one_starts(engine: &Engine, nodes: &[Node], since: SystemTime) {
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("event", vec!["start"]),
        ("container", nodes.iter().map(|node| node.name.as_str()).collect()),
    ]);
    let options = EventsOptionsBuilder::default().since(&since).filters(&filters).build();
    let _ = std::pin::pin!(engine.docker().events(Some(options))).next().await;
}

async fn started(nodes: &[Node]) -> Result<Vec<Option<String>>, EngineError> {
    try_join_all(nodes.iter().map(Node::started)).await
}
