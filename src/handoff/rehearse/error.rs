//! Why nothing is rehearsed.

use crate::words::listed;

/// Why nothing is rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RehearseError {
    /// What would reach further than the copy.
    #[error("what runs would reach what is not copied, so nothing is rehearsed:{}", listed(.0))]
    Reaches(Vec<String>),
    /// Namespaces of the copies' names that no rehearsal made.
    #[error(
        "these namespaces are there and no rehearsal made them: {}; rename or delete them",
        .0.join(", ")
    )]
    Taken(Vec<String>),
    /// A network that does not do as NetworkPolicies say.
    #[error(
        "the network does not enforce NetworkPolicies on {}: Pods of a copy could reach the real stores, so nothing is rehearsed; \
         use a network plugin that enforces them, or go on knowing that with --unenforced-network",
        .nodes.join(", ")
    )]
    Unenforced {
        /// The nodes where a Pod reached what a policy forbids.
        nodes: Vec<String>,
    },
    /// A network of which it cannot be told.
    #[error(
        "whether the network enforces NetworkPolicies cannot be tried: {why}; without that Pods of a copy could reach the real \
         stores: --unenforced-network goes on knowing that"
    )]
    Untried {
        /// Why.
        why: String,
    },
    /// Images that nodes have no more.
    #[error("images of release {number} are gone from the nodes, so its code cannot be rehearsed:{}", listed(.images))]
    ImagesGone {
        /// The release.
        number: u64,
        /// The images.
        images: Vec<String>,
    },
}
