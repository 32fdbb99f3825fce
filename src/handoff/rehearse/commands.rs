//! Which commands of `ci:` would reach the real system in a rehearsal.

use std::collections::BTreeMap;

/// What leads to the real system, whatever variables say.
const FIXED: [&str; 5] = ["localhost", "127.0.0.1", "kubectl", "KUBECONFIG", "DEVCLUSTER_INGRESS"];

/// Why a command is not run on a copy; none where nothing in its words leads elsewhere.
pub fn fixed(argv: &[String], env: &BTreeMap<String, String>) -> Option<String> {
    let texts = argv.iter().chain(env.keys()).chain(env.values());
    let found = texts.flat_map(|text| FIXED.iter().filter(move |fixed| text.contains(**fixed))).next()?;
    Some(format!("it says {found}, which leads to the real system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_lead_to_a_copy() {
        let of = |text: &str| fixed(&["sh".into(), "-c".into(), text.into()], &BTreeMap::new());
        assert_eq!(of("curl $DEVCLUSTER_SERVICE_SHOP_WEB_ADDRESS"), None);
        assert!(of("curl http://127.0.0.1:8080").is_some());
        assert!(of("kubectl get pods").is_some());
        assert!(fixed(&[], &[("URL".to_owned(), "http://localhost".to_owned())].into()).is_some());
    }
}
