//! kind: clusters made by its command line, found through the labels it puts on its node containers.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use async_trait::async_trait;
use bollard::query_parameters::{ListContainersOptionsBuilder, StartContainerOptions};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::containerd;
use super::engine::{Engine, EngineError, Node};
use super::provider::{Blueprint, ClusterError, ProvidedNode, Provider, VOLUMES_ON_NODE};
use crate::event::{Event, Reporter};
use crate::process::Command;

/// Clusters made by `kind`.
#[derive(Debug, Clone)]
pub struct Kind {
    engine: Engine,
}

impl Kind {
    /// Clusters on `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Provider for Kind {
    async fn nodes(&self, name: &str) -> Result<Vec<ProvidedNode>, ClusterError> {
        let filters = HashMap::from([("label", vec![format!("io.x-k8s.kind.cluster={name}")])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = self
            .engine
            .docker()
            .list_containers(Some(options))
            .await
            .map_err(|error| EngineError::from_bollard("list containers", error))?;
        let mut nodes: Vec<ProvidedNode> = containers
            .into_iter()
            .filter_map(|container| {
                let name = container.names?.first()?.trim_start_matches('/').to_owned();
                let shared = container.mounts.into_iter().flatten().find_map(|mount| {
                    (mount.destination? == containerd::SHARED_ON_NODE).then_some(mount.source)?
                });
                let socket = shared.map(|shared| containerd::socket(Path::new(&shared)));
                let role = container.labels?.get("io.x-k8s.kind.role").cloned().unwrap_or_default();
                Some(ProvidedNode {
                    node: Node { name, engine: self.engine.clone(), containerd: socket },
                    id: container.id?,
                    running: container.state.is_some_and(|state| state.to_string() == "running"),
                    control_plane: role == "control-plane",
                })
            })
            .collect();
        nodes.sort_by(|a, b| {
            // kind numbers workers `worker`, `worker2`, …, `worker10`: the shorter name comes first.
            let key =
                |node: &ProvidedNode| (!node.control_plane, node.node.name.len(), node.node.name.clone());
            key(a).cmp(&key(b))
        });
        Ok(nodes)
    }

    async fn check(&self) -> Result<(), ClusterError> {
        Command::new("kind").arg("version").output().await?;
        Ok(())
    }

    async fn create(
        &self,
        blueprint: &Blueprint,
        kubeconfig: &Path,
        reporter: &dyn Reporter,
    ) -> Result<(), ClusterError> {
        let config = serde_json::to_vec(&cluster_config(blueprint)).unwrap_or_default();
        let path = kubeconfig.with_file_name("kind.json");
        std::fs::write(&path, config).map_err(|source| ClusterError::Io { path: path.clone(), source })?;
        let mut command = Command::new("kind")
            .args(["create", "cluster", "--name", &blueprint.name])
            .args(["--config".to_owned(), path.display().to_string()])
            .args(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
        if let Some(image) = &blueprint.node_image {
            command = command.args(["--image", image]);
        }
        let made = stream(&command, reporter).await;
        // kind tells at length what came of an engine that went away; that it went is all there is to say.
        match made {
            Err(_) if self.engine.docker().ping().await.is_err() => {
                let what = format!("make cluster {}", blueprint.name);
                Err(EngineError::Lost { what, reason: "it does not answer anymore".into() }.into())
            }
            made => made,
        }
    }

    async fn start(&self, nodes: &[ProvidedNode]) -> Result<(), ClusterError> {
        try_join_all(nodes.iter().filter(|node| !node.running).map(|node| async move {
            self.engine
                .docker()
                .start_container(&node.node.name, None::<StartContainerOptions>)
                .await
                .map_err(|error| EngineError::from_bollard(format!("start {}", node.node.name), error))
        }))
        .await?;
        Ok(())
    }

    async fn delete(&self, name: &str, kubeconfig: &Path) -> Result<(), ClusterError> {
        Command::new("kind")
            .args(["delete", "cluster", "--name", name])
            .args(["--kubeconfig".to_owned(), kubeconfig.display().to_string()])
            .output()
            .await?;
        Ok(())
    }

    fn delete_command(&self, name: &str) -> String {
        format!("kind delete cluster --name {name}")
    }
}

/// Runs kind and passes on what it says it does.
async fn stream(command: &Command, reporter: &dyn Reporter) -> Result<(), ClusterError> {
    let mut tokio_command = command.to_tokio();
    tokio_command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = tokio_command.spawn().map_err(|source| command.start_error(source))?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line = line.trim().trim_start_matches(['✓', '•', '✗', ' ']).trim().to_owned();
            said.push_str(&line);
            said.push('\n');
            if !line.is_empty() {
                reporter.report(Event::Output { step: "cluster".into(), line });
            }
        }
    }
    let status = child.wait().await.map_err(|source| command.start_error(source))?;
    if status.success() { Ok(()) } else { Err(command.failed(status, said.as_bytes(), b"").into()) }
}

/// kind's own configuration for a cluster. Labels and taints are not in it: they change while the cluster lives.
fn cluster_config(blueprint: &Blueprint) -> Value {
    let nodes: Vec<Value> = blueprint
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let mut mounts =
                vec![json!({"hostPath": blueprint.volumes, "containerPath": VOLUMES_ON_NODE})];
            mounts.extend(
                node.mounts.iter().map(|(host, inside)| json!({"hostPath": host, "containerPath": inside})),
            );
            if index > 0 {
                return json!({"role": "worker", "extraMounts": mounts});
            }
            let port = |inside: u16, host: u16| {
                json!({"containerPort": inside, "hostPort": host, "listenAddress": "127.0.0.1", "protocol": "TCP"})
            };
            let ports = [port(80, blueprint.ports.0), port(443, blueprint.ports.1)];
            json!({"role": "control-plane", "extraMounts": mounts, "extraPortMappings": ports})
        })
        .collect();
    let mut networking = json!({"apiServerAddress": "127.0.0.1"});
    if let Some(range) = &blueprint.pod_subnet {
        networking["podSubnet"] = json!(range);
    }
    if let Some(range) = &blueprint.service_subnet {
        networking["serviceSubnet"] = json!(range);
    }
    json!({
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": blueprint.name,
        "networking": networking,
        "nodes": nodes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::provider::NodeBlueprint;
    use super::*;

    #[test]
    fn the_configuration_has_what_cannot_change_later() {
        let node = NodeBlueprint { mounts: vec![("/s/node".into(), "/sys/devices/system/node".into())] };
        let config = cluster_config(&Blueprint {
            name: "shop-1".into(),
            node_image: None,
            nodes: vec![node.clone(), node],
            ports: (8080, 8443),
            pod_subnet: Some("10.9.0.0/16".into()),
            service_subnet: None,
            volumes: "/v".into(),
        });
        insta::assert_yaml_snapshot!(config);
    }
}
