//! Who uses a store whose data was replaced: told, or started anew where that is asked for.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::reach::is_of;
use crate::apply::pods::evict;
use crate::data::discover::Store;
use crate::data::users::users;
use crate::event::Event;
use crate::manifest::ObjectId;
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::session::{Existing, Session};
use crate::words::counted;

/// How long a disruption budget may hold a Pod up.
const PATIENCE: Duration = Duration::from_mins(2);

/// Says who uses a store, or with `restart` starts their Pods anew, one after the other as disruption budgets allow.
pub async fn after_change(
    session: &Session,
    desired: &Desired,
    existing: &Existing,
    store: &Store,
    restart: bool,
) -> Result<(), OperationError> {
    let users = users(&desired.rendered.objects, store);
    if users.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = users.iter().map(|user| format!("{}/{}", user.namespace, user.name)).collect();
    if !restart {
        let note = format!(
            "what they remember of {store} may be old: {}; --restart starts their Pods anew",
            names.join(", ")
        );
        session.reporter.report(Event::Note(note));
        return Ok(());
    }
    let started = Instant::now();
    session.reporter.report(Event::Started { step: "restart".into(), what: names.join(", ") });
    let mut evicted = 0;
    for user in &users {
        for pod in pods(existing, user).await? {
            let uid = pod.uid().unwrap_or_default();
            evict(&existing.cluster.client, &user.namespace, &pod.name_any(), &uid, PATIENCE).await?;
            evicted += 1;
        }
    }
    let what = format!("{} evicted, their owners untouched", counted(evicted, "Pod"));
    session.reporter.report(Event::Done { step: "restart".into(), what, took: started.elapsed() });
    Ok(())
}

async fn pods(existing: &Existing, user: &ObjectId) -> Result<Vec<Pod>, OperationError> {
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), &user.namespace);
    let all = api.list(&ListParams::default()).await;
    let all = all.map_err(|error| OperationError::request("list Pods", error))?;
    Ok(all.items.into_iter().filter(|pod| is_of(pod, user)).collect())
}
