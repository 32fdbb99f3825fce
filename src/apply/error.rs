//! What can go wrong between objects and the cluster, each with the object it concerns and the way out.

use std::fmt;
use std::path::PathBuf;

use kube::core::Status;

use crate::manifest::{Gvk, Object, ObjectId, Origin};

/// Why objects could not be brought onto the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {}: {message}", path.display())]
    Kubeconfig {
        /// The kubeconfig's file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A request that concerns no single object of the manifests failed.
    #[error("could not {what}: {message}")]
    Request {
        /// What was asked for, such as `list Deployments in shop`.
        what: String,
        /// What the API server, or the way to it, said.
        message: String,
    },
    /// Objects are of kinds that the cluster does not serve and no CRD among the objects defines.
    #[error("the cluster does not serve {} kind(s) that the manifests use{}", .0.len(), listed(.0))]
    UnknownKinds(Vec<UnknownKind>),
    /// Objects were refused; those of the stage that were not are applied.
    #[error("{} object(s) could not be applied in stage {stage}{}", .errors.len(), listed(.errors))]
    Objects {
        /// The stage's name.
        stage: String,
        /// One error for each refused object, in the order of the manifests.
        errors: Vec<ObjectError>,
    },
    /// A CRD was not taken up by the API server in time.
    #[error("CRD {name} is not established: {why}")]
    NotEstablished {
        /// The CRD's name.
        name: String,
        /// What the API server says about it.
        why: String,
    },
    /// Nothing answers behind a webhook, so applying it would block the objects it checks.
    #[error(
        "{webhook} was not applied: its Service {service} had no ready endpoint within {seconds} s; \
         see why with `kubectl describe endpointslices,pods -n {namespace}`"
    )]
    WebhookBackend {
        /// The webhook configuration.
        webhook: Box<ObjectId>,
        /// The Service, `namespace/name`.
        service: String,
        /// The Service's namespace.
        namespace: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// Another run wrote the inventory since this one read it.
    #[error("the inventory {object} was written by another run in the meantime; run the same command again")]
    InventoryConflict {
        /// The inventory's object.
        object: String,
    },
    /// A stored inventory cannot be read.
    #[error(
        "the inventory {object} cannot be read: {message}; delete it with `kubectl delete configmap -n {} {object}` and \
         run again: everything is applied anew, nothing is pruned",
        super::client::SYSTEM_NAMESPACE
    )]
    InventoryBroken {
        /// The inventory's object.
        object: String,
        /// What is wrong with it.
        message: String,
    },
    /// A hook of a release failed.
    #[error(transparent)]
    Hook(#[from] Box<HookFailure>),
}

/// A hook of a release that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} hook {hook} of release {release} failed: {why}{}", listed(.log))]
pub struct HookFailure {
    /// When it ran, such as `pre-install`.
    pub event: &'static str,
    /// The hook's object.
    pub hook: ObjectId,
    /// The release.
    pub release: String,
    /// Why, in one sentence.
    pub why: String,
    /// The last lines its containers wrote.
    pub log: Vec<String>,
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    items.iter().fold(String::new(), |text, item| text + "\n  " + &item.to_string())
}

impl ApplyError {
    /// The error for a request that concerns no single object.
    pub fn request(what: impl Into<String>, error: &kube::Error) -> Self {
        Self::Request { what: what.into(), message: describe(error) }
    }
}

/// A kind that nobody serves, and who uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The objects of that kind, and where they were written.
    pub objects: Vec<(ObjectId, Origin)>,
    /// The `apiVersion`s under which the cluster serves a kind of that name.
    pub served_as: Vec<String>,
    /// The nearest kind that the group serves.
    pub similar: Option<String>,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.gvk.api_version(), self.gvk.kind)?;
        if let Some((id, origin)) = self.objects.first() {
            write!(out, " ({id}, {}", place(origin))?;
            if self.objects.len() > 1 {
                write!(out, " and {} more", self.objects.len() - 1)?;
            }
            write!(out, ")")?;
        }
        if !self.served_as.is_empty() {
            return write!(out, ": the cluster serves it as {}", self.served_as.join(", "));
        }
        match &self.similar {
            Some(similar) => write!(out, ": did you mean {similar}?"),
            None => write!(out, ": add its CRD to the manifests, or set missingCrds in the profile"),
        }
    }
}

/// `file:line`, or the source where no file is known.
pub fn place(origin: &Origin) -> String {
    match &origin.file {
        Some(file) if origin.line > 0 => format!("{}:{}", file.display(), origin.line),
        Some(file) => file.display().to_string(),
        None => origin.source.clone(),
    }
}

/// One object that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectError {
    /// The object.
    pub id: ObjectId,
    /// Where it was written.
    pub origin: Origin,
    /// Why.
    pub reason: Refusal,
}

impl ObjectError {
    /// For `object`.
    pub fn new(object: &Object, reason: Refusal) -> Self {
        Self { id: object.id(), origin: object.origin.clone(), reason }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}): {}", self.id, place(&self.origin), self.reason)
    }
}

/// Why one object could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field that cannot change would have to.
    #[error(
        "field {field} is immutable ({message}); `--recreate-immutable`, or recreateImmutable in the profile, deletes and \
         recreates the object"
    )]
    Immutable {
        /// The field's path.
        field: String,
        /// What the API server said about it.
        message: String,
    },
    /// As [`Refusal::Immutable`], for kinds that hold data: those are never recreated.
    #[error(
        "field {field} is immutable ({message}) and the object holds data, so it is never recreated here; \
         delete it yourself if its data may go"
    )]
    HoldsData {
        /// The field's path.
        field: String,
        /// What the API server said about it.
        message: String,
    },
    /// Its namespace does not exist.
    #[error("namespace {0} does not exist; add it to the manifests")]
    NoNamespace(String),
    /// The API server answered, and refused.
    #[error("{message} ({code})")]
    Refused {
        /// HTTP status code.
        code: u16,
        /// The API server's message; for Secrets only the fields it concerns.
        message: String,
    },
    /// The old object did not go away in time.
    #[error("it was deleted to be recreated but is not gone after {0} s; a finalizer may hold it")]
    NotGone(u64),
    /// No answer came.
    #[error("{0}")]
    NoAnswer(String),
}

impl Refusal {
    /// The refusal of `object` that `error` stands for.
    pub fn of(object: &Object, error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else { return Self::NoAnswer(describe(error)) };
        let about_namespace =
            status.code == 404 && status.details.as_ref().is_some_and(|details| details.kind == "namespaces");
        if about_namespace && !object.namespace().is_empty() {
            return Self::NoNamespace(object.namespace().into());
        }
        let message =
            if object.kind() == "Secret" { without_values(status) } else { first_line(&status.message) };
        Self::Refused { code: status.code, message }
    }
}

/// The fields that the API server refuses, where it names them.
pub(super) fn refused_fields(status: &Status) -> Vec<&str> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| cause.field.as_str()).filter(|field| !field.is_empty()).collect()
}

/// The API server quotes the values it refuses; a Secret's must not be shown.
fn without_values(status: &Status) -> String {
    let fields = refused_fields(status);
    let reason = if status.reason.is_empty() { "refused" } else { &status.reason };
    if fields.is_empty() {
        format!("{reason}; the message is not shown because it may quote the secret")
    } else {
        format!("{reason}: {}", fields.join(", "))
    }
}

/// The first line, at most 600 characters of it: some messages carry a whole object.
pub fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim();
    if line.chars().count() <= 600 {
        return line.into();
    }
    line.chars().take(600).chain("…".chars()).collect()
}

/// What a failed request says, with the causes that kube's own text leaves out.
pub fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => {
            format!("{} ({})", first_line(&status.message), status.code)
        }
        kube::Error::Api(status) => format!("the API server answered {} {}", status.code, status.reason),
        other => {
            let mut parts = vec![other.to_string()];
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                let text = cause.to_string();
                if parts.last().is_none_or(|last| !last.contains(&text)) {
                    parts.push(text);
                }
                source = cause.source();
            }
            parts.join(": ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::response::{StatusCause, StatusDetails};
    use serde_json::json;

    fn object(kind: &str) -> Object {
        Object {
            value: json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "shop"}}),
            origin: Origin { source: "files".into(), file: Some("deploy/a.yaml".into()), line: 12 },
        }
    }

    fn invalid(message: &str, field: &str) -> kube::Error {
        let mut status = Status::failure(message, "Invalid");
        status.code = 422;
        let cause = StatusCause { reason: String::new(), message: String::new(), field: field.into() };
        status.details = Some(StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: vec![cause],
            retry_after_seconds: 0,
        });
        kube::Error::Api(status.boxed())
    }

    #[test]
    fn a_secrets_value_is_never_quoted() {
        let error = invalid("Secret \"a\" is invalid: data[k]: Invalid value: \"hunter2\"", "data[k]");
        let text = ObjectError::new(&object("Secret"), Refusal::of(&object("Secret"), &error)).to_string();
        assert_eq!(text, "Secret shop/a (deploy/a.yaml:12): Invalid: data[k] (422)");
        let text = Refusal::of(&object("ConfigMap"), &error).to_string();
        assert!(text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_unknown_kind_is_named_with_its_objects() {
        let kind = UnknownKind {
            gvk: Gvk::new("extensions/v1beta1", "Ingress"),
            objects: vec![(object("Ingress").id(), object("Ingress").origin)],
            served_as: vec!["networking.k8s.io/v1".into()],
            similar: None,
        };
        assert_eq!(
            ApplyError::UnknownKinds(vec![kind]).to_string(),
            "the cluster does not serve 1 kind(s) that the manifests use\n  extensions/v1beta1 Ingress (Ingress shop/a, \
             deploy/a.yaml:12): the cluster serves it as networking.k8s.io/v1"
        );
    }
}
