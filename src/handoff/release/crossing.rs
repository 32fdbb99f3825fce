//! What of data lies between two releases: no going back by applying manifests undoes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::record::{Content, Held, Ran};
use crate::handoff::migration::Verdict;

/// What lies between two releases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Crossing {
    /// Migrations that ran here and had not run there, but for those that took nothing away and that the old code runs on.
    pub migrations: Vec<Ran>,
    /// Stores that hold something else here than there.
    pub data: Vec<Moved>,
}

/// A store that holds something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// The store, `NAMESPACE/NAME`.
    pub store: String,
    /// What it holds here; nothing of ours where none.
    pub here: Option<Held>,
    /// What it held there.
    pub there: Option<Held>,
}

impl Crossing {
    /// Whether nothing lies between.
    pub fn is_empty(&self) -> bool {
        self.migrations.is_empty() && self.data.is_empty()
    }

    /// The snapshots that bring back what stores held there, by store: what was loaded there where something else was loaded
    /// since, else what was taken before the first of the migrations between.
    pub fn restores(&self) -> BTreeMap<&str, &str> {
        let mut found = BTreeMap::new();
        for before in self.migrations.iter().flat_map(|ran| &ran.before) {
            found.entry(before.store.as_str()).or_insert(before.snapshot.as_str());
        }
        for moved in &self.data {
            let there = moved.there.as_ref().and_then(|held| held.from.strip_prefix("snapshot "));
            match there {
                Some(snapshot) => found.insert(moved.store.as_str(), snapshot),
                // What was taken since is of other data.
                None => found.remove(moved.store.as_str()),
            };
        }
        found
    }

    /// Stores that no snapshot puts back as they were there.
    pub fn lost(&self) -> BTreeSet<&str> {
        let restored = self.restores();
        let moved = self.data.iter().map(|moved| moved.store.as_str());
        moved.filter(|store| !restored.contains_key(store)).collect()
    }

    /// Whether snapshots put everything back that lies between.
    pub fn is_restorable(&self) -> bool {
        self.lost().is_empty() && self.migrations.iter().all(|ran| !ran.before.is_empty())
    }

    /// A sentence for each thing that lies between.
    pub fn sentences(&self) -> Vec<String> {
        let migrations = self.migrations.iter().map(|ran| {
            let word = match ran.verdict() {
                Verdict::Additive => "it took nothing away",
                Verdict::Undoable => "it lost nothing, but the old code may not run on it",
                Verdict::Unknown => "nothing tells that it can be taken back",
                Verdict::OneWay => "it cannot be taken back",
            };
            let back = ran
                .before
                .iter()
                .map(|before| format!("; {} as it was before is snapshot {}", before.store, before.snapshot));
            format!("migration {} ran ({}): {word}{}", ran.name, short(&ran.hash), back.collect::<String>())
        });
        let data = self.data.iter().map(|moved| {
            let what = |held: &Option<Held>| {
                held.as_ref().map_or("nothing of devcluster's".to_owned(), |held| {
                    format!("{} ({})", held.from, short(&held.digest))
                })
            };
            format!("{} holds {}; there it held {}", moved.store, what(&moved.here), what(&moved.there))
        });
        migrations.chain(data).collect()
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Migrations that ran on the way to `from` and not on the way to `to`.
pub fn ran_between(from: &Content, to: &Content) -> Vec<Ran> {
    let ran_there =
        |ran: &&Ran| to.migrations.iter().any(|other| (&other.name, &other.hash) == (&ran.name, &ran.hash));
    from.migrations.iter().filter(|ran| !ran_there(ran)).cloned().collect()
}

/// What of data lies between `from`, where the system is, and `to`, where it is to go.
pub fn crossing(from: &Content, to: &Content) -> Crossing {
    let stores: BTreeSet<&String> = from.data.keys().chain(to.data.keys()).collect();
    let differs = |here: Option<&Held>, there: Option<&Held>| match (here, there) {
        // A schema that is not known is no difference.
        (Some(here), Some(there)) => (&here.from, &here.digest) != (&there.from, &there.digest),
        (None, None) => false,
        _ => true,
    };
    Crossing {
        migrations: ran_between(from, to)
            .into_iter()
            .filter(|ran| ran.verdict() != Verdict::Additive)
            .collect(),
        data: stores
            .into_iter()
            .filter(|store| differs(from.data.get(*store), to.data.get(*store)))
            .map(|store| Moved {
                store: store.clone(),
                here: from.data.get(store).cloned(),
                there: to.data.get(store).cloned(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::handoff::release::record::Before;

    fn ran(name: &str, hash: &str) -> Ran {
        Ran { name: name.into(), hash: hash.into(), reversible: "unknown".into(), before: Vec::new() }
    }

    fn held(digest: &str) -> Held {
        Held { from: "snapshot demo".into(), digest: digest.into(), schema: None }
    }

    fn content(migrations: &[(&str, &str)], data: &[(&str, &str)]) -> Content {
        Content {
            migrations: migrations.iter().map(|(name, hash)| ran(name, hash)).collect(),
            data: data.iter().map(|(store, digest)| ((*store).to_owned(), held(digest))).collect(),
            ..Content::default()
        }
    }

    #[test]
    fn what_ran_here_alone_lies_between() {
        let there = content(&[("shop/migrate", "a")], &[("shop/db", "1")]);
        let here = content(&[("shop/migrate", "a"), ("shop/migrate", "b")], &[("shop/db", "2")]);
        let found = crossing(&here, &there);
        assert_eq!(found.migrations, [ran("shop/migrate", "b")]);
        assert_eq!(found.data.len(), 1);
        let said = found.sentences().join("\n");
        assert!(
            said.contains("migration shop/migrate ran (b): nothing tells that it can be taken back"),
            "{said}"
        );
        assert!(said.contains("shop/db holds snapshot demo (2); there it held snapshot demo (1)"), "{said}");
        let forward = crossing(&there, &here);
        assert_eq!(
            (forward.migrations.len(), forward.data.len()),
            (0, 1),
            "what never ran here is no matter"
        );
    }

    #[test]
    fn what_takes_nothing_away_is_no_matter_and_the_first_snapshot_counts() {
        let before = |snapshot: &str| vec![Before { store: "shop/db".into(), snapshot: snapshot.into() }];
        let mut here = content(&[("m", "a"), ("m", "b"), ("m", "c")], &[("shop/db", "1")]);
        here.migrations[0].reversible = "additive".into();
        (here.migrations[1].before, here.migrations[2].before) = (before("first"), before("second"));
        let there = content(&[], &[("shop/db", "1")]);
        let found = crossing(&here, &there);
        assert_eq!(found.migrations, here.migrations[1..]);
        assert_eq!(found.restores(), BTreeMap::from([("shop/db", "first")]));
        let said = found.sentences().join("\n");
        assert!(said.contains("shop/db as it was before is snapshot first"), "{said}");
        let elsewhere = content(&[], &[("shop/db", "2")]);
        assert_eq!(crossing(&here, &elsewhere).restores(), BTreeMap::from([("shop/db", "demo")]));
        assert!(crossing(&here, &elsewhere).is_restorable());
        let mut seeded = elsewhere.clone();
        seeded.data.get_mut("shop/db").unwrap().from = "seed a.yaml".into();
        let found = crossing(&here, &seeded);
        assert_eq!((found.restores(), found.lost()), (BTreeMap::new(), BTreeSet::from(["shop/db"])));
    }

    #[test]
    fn a_schema_that_became_known_is_no_difference() {
        let here = content(&[], &[("shop/db", "1")]);
        let mut there = here.clone();
        there.data.get_mut("shop/db").unwrap().schema = Some("s".into());
        assert!(crossing(&here, &there).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_lies_between_a_release_and_itself(
            names in prop::collection::vec(("[a-c]", "[a-c]"), 0..6), stores in prop::collection::vec(("[a-c]", "[a-c]"), 0..6),
        ) {
            let names: Vec<(&str, &str)> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let stores: Vec<(&str, &str)> = stores.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let one = content(&names, &stores);
            prop_assert!(crossing(&one, &one).is_empty());
        }
    }
}
