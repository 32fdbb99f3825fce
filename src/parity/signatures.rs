//! Which objects would check image signatures at admission: stand-ins and local builds carry none.

use serde::Serialize;
use serde_json::Value;

use super::json;
use crate::manifest::{Object, ObjectId};

/// An object that would check signatures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureCheck {
    /// The object.
    pub object: ObjectId,
    /// The program that checks.
    pub by: String,
}

/// Words in webhook names, services and URLs, and whose they are.
const WEBHOOKS: &[(&str, &str)] = &[
    ("policy.sigstore.dev", "sigstore policy-controller"),
    ("cosigned", "sigstore policy-controller"),
    ("policy-controller", "sigstore policy-controller"),
    ("connaisseur", "connaisseur"),
    ("ratify", "ratify"),
    ("portieris", "portieris"),
    ("notation", "notation"),
];

/// The objects that would check signatures, in order.
pub(crate) fn signature_checks(objects: &[Object]) -> Vec<SignatureCheck> {
    let mut checks: Vec<_> = objects
        .iter()
        .filter_map(|object| Some(SignatureCheck { object: object.id(), by: checker(object)?.to_owned() }))
        .collect();
    checks.sort();
    checks.dedup();
    checks
}

fn checker(object: &Object) -> Option<&'static str> {
    match (object.gvk().group.as_str(), object.kind()) {
        ("policy.sigstore.dev", "ClusterImagePolicy") => Some("sigstore policy-controller"),
        ("kyverno.io", "ClusterPolicy" | "Policy") => json::items(&object.value, "/spec/rules")
            .iter()
            .any(|rule| rule.get("verifyImages").is_some())
            .then_some("kyverno verifyImages"),
        ("policies.kyverno.io", "ImageValidatingPolicy" | "NamespacedImageValidatingPolicy") => {
            Some("kyverno verifyImages")
        }
        ("externaldata.gatekeeper.sh", "Provider") => (object.name().contains("ratify")
            || object.text("/spec/url").contains("ratify"))
        .then_some("ratify"),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => by_webhook(object),
        _ => None,
    }
}

fn by_webhook(object: &Object) -> Option<&'static str> {
    let fields = |webhook: &Value| {
        ["/name", "/clientConfig/service/name", "/clientConfig/service/namespace", "/clientConfig/url"]
            .map(|pointer| json::text(webhook, pointer).to_owned())
    };
    let mut texts = vec![object.name().to_owned()];
    texts.extend(json::items(&object.value, "/webhooks").iter().flat_map(fields));
    WEBHOOKS.iter().find(|(word, _)| texts.iter().any(|text| text.contains(word))).map(|(_, by)| *by)
}
