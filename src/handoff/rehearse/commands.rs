//! Which commands of `ci:` can be run on a copy, and as what: one that would reach the real system is not.

use std::collections::{BTreeMap, BTreeSet};

use super::copies::Copies;
use super::references;

/// What leads to the real system, whatever variables say.
const FIXED: [&str; 3] = ["localhost", "127.0.0.1", "DEVCLUSTER_INGRESS"];
/// What kubectl is told to ask another server by, or as somebody else.
const ELSEWHERE: [&str; 8] =
    ["--kubeconfig", "--context", "--cluster", "--user", "--server", "-s", "--as", "--token"];
/// All namespaces are the real ones, too.
const EVERYWHERE: [&str; 2] = ["-A", "--all-namespaces"];
/// What belongs to the whole cluster, by the names that kubectl takes.
const CLUSTERS_OWN: [&str; 15] = [
    "node",
    "nodes",
    "no",
    "namespace",
    "namespaces",
    "ns",
    "persistentvolume",
    "persistentvolumes",
    "pv",
    "crd",
    "crds",
    "clusterrole",
    "clusterroles",
    "storageclass",
    "storageclasses",
];

/// A command as it is run on a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its words.
    pub argv: Vec<String>,
    /// What in them leads to the copy now: as it was written.
    pub changed: BTreeSet<String>,
}

/// A command as it is run on a copy, or why it is not. Where it runs kubectl, the namespaces that it names become those of the
/// copies; `services` are production's.
pub fn place(
    argv: &[String],
    env: &BTreeMap<String, String>,
    copies: &Copies,
    services: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Placed, String> {
    let texts = argv.iter().chain(env.keys()).chain(env.values());
    if let Some(found) =
        texts.flat_map(|text| FIXED.iter().filter(move |fixed| text.contains(**fixed))).next()
    {
        return Err(format!("it says {found}, which leads to the real system"));
    }
    let of_env = env.iter().find(|(name, value)| *name == "KUBECONFIG" || value.contains("kubectl"));
    if let Some((name, _)) = of_env {
        return Err(format!("its variable {name} leads to the real system"));
    }
    let mut placed = Placed { argv: argv.to_vec(), changed: BTreeSet::new() };
    if argv.first().is_some_and(|program| program.rsplit('/').next() == Some("kubectl")) {
        call(&mut placed.argv, copies, &mut placed.changed)?;
    } else {
        for text in &mut placed.argv {
            *text = script(text, copies, &mut placed.changed)?;
        }
    }
    if argv.iter().any(|text| text.contains("kubectl")) {
        for text in &mut placed.argv {
            let found = references::find(text, copies, services);
            if let Some(strange) = found.strange.first() {
                return Err(format!("it says {strange}, which is in a namespace that is not copied"));
            }
            *text = found.text.unwrap_or_else(|| text.clone());
            placed.changed.extend(found.changed);
        }
    }
    Ok(placed)
}

/// A shell's script: each call of kubectl in it reaches to the end of its command.
fn script(text: &str, copies: &Copies, changed: &mut BTreeSet<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("kubectl") {
        let (before, from) = rest.split_at(at);
        let (own, after) = from.split_at(end(from));
        let mut words: Vec<String> = own.split_inclusive(char::is_whitespace).map(str::to_owned).collect();
        call(&mut words, copies, changed)?;
        out.extend([before.to_owned(), words.concat()]);
        rest = after;
    }
    Ok(out + rest)
}

/// Where a simple command ends: a line that ends with a backslash goes on.
fn end(text: &str) -> usize {
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        if matches!(character, '|' | ';' | '&' | ')' | '`') || (character == '\n' && before != '\\') {
            return at;
        }
        before = character;
    }
    text.len()
}

/// One call of kubectl, whose words may be in a shell's quotes and may have whitespace at their ends.
fn call(words: &mut [String], copies: &Copies, changed: &mut BTreeSet<String>) -> Result<(), String> {
    let mut is_named = false;
    let mut is_awaited = false;
    for word in words {
        let bare = word.trim().to_owned();
        // What follows is for a program in a container.
        if bare == "--" {
            break;
        }
        if matches!(bare.as_str(), "" | "\\") {
            continue;
        }
        let value = if std::mem::take(&mut is_awaited) {
            bare.as_str()
        } else {
            leads_elsewhere(&bare)?;
            if matches!(bare.as_str(), "-n" | "--namespace") {
                is_awaited = true;
                continue;
            }
            let joined = ["--namespace=", "-n=", "-n"].iter().find_map(|flag| bare.strip_prefix(flag));
            let Some(joined) = joined else { continue };
            joined
        };
        let namespace = value.trim_matches(['"', '\'']);
        let Some(copy) = copies.get(namespace) else {
            return Err(if namespace.contains('$') {
                format!("its namespace {namespace} is known only when it runs")
            } else {
                format!("nothing of its namespace {namespace} is copied")
            });
        };
        changed.insert(format!("-n {namespace}"));
        if let Some(at) = word.rfind(namespace) {
            word.replace_range(at..at + namespace.len(), copy);
        }
        is_named = true;
    }
    if is_named || copies.unnamed().is_some() {
        Ok(())
    } else {
        Err("it runs kubectl without a namespace, and more than one is copied".into())
    }
}

fn leads_elsewhere(word: &str) -> Result<(), String> {
    let is =
        |flag: &&&str| word.strip_prefix(**flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    if let Some(flag) = ELSEWHERE.iter().find(is) {
        return Err(format!("it says {flag}, which leads elsewhere"));
    }
    if let Some(flag) = EVERYWHERE.iter().find(is) {
        return Err(format!("it says {flag}, and the real namespaces are among these"));
    }
    let kind = word.split('/').next().unwrap_or_default();
    if CLUSTERS_OWN.contains(&kind) {
        return Err(format!("it asks for {word}, which belongs to the whole cluster"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Object, Origin};
    use serde_json::json;

    fn of(argv: &[&str], namespaces: &[&str]) -> Result<String, String> {
        let object = |namespace: &&str| {
            let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": namespace}, "spec": {}});
            Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
        };
        let objects: Vec<Object> = namespaces.iter().map(object).collect();
        let services = [("shop".to_owned(), BTreeSet::from(["web".to_owned()]))].into();
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        place(&argv, &BTreeMap::new(), &Copies::of(&objects), &services).map(|placed| placed.argv.join(" "))
    }

    #[test]
    fn what_leads_to_the_real_system_is_not_run() {
        let why = |text: &str| of(&["sh", "-c", text], &["shop"]).expect_err(text);
        for (text, reason) in [
            ("curl http://127.0.0.1:8080", "it says 127.0.0.1"),
            ("kubectl get pods -A", "it says -A"),
            ("kubectl --context=other get pods", "it says --context"),
            ("x=1; kubectl -n other get pods", "nothing of its namespace other is copied"),
            ("kubectl -n \"$NS\" get pods", "its namespace $NS is known only when it runs"),
            ("kubectl wait node/a --for=condition=Ready", "it asks for node/a"),
            ("kubectl -n shop exec web -- curl http://mail.other.svc/", "it says mail.other.svc"),
        ] {
            assert!(why(text).starts_with(reason), "{}", why(text));
        }
        let env = |name: &str, value: &str| {
            place(
                &["x".to_owned()],
                &[(name.to_owned(), value.to_owned())].into(),
                &Copies::default(),
                &BTreeMap::new(),
            )
        };
        assert!(env("URL", "http://localhost").is_err());
        assert!(env("KUBECONFIG", "/other").is_err());
        let two = of(&["kubectl", "get", "pods"], &["shop", "other"]);
        assert_eq!(two, Err("it runs kubectl without a namespace, and more than one is copied".into()));
    }

    #[test]
    fn namespaces_that_kubectl_is_told_are_those_of_the_copies() {
        let script = |text: &str| of(&["sh", "-c", text], &["shop"]).expect(text);
        for text in
            ["curl $DEVCLUSTER_SERVICE_SHOP_WEB_ADDRESS", "echo -n other | sort -n", "kubectl get pods"]
        {
            assert_eq!(script(text), format!("sh -c {text}"));
        }
        for (text, expected) in [
            (
                "set -e\n  kubectl -n shop get pods | head -n 1",
                "set -e\n  kubectl -n COPY get pods | head -n 1",
            ),
            (
                "kubectl \\\n  -n  'shop' get x; kubectl get y --namespace=\"shop\"",
                "kubectl \\\n  -n  'COPY' get x; kubectl get y --namespace=\"COPY\"",
            ),
            ("test -n \"$(kubectl get x -nshop)\"", "test -n \"$(kubectl get x -nCOPY)\""),
            (
                "kubectl -n shop exec web -- sort -n http://web.shop",
                "kubectl -n COPY exec web -- sort -n http://web.COPY",
            ),
        ] {
            assert_eq!(
                script(text),
                format!("sh -c {}", expected.replace("COPY", "devcluster-rehearse-shop"))
            );
        }
        let words = of(&["/bin/kubectl", "get", "pods", "-n", "shop", "--", "-A"], &["shop", "other"]);
        assert_eq!(words.as_deref(), Ok("/bin/kubectl get pods -n devcluster-rehearse-shop -- -A"));
    }
}
