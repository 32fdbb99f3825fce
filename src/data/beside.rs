//! Databases that stand beside a target under names of their own: what each is for is in its name, so that any process can
//! go on.

/// What a database beside a target is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Beside {
    /// It is being filled; a leftover is worth nothing.
    Loading,
    /// What becomes the template once what is being filled has taken the target's place.
    New,
    /// The data set as it was loaded.
    Template,
    /// A copy of the template that is ready to take the target's place.
    Spare,
    /// What was replaced, and is dropped next.
    Old,
}

/// Bytes that a name has at most: PostgreSQL cuts what is longer; MySQL takes 64 characters.
const LONGEST_NAME: usize = 63;

impl Beside {
    /// `devcluster_spare_shop`, with a hash where the target's name is too long.
    pub(in crate::data) fn name(self, target: &str) -> String {
        let kind = match self {
            Self::Loading => "loading",
            Self::New => "new",
            Self::Template => "template",
            Self::Spare => "spare",
            Self::Old => "old",
        };
        let name = format!("devcluster_{kind}_{target}");
        if name.len() <= LONGEST_NAME {
            return name;
        }
        format!("devcluster_{kind}_{}", hashed(target, 32))
    }

    /// What stands for a replaced database, of which there may be several until they are dropped.
    pub(in crate::data) fn retired(number: usize, target: &str) -> String {
        format!("{}_{number}", Self::Old.name(&hashed(target, 16)))
    }
}

fn hashed(target: &str, digits: usize) -> String {
    blake3::hash(target.as_bytes()).to_hex().chars().take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_and_fit() {
        assert_eq!(Beside::Spare.name("shop"), "devcluster_spare_shop");
        let long = "x".repeat(64);
        for beside in [Beside::Loading, Beside::New, Beside::Template, Beside::Spare, Beside::Old] {
            assert!(beside.name(&long).len() <= LONGEST_NAME);
        }
        assert!(Beside::retired(2, &long).len() <= LONGEST_NAME);
        assert_ne!(Beside::Old.name(&long), Beside::Old.name(&"x".repeat(63)));
    }
}
