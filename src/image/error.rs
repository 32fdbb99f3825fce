//! Why an image could not be built, had or brought onto the nodes.

use std::path::PathBuf;

use crate::cluster::engine::EngineError;
use crate::process::{ProcessError, indented};

/// Why an image could not be built, had or brought onto the nodes.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The engine did not do what was asked of it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A program did not do what was asked of it.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file that a build needs cannot be read.
    #[error("image {image}: cannot read {}: {source}", .path.display())]
    Read {
        /// The image as the configuration names it.
        image: String,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An ignore file has patterns that Docker refuses.
    #[error("image {image}: {}: {}", .path.display(), .faults.join("; "))]
    Ignore {
        /// The image as the configuration names it.
        image: String,
        /// The ignore file.
        path: PathBuf,
        /// Every fault, with its line.
        faults: Vec<String>,
    },
    /// A build secret cannot be had.
    #[error("image {image}: build secret `{spec}`: {reason}")]
    Secret {
        /// The image as the configuration names it.
        image: String,
        /// The `--secret` value as configured; it names a secret and holds none.
        spec: String,
        /// Why it cannot be had.
        reason: String,
    },
    /// A build failed.
    #[error("image {image} cannot be built from {}{}", .dockerfile.display(), indented(.output))]
    Build {
        /// The image as the configuration names it.
        image: String,
        /// Its Dockerfile.
        dockerfile: PathBuf,
        /// The failed step, its last lines of output and the place in the Dockerfile.
        output: String,
    },
    /// The engine's builder is not BuildKit.
    #[error("building images needs BuildKit: install Docker's buildx plugin (https://docs.docker.com/go/buildx/){}", indented(.output))]
    NoBuildKit {
        /// What docker said.
        output: String,
    },
    /// An image can be neither found in the engine nor pulled.
    #[error(
        "image {image} is not in the engine and cannot be pulled: {reason}; build it (`images:` in devcluster.yaml), allow stand-ins in the profile, or `docker login` to its registry"
    )]
    Pull {
        /// The image as the manifests have it.
        image: String,
        /// What the registry or the engine said, in a line.
        reason: String,
    },
    /// An image is not in the engine.
    #[error("image {image} is not in the engine")]
    Missing {
        /// The reference that was asked for.
        image: String,
    },
    /// The image that stands in for others is not there.
    #[error(
        "the stand-in image {image} is not in the engine: build it with `testbed/images/build standin`, or name another as `standInImage` in the profile"
    )]
    NoStandIn {
        /// The stand-in image.
        image: String,
    },
    /// Images are for another architecture than the nodes.
    #[error("{}", architectures(.images, .node))]
    Architecture {
        /// Each image and the architecture it is for.
        images: Vec<(String, String)>,
        /// The nodes' architecture.
        node: String,
    },
    /// The engine did not hand an image out as it should.
    #[error("image {image} cannot be had from the engine: {reason}")]
    Export {
        /// The image.
        image: String,
        /// What went wrong.
        reason: String,
    },
    /// A node did not take images.
    #[error("node {node} did not take {}: {reason}{}", some(.images), import_hint(.reason))]
    Import {
        /// The node.
        node: String,
        /// The names that were to stand there.
        images: Vec<String>,
        /// What went wrong.
        reason: String,
    },
    /// A node did not take the mirror.
    #[error("node {node} cannot answer for image pulls itself: {reason}")]
    Mirror {
        /// The node.
        node: String,
        /// What went wrong.
        reason: String,
    },
    /// A node answers a name with other bytes than those that were sent.
    #[error(
        "node {node} does not run {name} as sent: expected {expected}, found {found}; run the same command again"
    )]
    Check {
        /// The node.
        node: String,
        /// The image's name.
        name: String,
        /// The manifest's digest that was sent.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// This program cannot be made an image.
    #[error(
        "devcluster cannot run in the cluster: {source}; name a program for the nodes' system in {instead}"
    )]
    Own {
        /// The variable.
        instead: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What is remembered between runs cannot be written, or a temporary file cannot.
    #[error("cannot write {}: {source}", .path.display())]
    State {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// The first names of a list that may be long.
fn some(images: &[String]) -> String {
    const SHOWN: usize = 3;
    match images {
        [] => "images".into(),
        images if images.len() <= SHOWN => images.join(", "),
        images => format!("{} and {} more", images[..SHOWN].join(", "), images.len() - SHOWN),
    }
}

fn architectures(images: &[(String, String)], node: &str) -> String {
    let list: Vec<String> = images.iter().map(|(image, has)| format!("{image} is for {has}")).collect();
    format!(
        "the nodes are {node}, but {}; build or pull for {node} (`platform: linux/{node}` in devcluster.yaml)",
        list.join(", ")
    )
}

fn import_hint(reason: &str) -> &'static str {
    if reason.contains("no space left") {
        "; the disk is full: free some (`docker system df` shows what takes it) and run the same command again"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_the_cure() {
        let images = ["a", "b", "c", "d"].map(Into::into).into();
        let error = ImageError::Import {
            node: "kind-worker".into(),
            images,
            reason: "ctr: write: no space left on device".into(),
        };
        assert_eq!(
            error.to_string(),
            "node kind-worker did not take a, b, c and 1 more: ctr: write: no space left on device; the disk is full: free \
             some (`docker system df` shows what takes it) and run the same command again"
        );
    }
}
