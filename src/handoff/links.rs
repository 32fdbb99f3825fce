//! Where the symbolic links of a tree lead, told from the tree alone: one from elsewhere is not to lead out of it.

use std::collections::{BTreeMap, VecDeque};

/// How many links a path may lead through, as with Linux.
const MOST: usize = 40;

/// Links by their paths from the tree's root, with what is written in them.
pub type Links = BTreeMap<Vec<u8>, Vec<u8>>;

/// The links that lead out of the tree, or in circles, in order.
pub fn leading_out(links: &Links) -> Vec<Vec<u8>> {
    links.keys().filter(|path| !stays(links, path)).cloned().collect()
}

/// Follows a path as the kernel does, from the tree's root.
fn stays(links: &Links, path: &[u8]) -> bool {
    let mut left: VecDeque<Vec<u8>> = parts(path);
    let mut at: Vec<Vec<u8>> = Vec::new();
    let mut followed = 0;
    while let Some(part) = left.pop_front() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                if at.pop().is_none() {
                    return false;
                }
                continue;
            }
            _ => at.push(part),
        }
        let Some(target) = links.get(&at.join(&b'/')) else { continue };
        followed += 1;
        if target.starts_with(b"/") || followed > MOST {
            return false;
        }
        at.pop();
        for part in parts(target).into_iter().rev() {
            left.push_front(part);
        }
    }
    true
}

fn parts(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(links: &[(&str, &str)]) -> Vec<String> {
        let links: Links = links
            .iter()
            .map(|(path, target)| (path.as_bytes().to_vec(), target.as_bytes().to_vec()))
            .collect();
        leading_out(&links).into_iter().map(|path| String::from_utf8(path).unwrap()).collect()
    }

    #[test]
    fn links_within_the_tree_are_let_be() {
        assert!(
            out(&[("a", "b"), ("d/e", "../f"), ("d/g/h", "../.."), ("gone", "not/there"), ("s", "./d//e/")])
                .is_empty()
        );
    }

    #[test]
    fn links_that_lead_out_are_told_however_they_do() {
        assert_eq!(out(&[("a", "/etc"), ("b", "../x"), ("c", "c/d"), ("ok", "d")]), ["a", "b", "c"]);
        // By way of another link: d/up is the root itself, and what is above it lies outside.
        assert_eq!(out(&[("d/up", ".."), ("x", "d/up/..")]), ["x"]);
        assert_eq!(out(&[("a", "b"), ("b", "a")]), ["a", "b"]);
        assert_eq!(out(&[("deep", "a/b/../../..")]), ["deep"]);
    }
}
