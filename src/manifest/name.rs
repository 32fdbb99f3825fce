//! Names as the API server takes them. Directories are called by them, so what it would refuse is refused before it is used.

/// Why no API server takes this as an object's name or namespace, of whatever kind; none where one may. These are the rules of
/// apimachinery's `path.IsValidPathSegmentName`.
pub(super) fn refused(name: &str) -> Option<String> {
    if matches!(name, "." | "..") {
        return Some("is no name".into());
    }
    ['/', '%'].into_iter().find(|character| name.contains(*character)).map(|found| format!("holds `{found}`"))
}

/// Whether this is a DNS subdomain (RFC 1123), as names of namespaces, claims and Pods are.
pub fn is_subdomain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
            && bytes.first().is_some_and(|byte| plain(*byte))
            && bytes.last().is_some_and(|byte| plain(*byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        assert_eq!(refused("system:controller.v1"), None);
        assert_eq!(refused("..").as_deref(), Some("is no name"));
        assert_eq!(refused("../../etc").as_deref(), Some("holds `/`"));
        assert_eq!(refused("a%2Fb").as_deref(), Some("holds `%`"));
    }

    #[test]
    fn subdomains_are_labels_with_dots_between() {
        for good in ["a", "data-db-0", "1.example.com"] {
            assert!(is_subdomain(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "../a", "A", "-a", "a-", "a..b", "a_b", &"a".repeat(254)] {
            assert!(!is_subdomain(bad), "{bad}");
        }
    }
}
