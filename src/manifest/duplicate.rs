//! Objects that are written twice: told by the pair of sources they come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::object::{ObjectId, Origin};
use crate::words::counted;

/// An object that two sources, or one source twice, bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The object.
    pub object: ObjectId,
    /// Where it comes from first.
    pub first: Origin,
    /// Where it comes from again.
    pub second: Origin,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// In the order of the manifests.
    pub all: Vec<Duplicate>,
    /// That of `devcluster.yaml`, from which files are named.
    pub directory: PathBuf,
}

/// Of a pair of sources that overlap, so many objects are named; the rest goes with the same cure.
const NAMED: usize = 5;

impl fmt::Display for Duplicates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} written twice:", counted(self.all.len(), "object"))?;
        let mut pairs: BTreeMap<(&str, &str), Vec<&Duplicate>> = BTreeMap::new();
        for one in &self.all {
            pairs.entry((&one.first.source, &one.second.source)).or_default().push(one);
        }
        for ((first, second), duplicates) in &pairs {
            if first == second {
                write!(out, "\n  {first} has more than once:")?;
            } else {
                write!(out, "\n  {first} and {second} both have:")?;
            }
            for one in duplicates.iter().take(NAMED) {
                write!(out, "\n    {}", one.object)?;
                let places = [self.place(&one.first), self.place(&one.second)];
                let places: Vec<String> = places.into_iter().flatten().collect();
                if !places.is_empty() {
                    write!(out, " ({})", places.join(" and "))?;
                }
            }
            if duplicates.len() > NAMED {
                write!(out, "\n    and {} more", duplicates.len() - NAMED)?;
            }
        }
        let several = pairs.keys().any(|(first, second)| first != second);
        let cure = if several {
            "take a source out of `manifests`, or an object out of its file"
        } else {
            "remove one of each, or give them different names or namespaces"
        };
        write!(out, "\n  {cure}")
    }
}

impl Duplicates {
    /// The file and line, where it was written in one.
    fn place(&self, origin: &Origin) -> Option<String> {
        let file = origin.file.as_ref()?;
        let file: &Path = file.strip_prefix(&self.directory).unwrap_or(file);
        Some(match origin.line {
            0 => file.display().to_string(),
            line => format!("{}:{line}", file.display()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(source: &str, file: &str, line: usize) -> Origin {
        Origin {
            source: source.into(),
            file: (!file.is_empty()).then(|| Path::new("/shop").join(file)),
            line,
        }
    }

    fn duplicate(name: &str, first: Origin, second: Origin) -> Duplicate {
        let object = ObjectId {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: name.into(),
        };
        Duplicate { object, first, second }
    }

    #[test]
    fn pairs_of_sources_are_named_once_with_a_few_of_their_objects() {
        let mut all: Vec<Duplicate> = (1..8)
            .map(|at| {
                let file = format!("k8s/{at}.yaml");
                duplicate(
                    &format!("a{at}"),
                    origin("files all.yaml", "all.yaml", at),
                    origin("files k8s", &file, 2),
                )
            })
            .collect();
        all.push(duplicate("b", origin("files k8s", "k8s/b.yaml", 1), origin("helm shop/b (b)", "", 0)));
        all.push(duplicate(
            "c",
            origin("files k8s", "k8s/c.yaml", 1),
            origin("files k8s", "/else/c.yaml", 9),
        ));
        let told = Duplicates { all, directory: "/shop".into() }.to_string();
        insta::assert_snapshot!(told, @r"
        9 objects written twice:
          files all.yaml and files k8s both have:
            Deployment shop/a1 (all.yaml:1 and k8s/1.yaml:2)
            Deployment shop/a2 (all.yaml:2 and k8s/2.yaml:2)
            Deployment shop/a3 (all.yaml:3 and k8s/3.yaml:2)
            Deployment shop/a4 (all.yaml:4 and k8s/4.yaml:2)
            Deployment shop/a5 (all.yaml:5 and k8s/5.yaml:2)
            and 2 more
          files k8s has more than once:
            Deployment shop/c (k8s/c.yaml:1 and /else/c.yaml:9)
          files k8s and helm shop/b (b) both have:
            Deployment shop/b (k8s/b.yaml:1)
          take a source out of `manifests`, or an object out of its file
        ");
    }
}
