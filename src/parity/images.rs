//! Which images the manifests name, who runs them, how they are pulled and which ports they must answer on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::json;
use super::reference::ImageReference;
use super::selector::LabelSelector;
use super::workload::pod_containers;
use crate::manifest::{Object, ObjectId};

/// When the kubelet pulls an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum PullPolicy {
    /// At every start of a container.
    Always,
    /// Where the node lacks it.
    IfNotPresent,
    /// Not at all.
    Never,
}

/// What runs an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageUse {
    /// An init container, or a sidecar.
    InitContainer,
    /// A container.
    Container,
    /// An ephemeral container.
    EphemeralContainer,
    /// An image volume.
    Volume,
}

/// One place where an image is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageUser {
    /// The object.
    pub object: ObjectId,
    /// The container's or volume's name.
    pub container: String,
    /// What it is.
    pub used_as: ImageUse,
    /// When it is pulled, with Kubernetes' default where nothing is written.
    pub pull_policy: PullPolicy,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaks {
    /// A gRPC probe asks here.
    Grpc,
    /// An HTTP probe asks here.
    Http,
    /// An HTTPS probe asks here.
    Https,
    /// TCP, and no more is known.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// An image that the manifests name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageNeed {
    /// The reference in its normal form.
    pub reference: ImageReference,
    /// How it is written, every way.
    pub written: BTreeSet<String>,
    /// Where it is named.
    pub users: BTreeSet<ImageUser>,
    /// Ports its containers declare, are probed on or get traffic on from Services, with what is spoken there.
    pub ports: BTreeMap<u16, BTreeSet<Speaks>>,
    /// Programs that the manifests start or probe in it, by the first word of the command: a stand-in has none of them.
    pub commands: BTreeSet<String>,
}

impl ImageNeed {
    /// Whether some container pulls it at every start, so that a registry must answer for it.
    pub fn pulls_always(&self) -> bool {
        self.users.iter().any(|user| user.pull_policy == PullPolicy::Always)
    }
}

/// A text in an `image` field that is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BadImage {
    /// The object.
    pub object: ObjectId,
    /// The container.
    pub container: String,
    /// What is wrong, with the text.
    pub why: String,
}

/// The images that objects name, each with all ways it is written.
pub fn image_references<'a>(
    objects: impl IntoIterator<Item = &'a Object>,
) -> BTreeMap<ImageReference, BTreeSet<&'a str>> {
    let mut found: BTreeMap<ImageReference, BTreeSet<&str>> = BTreeMap::new();
    for pod in objects.into_iter().filter_map(|object| object.pod_template()?.get("spec")) {
        for named in named_images(pod) {
            if let Ok(reference) = named.text.parse() {
                found.entry(reference).or_default().insert(named.text);
            }
        }
    }
    found
}

/// All images of the manifests by reference, and the texts that are none.
pub(crate) fn images(objects: &[Object]) -> (Vec<ImageNeed>, Vec<BadImage>) {
    let mut found: BTreeMap<ImageReference, ImageNeed> = BTreeMap::new();
    let mut bad = Vec::new();
    let services = services(objects);
    for object in objects {
        let Some(template) = object.pod_template() else { continue };
        let pod = template.get("spec").unwrap_or(&Value::Null);
        for named in named_images(pod) {
            match named.text.parse::<ImageReference>() {
                Ok(reference) => {
                    let need = found.entry(reference.clone()).or_insert_with(|| ImageNeed {
                        reference,
                        written: BTreeSet::new(),
                        users: BTreeSet::new(),
                        ports: BTreeMap::new(),
                        commands: BTreeSet::new(),
                    });
                    need.users.insert(named.user(object, &need.reference));
                    need.written.insert(named.text.to_owned());
                    if named.used_as != ImageUse::Volume {
                        ports(named.value, &mut need.ports);
                        commands(named.value, &mut need.commands);
                        service_ports(object, template, pod, named.value, &services, &mut need.ports);
                    }
                }
                Err(error) => {
                    let container = json::text(named.value, "/name").to_owned();
                    bad.push(BadImage { object: object.id(), container, why: error.to_string() });
                }
            }
        }
    }
    bad.sort();
    (found.into_values().collect(), bad)
}

struct Named<'a> {
    text: &'a str,
    value: &'a Value,
    used_as: ImageUse,
    policy: &'a str,
}

impl Named<'_> {
    fn user(&self, object: &Object, reference: &ImageReference) -> ImageUser {
        let pull_policy = match self.policy {
            "Always" => PullPolicy::Always,
            "IfNotPresent" => PullPolicy::IfNotPresent,
            "Never" => PullPolicy::Never,
            _ if reference.pulls_always_by_default() => PullPolicy::Always,
            _ => PullPolicy::IfNotPresent,
        };
        ImageUser {
            object: object.id(),
            container: json::text(self.value, "/name").to_owned(),
            used_as: self.used_as,
            pull_policy,
        }
    }
}

fn named_images(pod: &Value) -> Vec<Named<'_>> {
    let mut named: Vec<_> = pod_containers(pod)
        .map(|(list, value)| Named {
            text: json::text(value, "/image"),
            value,
            used_as: match list {
                "initContainers" => ImageUse::InitContainer,
                "containers" => ImageUse::Container,
                _ => ImageUse::EphemeralContainer,
            },
            policy: json::text(value, "/imagePullPolicy"),
        })
        .collect();
    named.extend(json::items(pod, "/volumes").iter().filter(|volume| volume.get("image").is_some()).map(
        |value| Named {
            text: json::text(value, "/image/reference"),
            value,
            used_as: ImageUse::Volume,
            policy: json::text(value, "/image/pullPolicy"),
        },
    ));
    // An empty image is filled in by some admission webhook, or refused by name.
    named.retain(|named| !named.text.is_empty());
    named
}

const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];
const HOOKS: [&str; 2] = ["/lifecycle/postStart", "/lifecycle/preStop"];

/// The ports a container declares and is probed on.
fn ports(container: &Value, ports: &mut BTreeMap<u16, BTreeSet<Speaks>>) {
    let mut add = |port: Option<u16>, speaks: Speaks| {
        if let Some(port) = port {
            ports.entry(port).or_default().insert(speaks);
        }
    };
    for port in json::items(container, "/ports") {
        let speaks = match json::text(port, "/protocol") {
            "UDP" => Speaks::Udp,
            "SCTP" => Speaks::Sctp,
            _ => Speaks::Tcp,
        };
        add(number(port.get("containerPort")), speaks);
    }
    for handler in PROBES.iter().filter_map(|probe| container.get(probe)).chain(hooks(container)) {
        if let Some(get) = handler.get("httpGet") {
            let speaks = if json::text(get, "/scheme") == "HTTPS" { Speaks::Https } else { Speaks::Http };
            add(resolve(get.get("port"), container), speaks);
        }
        if let Some(socket) = handler.get("tcpSocket") {
            add(resolve(socket.get("port"), container), Speaks::Tcp);
        }
        if let Some(grpc) = handler.get("grpc") {
            add(number(grpc.get("port")), Speaks::Grpc);
        }
    }
}

fn hooks(container: &Value) -> impl Iterator<Item = &Value> {
    HOOKS.iter().filter_map(|pointer| container.pointer(pointer))
}

fn number(port: Option<&Value>) -> Option<u16> {
    port?.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}

/// A port's number, looked up in the container where it is a name.
fn resolve(port: Option<&Value>, container: &Value) -> Option<u16> {
    let port = port?;
    let Some(name) = port.as_str() else { return number(Some(port)) };
    let declared = json::items(container, "/ports").iter().find(|item| json::text(item, "/name") == name);
    declared.and_then(|item| number(item.get("containerPort"))).or_else(|| name.parse().ok())
}

/// The programs that a container's command, exec probes and hooks start.
fn commands(container: &Value, commands: &mut BTreeSet<String>) {
    let own = container.pointer("/command/0");
    let probes = PROBES.iter().filter_map(|probe| container.get(probe)?.pointer("/exec/command/0"));
    let hooks = hooks(container).filter_map(|hook| hook.pointer("/exec/command/0"));
    commands.extend(own.into_iter().chain(probes).chain(hooks).filter_map(Value::as_str).map(str::to_owned));
}

/// A Service's selector and ports.
struct Service<'a> {
    selector: LabelSelector,
    ports: &'a [Value],
}

/// Services by namespace.
fn services(objects: &[Object]) -> BTreeMap<&str, Vec<Service<'_>>> {
    let mut services: BTreeMap<&str, Vec<Service<'_>>> = BTreeMap::new();
    for object in objects.iter().filter(|object| object.kind() == "Service" && object.gvk().group.is_empty())
    {
        let selector = LabelSelector::from_labels(&json::texts(&object.value, "/spec/selector"));
        let ports = json::items(&object.value, "/spec/ports");
        services.entry(object.namespace()).or_default().push(Service { selector, ports });
    }
    services
}

/// Ports that Services send to and that no container declares: given to the Pod's first container.
fn service_ports(
    object: &Object,
    template: &Value,
    pod: &Value,
    container: &Value,
    services: &BTreeMap<&str, Vec<Service<'_>>>,
    found: &mut BTreeMap<u16, BTreeSet<Speaks>>,
) {
    let is_first =
        json::items(pod, "/containers").first().is_some_and(|first| std::ptr::eq(first, container));
    if !is_first {
        return;
    }
    let labels = json::texts(template, "/metadata/labels");
    let declared: BTreeSet<u16> = pod_containers(pod)
        .flat_map(|(_, container)| json::items(container, "/ports"))
        .filter_map(|port| number(port.get("containerPort")))
        .collect();
    let services = services.get(object.namespace()).into_iter().flatten();
    for service in services.filter(|service| service.selector.matches(&labels)) {
        for port in service.ports {
            let target = port.get("targetPort").or_else(|| port.get("port"));
            let Some(target) = number(target).filter(|target| !declared.contains(target)) else { continue };
            let speaks = match json::text(port, "/protocol") {
                "UDP" => Speaks::Udp,
                "SCTP" => Speaks::Sctp,
                _ => Speaks::Tcp,
            };
            found.entry(target).or_default().insert(speaks);
        }
    }
}
