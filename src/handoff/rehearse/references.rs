//! Names of Services with their namespace in a text: `orders.shop`, `orders.shop.svc.cluster.local`. In a copy they must lead to
//! the copy.

use std::collections::{BTreeMap, BTreeSet};

use super::copies::Copies;

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The text with every such name of a copied namespace leading to its copy; none where it has none.
    pub text: Option<String>,
    /// The names that were changed.
    pub changed: BTreeSet<String>,
    /// Names in namespaces that are not copied.
    pub strange: BTreeSet<String>,
}

/// Namespaces whose Services hold nothing of the system's.
const COMMON: [&str; 2] = ["default", "kube-system"];

/// Looks for names in a text. `services` has production's Services by namespace: a name without `.svc` counts where there is such a
/// Service.
pub fn find(text: &str, copies: &Copies, services: &BTreeMap<String, BTreeSet<String>>) -> Found {
    let mut found = Found::default();
    let mut out = String::with_capacity(text.len());
    for run in runs(text) {
        let labels: Vec<&str> = run.split('.').collect();
        let at = labels.iter().enumerate().position(|(at, label)| names(&labels, at, label, services));
        if let Some((at, copy)) = at.and_then(|at| Some((at, copies.get(labels[at])?))) {
            let mut new = labels.clone();
            new[at] = copy;
            found.changed.insert(run.to_owned());
            out.push_str(&new.join("."));
            continue;
        }
        if at.is_some_and(|at| !COMMON.contains(&labels[at])) {
            found.strange.insert(run.to_owned());
        }
        out.push_str(run);
    }
    found.text = (!found.changed.is_empty()).then_some(out);
    found
}

/// Whether the label at a place is a namespace.
fn names(labels: &[&str], at: usize, label: &str, services: &BTreeMap<String, BTreeSet<String>>) -> bool {
    match labels.get(at + 1) {
        Some(&"svc") => !label.is_empty(),
        None | Some(&"") => {
            at > 0 && services.get(label).is_some_and(|services| services.contains(labels[at - 1]))
        }
        Some(_) => false,
    }
}

/// The text in pieces: what a host's name may consist of, and what lies between.
fn runs(text: &str) -> Vec<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = is_of_name(first);
        let end = rest.find(|c| is_of_name(c) != inside).unwrap_or(rest.len());
        let (piece, left) = rest.split_at(end);
        pieces.push(piece);
        rest = left;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Object, Origin};
    use serde_json::json;

    fn look(text: &str) -> Found {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": {}});
        let object = Object { value, origin: Origin { source: String::new(), file: None, line: 0 } };
        let services = [("shop", "orders"), ("other", "mail")]
            .map(|(namespace, service)| (namespace.to_owned(), BTreeSet::from([service.to_owned()])));
        find(text, &Copies::of([&object]), &services.into())
    }

    #[test]
    fn names_of_copied_namespaces_lead_to_the_copy() {
        let changed = |text: &str| look(text).text.unwrap_or_else(|| "as it was".into());
        assert_eq!(
            changed("postgres://u:p@orders.shop:5432/x"),
            "postgres://u:p@orders.devcluster-rehearse-shop:5432/x"
        );
        assert_eq!(changed("psql -h orders.shop -c x"), "psql -h orders.devcluster-rehearse-shop -c x");
        assert_eq!(changed("orders.shop."), "orders.devcluster-rehearse-shop.");
        assert_eq!(
            changed("db-0.db.shop.svc.cluster.local,ü web.shop.svc"),
            "db-0.db.devcluster-rehearse-shop.svc.cluster.local,ü web.devcluster-rehearse-shop.svc"
        );
        assert_eq!(changed("shop.svc.cluster.local"), "devcluster-rehearse-shop.svc.cluster.local");
    }

    #[test]
    fn other_names_stay() {
        for text in
            ["orders.shop.example.com", "orders", "shop", "unknown.shop", "1.5", "kubernetes.default.svc", ""]
        {
            assert_eq!(look(text), Found::default(), "{text}");
        }
    }

    #[test]
    fn what_is_not_copied_is_told() {
        for text in ["http://mail.other/x", "x.elsewhere.svc.cluster.local"] {
            let found = look(text);
            assert_eq!((found.text, found.strange.len()), (None, 1), "{text}");
        }
    }
}
