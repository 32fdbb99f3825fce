//! Whether the network does as the copies' NetworkPolicy says: tried by Pods of this program before a copy starts, on every node.

use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::ground;
use super::network_probe::Sight;
use crate::apply::SYSTEM_NAMESPACE;
use crate::apply::hook::pod_state;
use crate::event::Event;
use crate::handoff::rehearse::{GROUND, LABEL, Network, RehearseError, policy};
use crate::image::own::OwnImage;
use crate::operation::datasets::workers;
use crate::operation::error::OperationError;
use crate::operation::session::{Existing, Session};

const PORT: u16 = 4727;
const PAUSE: Duration = Duration::from_millis(200);
/// How long the Pods may take to start and to look.
const PATIENCE: Duration = Duration::from_mins(2);
/// When a Pod ends by itself, in seconds: nobody may be left to delete it.
const LONGEST: u32 = 300;
/// Where a container leaves what its Pod's status then has.
const TO: &str = "/dev/termination-log";

/// Tries it. A network that does not hold the copies back is an error, unless that is `accepted`.
pub(in crate::operation) async fn check(
    session: &Session,
    existing: &Existing,
    accepted: bool,
) -> Result<Network, OperationError> {
    let begun = std::time::Instant::now();
    let what = "seeing whether the network holds the copies back".into();
    session.reporter.report(Event::Started { step: "rehearse".into(), what });
    let tried = tried(session, existing).await;
    forget(existing).await?;
    let network = match tried {
        Ok(nodes) => judged(&nodes),
        Err(OperationError::Rehearse(error)) => Err(error),
        Err(error) => Err(RehearseError::Untried { why: error.to_string() }),
    };
    match network {
        Ok(network) => {
            if let Network::Late { milliseconds } = network {
                session.reporter.report(Event::Warning(format!(
                    "the network holds a Pod back only {milliseconds} ms after its start: until then a copy may reach what is real"
                )));
            }
            let what = "the network holds the copies back".into();
            session.reporter.report(Event::Done { step: "rehearse".into(), what, took: begun.elapsed() });
            Ok(network)
        }
        Err(error) if accepted => {
            let why = match error {
                RehearseError::Unenforced { nodes } => {
                    format!("it does not enforce NetworkPolicies on {}", nodes.join(", "))
                }
                RehearseError::Untried { why } => format!("that could not be tried: {why}"),
                other => other.to_string(),
            };
            let told = "what finds a real store by other than its Service's name reaches it";
            let warning = format!("the network may not hold the copies back, for {why}; {told}");
            session.reporter.report(Event::Warning(warning));
            Ok(Network::Never { why })
        }
        Err(error) => Err(error.into()),
    }
}

/// What the Pods of all nodes say together.
fn judged(nodes: &[(String, Sight)]) -> Result<Network, RehearseError> {
    let reached = nodes.iter().filter(|(_, sight)| sight.within && !sight.held);
    let reached: Vec<String> = reached.map(|(node, _)| node.clone()).collect();
    if !reached.is_empty() {
        return Err(RehearseError::Unenforced { nodes: reached });
    }
    if let Some((node, _)) = nodes.iter().find(|(_, sight)| !sight.within) {
        return Err(RehearseError::Untried {
            why: format!("a Pod on {node} does not reach another one either, which it may"),
        });
    }
    let late = nodes.iter().filter_map(|(_, sight)| sight.reached_for).max();
    Ok(late.map_or(Network::Always, |milliseconds| Network::Late { milliseconds }))
}

async fn tried(session: &Session, existing: &Existing) -> Result<Vec<(String, Sight)>, OperationError> {
    let image = workers::deliver(session, existing).await?;
    ground::make_one(existing, GROUND, std::iter::empty()).await?;
    let client = &existing.cluster.client;
    let policy: NetworkPolicy = made(policy::policy(GROUND).value)?;
    let applied = Api::namespaced(client.clone(), GROUND).create(&PostParams::default(), &policy).await;
    applied.map_err(|error| OperationError::request("make the rehearsal's NetworkPolicy", error))?;
    let listening = ["--listen".to_owned(), PORT.to_string()];
    let listener = pod(&image, "listener", &listening, None);
    let within = start(existing, GROUND, &listener).await?;
    let beyond = start(existing, SYSTEM_NAMESPACE, &listener).await?;
    let (within, beyond) = tokio::try_join!(address(&within), address(&beyond))?;
    let looking = ["--within", &within, "--beyond", &beyond, "--to", TO].map(str::to_owned);
    let looking = existing.nodes.iter().enumerate().map(|(index, node)| {
        let (name, looking) = (&node.node.name, &looking);
        let pod = pod(&image, &format!("probe-{index}"), looking, Some(name));
        async move {
            let started = start(existing, GROUND, &pod).await?;
            Ok::<_, OperationError>((name.clone(), sight(&started).await?))
        }
    });
    futures::future::try_join_all(looking).await
}

/// A Pod that was made, by the way to it.
struct Started {
    api: Api<Pod>,
    name: String,
}

async fn start(existing: &Existing, namespace: &str, pod: &Value) -> Result<Started, OperationError> {
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), namespace);
    let created = api.create(&PostParams::default(), &made(pod.clone())?).await;
    let created =
        created.map_err(|error| OperationError::request("start a Pod that tries the network", error))?;
    Ok(Started { api, name: created.name_any() })
}

/// Where a listener listens.
async fn address(listener: &Started) -> Result<String, OperationError> {
    let address = until(listener, |pod| {
        let status = pod.status.as_ref()?;
        (status.phase.as_deref() == Some("Running")).then(|| status.pod_ip.clone()).flatten()
    });
    let address = address.await?;
    let address = address.parse().map_err(|_| failed(format!("{address} is no address")))?;
    Ok(SocketAddr::new(address, PORT).to_string())
}

/// What a Pod saw, once it has ended.
async fn sight(started: &Started) -> Result<Sight, OperationError> {
    let message = until(started, |pod| {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        let ended = statuses.first()?.state.as_ref()?.terminated.as_ref()?;
        Some(ended.message.clone().unwrap_or_else(|| format!("exit code {}", ended.exit_code)))
    });
    let message = message.await?;
    serde_json::from_str(&message).map_err(|_| failed(format!("{} ended: {message}", started.name)))
}

/// Waits for something of a Pod.
async fn until(started: &Started, look: impl Fn(&Pod) -> Option<String>) -> Result<String, OperationError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let pod = started.api.get(&started.name).await;
        let pod =
            pod.map_err(|error| OperationError::request("look at a Pod that tries the network", error))?;
        if let Some(found) = look(&pod) {
            return Ok(found);
        }
        if tokio::time::Instant::now() > deadline {
            let state = serde_json::to_value(&pod).ok().and_then(|pod| pod_state(&pod));
            let state = state.unwrap_or_else(|| "it has not started".into());
            return Err(failed(format!("Pod {}: {state}", started.name)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes away what listens outside of the rehearsal's namespaces.
pub(in crate::operation) async fn forget(existing: &Existing) -> Result<(), OperationError> {
    let api = Api::<Pod>::namespaced(existing.cluster.client.clone(), SYSTEM_NAMESPACE);
    let own = ListParams::default().labels(&format!("{LABEL}=true"));
    let deleted = api.delete_collection(&DeleteParams::default().grace_period(0), &own).await;
    deleted.map(drop).map_err(|error| OperationError::request("delete the Pods that try the network", error))
}

fn pod(image: &OwnImage, name: &str, arguments: &[String], node: Option<&str>) -> Value {
    let arguments = [&["network-probe".to_owned()], arguments].concat();
    let mut pod = json!({
        "metadata": {"name": format!("rehearsal-{name}"), "labels": {LABEL: "true"}},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LONGEST,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": image.reference,
                "imagePullPolicy": "Never",
                "command": image.command,
                "args": arguments,
                "terminationMessagePath": TO,
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

fn failed(why: String) -> OperationError {
    RehearseError::Untried { why }.into()
}

fn made<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, OperationError> {
    serde_json::from_value(value).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_that_does_not_hold_back_is_enough() {
        let sight = |within, held, reached_for| Sight { within, held, reached_for };
        let of = |sights: &[Sight]| {
            let nodes: Vec<_> =
                sights.iter().enumerate().map(|(at, sight)| (format!("n{at}"), *sight)).collect();
            judged(&nodes)
        };
        let held = sight(true, true, None);
        assert_eq!(of(&[held, held]), Ok(Network::Always));
        assert_eq!(of(&[held, sight(true, true, Some(40))]), Ok(Network::Late { milliseconds: 40 }));
        let nodes = vec!["n1".to_owned()];
        assert_eq!(of(&[held, sight(true, false, Some(9000))]), Err(RehearseError::Unenforced { nodes }));
        assert!(matches!(of(&[held, sight(false, false, None)]), Err(RehearseError::Untried { .. })));
    }
}
