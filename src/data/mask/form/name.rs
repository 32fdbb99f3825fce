//! People's names, from small dictionaries. A given name is masked the same alone and within a full name, and so is a family
//! name.

use std::sync::OnceLock;

use super::super::key::Secret;
use super::code::code;

/// Given names, one a line.
const GIVEN: &str = include_str!("../dictionary/given.txt");
/// Family names, one a line.
const FAMILY: &str = include_str!("../dictionary/family.txt");
/// The characters of base 32 that make a name unique: 65 bits, a collision among a million names has a chance of 10^-8.
const TAG: usize = 13;

/// Which name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePart {
    /// A given name.
    Given,
    /// A family name.
    Family,
    /// Given and family names, or `Family, Given`.
    Full,
}

/// Masks a name. Where it must be unique, a tag of its own follows; where there is no room for one, it is masked as a code.
pub(in super::super) fn name(
    secret: &Secret,
    part: NamePart,
    limit: Option<usize>,
    unique: bool,
    value: &str,
    out: &mut Vec<u8>,
) {
    if value.trim().is_empty() {
        return out.extend_from_slice(value.as_bytes());
    }
    let (start, limit) = (out.len(), limit.unwrap_or(usize::MAX));
    match part {
        NamePart::Given => out.extend_from_slice(pick(secret, NamePart::Given, value).as_bytes()),
        NamePart::Family => out.extend_from_slice(pick(secret, NamePart::Family, value).as_bytes()),
        NamePart::Full => full(secret, value, out),
    }
    if unique {
        out.push(b' ');
        secret.stream(&[b"tag", value.as_bytes()]).tag(TAG, out);
        if out.len() - start > limit {
            out.truncate(start);
            code(secret, 0, b"", value, out);
        }
    } else if out.len() - start > limit {
        // The dictionaries are ASCII: any cut is one between characters.
        out.truncate(start + limit);
    }
}

fn full(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    if let Some((family, given)) = value.split_once(',') {
        out.extend_from_slice(pick(secret, NamePart::Family, family).as_bytes());
        out.extend_from_slice(b", ");
        return out.extend_from_slice(pick(secret, NamePart::Given, given).as_bytes());
    }
    let (given, family) = value.trim().split_once(' ').unwrap_or((value, ""));
    out.extend_from_slice(pick(secret, NamePart::Given, given).as_bytes());
    if !family.is_empty() {
        out.push(b' ');
        out.extend_from_slice(pick(secret, NamePart::Family, family).as_bytes());
    }
}

/// A name of the dictionary by a name, whose case does not matter.
fn pick(secret: &Secret, which: NamePart, name: &str) -> &'static str {
    let (label, names): (&[u8], _) = match which {
        NamePart::Family => (b"family", family()),
        NamePart::Given | NamePart::Full => (b"given", given()),
    };
    let folded = name.trim().to_lowercase();
    secret.stream(&[label, folded.as_bytes()]).one_of(names).copied().unwrap_or_default()
}

fn given() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&str>> = OnceLock::new();
    NAMES.get_or_init(|| GIVEN.lines().collect())
}

fn family() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&str>> = OnceLock::new();
    NAMES.get_or_init(|| FAMILY.lines().collect())
}

/// Whether a word is a name of the dictionaries.
pub(in super::super) fn is_of_dictionary(word: &str) -> bool {
    let lower = |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>();
    let wanted = lower(word);
    let is_in = |names: &[&str]| names.binary_search_by_key(&wanted, |name| lower(name)).is_ok();
    is_in(given()) || is_in(family())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::key::Key;
    use super::*;

    fn masked(part: NamePart, limit: Option<usize>, unique: bool, value: &str) -> String {
        let mut out = Vec::new();
        name(&Key::new([1; 32]).secret("name"), part, limit, unique, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parts_and_wholes_agree() {
        let (given, family) =
            (masked(NamePart::Given, None, false, "Ann"), masked(NamePart::Family, None, false, "Lee"));
        assert_eq!(masked(NamePart::Full, None, false, "Ann Lee"), format!("{given} {family}"));
        assert_eq!(masked(NamePart::Full, None, false, "LEE, Ann"), format!("{family}, {given}"));
        assert_eq!(masked(NamePart::Full, None, false, "Ann"), given);
        assert_eq!(masked(NamePart::Given, Some(2), false, "Ann"), given[..2]);
    }

    #[test]
    fn unique_names_stay_apart_within_any_limit() {
        for limit in [None, Some(5), Some(20)] {
            let all: BTreeSet<String> =
                (0..2000).map(|n| masked(NamePart::Full, limit, true, &format!("a{n:04}"))).collect();
            assert_eq!(all.len(), 2000);
            assert!(all.iter().all(|name| name.len() <= limit.unwrap_or(99)));
        }
    }

    #[test]
    fn dictionaries_are_plain_and_sorted() {
        for dictionary in [GIVEN, FAMILY] {
            let names: Vec<&str> = dictionary.lines().collect();
            assert!(names.len() >= 120 && names.is_sorted_by(|one, other| one < other));
            assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic())));
        }
    }
}
