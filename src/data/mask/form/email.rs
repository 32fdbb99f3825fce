//! E-mail addresses. Local part and domain are permuted as codes; the domain then ends in `.example`, which never is anyone's
//! (RFC 2606). Domains that are reserved already stay, so that test accounts are still known by them.

use super::super::key::Secret;
use super::code::code;

/// Domains and endings that RFC 2606 and RFC 6761 reserve. `.example` is what masked domains end in and so is masked, too.
const RESERVED: [&str; 6] = ["example.com", "example.net", "example.org", ".test", ".invalid", "localhost"];

/// Masks an address. Different addresses stay different; a masked one is up to 8 characters longer.
pub(in super::super) fn email(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let Some((local, domain)) = value.rsplit_once('@') else {
        return code(secret, 0, b"", value, out);
    };
    let folded = domain.to_ascii_lowercase();
    code(secret, 0, folded.as_bytes(), local, out);
    out.push(b'@');
    if is_reserved(&folded) {
        out.extend_from_slice(domain.as_bytes());
    } else {
        code(secret, 0, b"domain", domain, out);
        out.extend_from_slice(b".example");
    }
}

fn is_reserved(domain: &str) -> bool {
    RESERVED.iter().any(|reserved| {
        domain.strip_suffix(reserved).is_some_and(|rest| rest.is_empty() || reserved.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        email(&Key::new([1; 32]).secret("email"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_keep_their_shape_and_reserved_domains() {
        let text = masked("ann.lee+news@mail.firm.co.uk");
        let (local, domain) = text.split_once('@').unwrap();
        assert!(local.as_bytes()[3] == b'.' && local.as_bytes()[7] == b'+', "{text}");
        assert!(domain.ends_with(".example") && domain.matches('.').count() == 4, "{text}");
        assert!(masked("ann@example.com").ends_with("@example.com"));
        assert!(masked("ann@shop.test").ends_with("@shop.test"));
        assert!(!masked("ann@notexample.com").ends_with("example.com"));
        assert_eq!(masked("no address").len(), 10);
    }

    proptest! {
        #[test]
        fn addresses_stay_apart(
            one in "[a-c]{1,2}@([a-c]{1,2}\\.(com|example)|example\\.com)",
            other in "[a-c]{1,2}@([a-c]{1,2}\\.(com|example)|example\\.com)",
        ) {
            prop_assert_eq!(masked(&one) == masked(&other), one == other);
        }

        #[test]
        fn addresses_have_a_shape(value in "[a-zA-Z0-9._+-]{1,20}@[a-z0-9-]{1,10}(\\.[a-z]{2,5}){1,3}") {
            let text = masked(&value);
            let (local, domain) = text.split_once('@').unwrap();
            prop_assert!(!local.is_empty() && !domain.starts_with('.') && text.len() <= value.len() + 8);
            prop_assert_eq!(text.to_lowercase(), masked(&value.to_lowercase()));
        }
    }
}
