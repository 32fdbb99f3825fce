//! Logs of the whole system: every container of the namespaces in question, followed across restarts and new Pods.

use std::collections::BTreeSet;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;

/// One line of a container's output.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Line {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// What it wrote, without the line end.
    pub text: String,
}

/// What to show.
#[derive(Debug, Clone)]
pub struct Options {
    /// The namespaces whose Pods are shown.
    pub namespaces: BTreeSet<String>,
    /// Only Pods whose name contains this.
    pub pod: Option<String>,
    /// Whether to go on as lines come.
    pub follow: bool,
    /// How many lines of what is there already; all where unset.
    pub tail: Option<i64>,
    /// Only lines of the last so many seconds.
    pub since_seconds: Option<i64>,
    /// The previous run of each container.
    pub previous: bool,
}

/// Sends lines to `lines` until everything was read or, when following, until the receiver is dropped.
pub async fn stream(client: Client, options: Options, lines: mpsc::Sender<Line>) -> Result<(), kube::Error> {
    if options.follow {
        follow(client, options, lines).await;
        return Ok(());
    }
    for namespace in &options.namespaces {
        let pods = Api::<Pod>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?;
        for pod in pods.items.iter().filter(|pod| wanted(pod, &options)) {
            for container in started_containers(pod, options.previous) {
                let source = Source::new(pod, &container.0);
                source.copy(&client, &options, false, options.since_seconds, &lines).await;
            }
        }
    }
    Ok(())
}

/// Watches the Pods and reads each container run once: a restart has another id, and so is read as well.
async fn follow(client: Client, options: Options, lines: mpsc::Sender<Line>) {
    let watches = options.namespaces.iter().map(|namespace| {
        let api = Api::<Pod>::namespaced(client.clone(), namespace);
        watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed()
    });
    let mut pods = futures::stream::select_all(watches);
    let mut known = BTreeSet::new();
    let begun = std::time::Instant::now();
    loop {
        let pod = tokio::select! {
            () = lines.closed() => return,
            pod = pods.try_next() => pod,
        };
        let pod = match pod {
            Ok(Some(pod)) => pod,
            Ok(None) => return,
            // The API server is away: the watcher tries again by itself.
            Err(_) => continue,
        };
        if !wanted(&pod, &options) {
            continue;
        }
        for (container, id) in started_containers(&pod, false) {
            if !known.insert(id) {
                continue;
            }
            let source = Source::new(&pod, &container);
            let (client, lines, mut options) = (client.clone(), lines.clone(), options.clone());
            // What was there at the start is cut to the tail; what starts later is shown from its first line.
            if begun.elapsed() > std::time::Duration::from_secs(2) {
                options.tail = None;
            }
            let since = options.since_seconds;
            tokio::spawn(async move { source.copy(&client, &options, true, since, &lines).await });
        }
    }
}

fn wanted(pod: &Pod, options: &Options) -> bool {
    options.pod.as_deref().is_none_or(|part| pod.name_any().contains(part))
}

/// The containers of a Pod that have something to read: (name, container id).
fn started_containers(pod: &Pod, previous: bool) -> Vec<(String, String)> {
    let Some(status) = &pod.status else { return Vec::new() };
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.filter_map(|container| {
        let terminated = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let id = if previous {
            terminated.and_then(|state| state.container_id.clone())
        } else {
            container.container_id.clone()
        };
        Some((container.name.clone(), id.filter(|id| !id.is_empty())?))
    })
    .collect()
}

struct Source {
    namespace: String,
    pod: String,
    container: String,
}

impl Source {
    fn new(pod: &Pod, container: &str) -> Self {
        Self {
            namespace: pod.namespace().unwrap_or_default(),
            pod: pod.name_any(),
            container: container.into(),
        }
    }

    async fn copy(
        &self,
        client: &Client,
        options: &Options,
        follow: bool,
        since_seconds: Option<i64>,
        lines: &mpsc::Sender<Line>,
    ) {
        let parameters = LogParams {
            container: Some(self.container.clone()),
            follow,
            previous: options.previous,
            tail_lines: options.tail,
            since_seconds,
            ..LogParams::default()
        };
        let api = Api::<Pod>::namespaced(client.clone(), &self.namespace);
        // A Pod that went away between the list and the read has nothing to say.
        let Ok(stream) = api.log_stream(&self.pod, &parameters).await else { return };
        let mut text = stream.lines();
        while let Ok(Some(line)) = text.try_next().await {
            let line = Line {
                namespace: self.namespace.clone(),
                pod: self.pod.clone(),
                container: self.container.clone(),
                text: line,
            };
            if lines.send(line).await.is_err() {
                return;
            }
        }
    }
}
