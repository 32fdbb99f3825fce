//! Names that move on a node without any bytes moving: an image's name goes back to bytes that the node has, and names of our
//! own keep bytes there whose name a build has taken. Asked of containerd's own socket where that is open, else by `ctr`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::error::ImageError;
use super::node::{self, ImageRecords, unreadable};
use super::wire;
use crate::cluster::containerd;
use crate::cluster::engine::Node;

/// The repository of our own names; the tag is the manifest's digest.
const KEPT: &str = "devcluster.local/release";
/// The label by which the kubelet's collection of images passes an image over.
const PINNED: (&str, &str) = ("io.cri-containerd.pinned", "pinned");
/// How long CRI may take to note a name.
const NOTICE: Duration = Duration::from_secs(10);

/// Our own name for the bytes of a manifest.
pub fn kept_name(manifest: &str) -> String {
    format!("{KEPT}:{}", manifest.replace(':', "-"))
}

fn is_kept_name(name: &str) -> bool {
    name.strip_prefix(KEPT).is_some_and(|rest| rest.starts_with(':'))
}

/// The repository of names that new images have while a release is rehearsed: their own go on standing for what runs.
const REHEARSED: &str = "devcluster.local/rehearsal";

/// The name that an image has while a release is rehearsed, by the one that manifests write.
pub fn rehearsed_name(written: &str) -> String {
    format!("{REHEARSED}:{}", &blake3::hash(written.as_bytes()).to_hex()[..32])
}

/// Takes those names away.
pub async fn forget_rehearsed(node: &Node) -> Result<(), ImageError> {
    let records = node::images(node).await?;
    let own = |name: &&String| name.strip_prefix(REHEARSED).is_some_and(|rest| rest.starts_with(':'));
    for name in records.keys().filter(own) {
        remove(node, name).await?;
    }
    Ok(())
}

/// Has names stand for manifests that the node has, and waits until the kubelet sees it. A name whose manifest is not there
/// is left as it is, and given back.
pub async fn rename(node: &Node, names: &[(String, String)]) -> Result<Vec<String>, ImageError> {
    let left = set(node, names, false).await?;
    let deadline = Instant::now() + NOTICE;
    loop {
        let records = node::images(node).await?;
        let wrong = names.iter().find(|(name, manifest)| {
            !left.contains(name)
                && !records.get(name).is_some_and(|is| is.digest == *manifest && is.seen_by_kubelet)
        });
        let Some((name, manifest)) = wrong else { return Ok(left) };
        if Instant::now() >= deadline {
            let found = records.get(name).map_or("nothing".into(), |record| record.digest.clone());
            return Err(ImageError::Check {
                node: node.name.clone(),
                name: name.clone(),
                expected: manifest.clone(),
                found,
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Gives the node names of our own for these manifests and takes those for others away. Manifests that the node has not are
/// passed over.
pub async fn keep(node: &Node, manifests: &BTreeSet<String>) -> Result<(), ImageError> {
    let records = node::images(node).await?;
    let (names, gone) = due(&records, manifests);
    set(node, &names, true).await?;
    for name in gone {
        remove(node, &name).await?;
    }
    Ok(())
}

/// The names of ours that a node lacks, with their manifests, and those it has too many.
fn due(records: &ImageRecords, manifests: &BTreeSet<String>) -> (Vec<(String, String)>, Vec<String>) {
    let wanted: BTreeMap<String, &String> =
        manifests.iter().map(|manifest| (kept_name(manifest), manifest)).collect();
    let there: BTreeSet<&String> = records.values().map(|record| &record.digest).collect();
    let lacking = wanted
        .iter()
        .filter(|(name, manifest)| {
            there.contains(*manifest) && records.get(*name).is_none_or(|is| is.digest != ***manifest)
        })
        .map(|(name, manifest)| (name.clone(), (*manifest).clone()));
    let gone = records.keys().filter(|name| is_kept_name(name) && !wanted.contains_key(*name)).cloned();
    (lacking.collect(), gone.collect())
}

/// Has names stand for manifests; gives those whose manifest is not there.
async fn set(node: &Node, names: &[(String, String)], pinned: bool) -> Result<Vec<String>, ImageError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(answer) = containerd::call(node, "images.v1.Images/List", vec![0; 5]).await
        && let Some(targets) = targets(&answer)
    {
        let mut left = Vec::new();
        for (name, manifest) in names {
            let Some(target) = targets.get(manifest) else {
                left.push(name.clone());
                continue;
            };
            set_by_socket(node, name, target, pinned).await?;
        }
        return Ok(left);
    }
    set_by_ctr(node, names, pinned).await
}

/// What every manifest's descriptor is, as containerd words it, by digest.
fn targets(answer: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for message in wire::messages(answer)? {
        for image in wire::bytes(&wire::fields(message)?, 1) {
            let target = wire::bytes(&wire::fields(image)?, 3).next()?;
            found.insert(wire::text(&wire::fields(target)?, 2), target.to_vec());
        }
    }
    Some(found)
}

/// Replaces the name's record whole, or makes it. CRI's own label goes with what it was, and comes again once CRI has taken
/// note, which is how that is seen.
async fn set_by_socket(node: &Node, name: &str, target: &[u8], pinned: bool) -> Result<(), ImageError> {
    let mut image = wire::field(1, name.as_bytes());
    if pinned {
        let label = [wire::field(1, PINNED.0.as_bytes()), wire::field(2, PINNED.1.as_bytes())].concat();
        image.extend(wire::field(2, &label));
    }
    image.extend(wire::field(3, target));
    let request = wire::framed(&wire::field(1, &image));
    for method in ["images.v1.Images/Update", "images.v1.Images/Create"] {
        if containerd::call(node, method, request.clone()).await.is_some() {
            return Ok(());
        }
    }
    Err(unreadable(node, &format!("its containerd did not take the name {name}")))
}

const TAG: &str = r#"pin=$1; shift
while [ $# -gt 1 ]; do
  ctr -n k8s.io images tag --force "$1" "$2" >/dev/null || exit 1
  [ -z "$pin" ] || ctr -n k8s.io images label "$2" "$pin" >/dev/null || exit 1
  shift 2
done"#;

async fn set_by_ctr(
    node: &Node,
    names: &[(String, String)],
    pinned: bool,
) -> Result<Vec<String>, ImageError> {
    let records = node::images(node).await?;
    let source = |manifest: &String| {
        records.iter().find(|(_, record)| record.digest == *manifest).map(|(name, _)| name.clone())
    };
    let pin = if pinned { format!("{}={}", PINNED.0, PINNED.1) } else { String::new() };
    let mut argv = vec!["sh".to_owned(), "-c".into(), TAG.into(), "sh".into(), pin];
    let mut left = Vec::new();
    for (name, manifest) in names {
        match source(manifest) {
            Some(source) => argv.extend([source, name.clone()]),
            None => left.push(name.clone()),
        }
    }
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    node.run(&argv).await?;
    Ok(left)
}

async fn remove(node: &Node, name: &str) -> Result<(), ImageError> {
    let request = wire::framed(&wire::field(1, name.as_bytes()));
    if containerd::call(node, "images.v1.Images/Delete", request).await.is_none() {
        node.run(&["ctr", "-n", "k8s.io", "images", "rm", name]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::node::ImageRecord;
    use super::*;

    #[test]
    fn names_of_ours_follow_what_is_to_be_kept() {
        let record = |digest: &str| ImageRecord {
            digest: digest.into(),
            media_type: String::new(),
            seen_by_kubelet: true,
        };
        let records = ImageRecords::from([
            ("a:1".into(), record("sha256:new")),
            ("sha256:config".into(), record("sha256:old")),
            (kept_name("sha256:new"), record("sha256:new")),
            (kept_name("sha256:older"), record("sha256:older")),
            ("devcluster.local/release-notes:1".into(), record("sha256:x")),
        ]);
        let wanted = ["sha256:new", "sha256:old", "sha256:absent"].map(str::to_owned).into();
        let (lacking, gone) = due(&records, &wanted);
        assert_eq!(lacking, [(kept_name("sha256:old"), "sha256:old".to_owned())]);
        assert_eq!(gone, [kept_name("sha256:older")]);
    }

    #[test]
    fn descriptors_are_kept_as_they_came() {
        let target = [wire::field(1, b"type"), wire::field(2, b"sha256:aa"), vec![0x18, 7]].concat();
        let image = [wire::field(1, b"name"), wire::field(3, &target)].concat();
        let answer = wire::framed(&wire::field(1, &image));
        assert_eq!(targets(&answer).unwrap()["sha256:aa"], target);
    }
}
