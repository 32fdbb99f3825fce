//! What a node's containerd has: image names and what they stand for, and unpacked layers. Asked of containerd's own
//! socket, from the host where that can be, else on the node with curl, which a kind node has: 4 times as fast as `ctr`,
//! which is asked where there is no curl.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;

use super::error::ImageError;
use super::wire;
use crate::cluster::containerd::{self, SETTINGS, Settings};
use crate::cluster::engine::Node;

/// What an image name stands for on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// The digest of its manifest or index.
    pub digest: String,
    /// The media type of that.
    pub media_type: String,
    /// Whether the kubelet sees it: CRI has taken note of the record.
    pub seen_by_kubelet: bool,
}

/// Image names of a node, in containerd's normalised form, and what they stand for.
pub type ImageRecords = BTreeMap<String, ImageRecord>;

const CRI_LABEL: &str = "io.cri-containerd.image";

/// A shell function that asks containerd: `ask SERVICE/METHOD REQUEST`, the request as printf takes it.
const ASK: &str = r#"ask() { command -v curl >/dev/null && printf "$2" | curl -sSf --http2-prior-knowledge \
  --unix-socket /run/containerd/containerd.sock -H 'content-type: application/grpc' -H 'te: trailers' \
  -H 'containerd-namespace: k8s.io' --data-binary @- "http://localhost/containerd.services.$1"; }
"#;

/// Shell that prints the node's image records: as gRPC answers, or as `ctr` prints them.
const LIST: &str = r"ask images.v1.Images/List '\0\0\0\0\0' || ctr -n k8s.io images ls
";

/// The node's image records. One call, about as long as any exec takes: the check of every `up` with nothing to do.
pub async fn images(node: &Node) -> Result<ImageRecords, ImageError> {
    if let Some(answer) = containerd::call(node, "images.v1.Images/List", vec![0; 5]).await
        && let Some(records) = read_records(&answer)
    {
        return Ok(records);
    }
    let output = node.engine.exec(&node.name, &["sh", "-c", &list_script()], None).await?;
    read_records(&output).ok_or_else(|| unreadable(node, "its list of images cannot be read"))
}

/// The script of [`images`], for scripts that end with it.
pub(super) fn list_script() -> String {
    format!("{ASK}{LIST}")
}

pub(super) fn unreadable(node: &Node, reason: &str) -> ImageError {
    ImageError::Import { node: node.name.clone(), images: Vec::new(), reason: reason.into() }
}

/// Reads what [`list_script`] prints.
pub(super) fn read_records(output: &[u8]) -> Option<ImageRecords> {
    if output.first() != Some(&0) {
        return Some(read_table(&String::from_utf8_lossy(output)));
    }
    let mut records = ImageRecords::new();
    for message in wire::messages(output)? {
        for image in wire::bytes(&wire::fields(message)?, 1) {
            let image = wire::fields(image)?;
            let target = wire::fields(wire::bytes(&image, 3).next()?)?;
            let labels = wire::bytes(&image, 2).filter_map(wire::fields);
            let seen_by_kubelet = labels.into_iter().any(|label| wire::text(&label, 1) == CRI_LABEL);
            let record = ImageRecord {
                digest: wire::text(&target, 2),
                media_type: wire::text(&target, 1),
                seen_by_kubelet,
            };
            records.insert(wire::text(&image, 1), record);
        }
    }
    Some(records)
}

/// `ctr images ls`: REF, TYPE, DIGEST, SIZE (two words), PLATFORMS, LABELS.
fn read_table(table: &str) -> ImageRecords {
    let rows = table.lines().skip(1).filter_map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [name, media_type, digest, .., labels] = words.as_slice() else { return None };
        let record = ImageRecord {
            digest: (*digest).into(),
            media_type: (*media_type).into(),
            seen_by_kubelet: labels.contains(CRI_LABEL),
        };
        Some(((*name).to_owned(), record))
    });
    rows.collect()
}

/// What a node has beneath its images, and how it takes more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStore {
    /// How it takes more.
    pub settings: Settings,
    /// Chain ids of the layers that are unpacked.
    pub unpacked: BTreeSet<String>,
}

const STORE: &str = r#"l=$(printf '\\%03o' ${#s})
t=$(printf '\\%03o' $((${#s} + 2)))
a=$(ask snapshots.v1.Snapshots/List "\0\0\0\0$t\012$l$s" | base64 | tr -d '\n')
if [ -n "$a" ]; then echo "$a"; else echo; ctr -n k8s.io snapshots --snapshotter "$s" ls; fi
"#;

/// What the node has beneath its images. One call.
pub async fn store(node: &Node) -> Result<NodeStore, ImageError> {
    if let Some(store) = store_by_socket(node).await {
        return Ok(store);
    }
    let output = node.run(&["sh", "-c", &format!("{ASK}{SETTINGS}{STORE}")]).await?;
    read_store(&output).ok_or_else(|| unreadable(node, "its list of unpacked layers cannot be read"))
}

async fn store_by_socket(node: &Node) -> Option<NodeStore> {
    let settings = Settings::of(node)?;
    let name = settings.snapshotter.as_bytes();
    let length = u8::try_from(name.len()).ok().filter(|length| *length < 0x7e)?;
    // One field, number 1, behind gRPC's flag and length.
    let request = [&[0, 0, 0, 0, length + 2, 0x0a, length], name].concat();
    let answer = containerd::call(node, "snapshots.v1.Snapshots/List", request).await?;
    Some(NodeStore { settings, unpacked: read_snapshots(&answer)? })
}

fn read_store(output: &str) -> Option<NodeStore> {
    let mut lines = output.lines();
    let settings = Settings::read(&mut lines)?;
    let answer = lines.next()?;
    let unpacked = if answer.is_empty() {
        lines
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                (words.last() == Some(&"Committed")).then(|| words[0].to_owned())
            })
            .collect()
    } else {
        read_snapshots(&base64::engine::general_purpose::STANDARD.decode(answer).ok()?)?
    };
    Some(NodeStore { settings, unpacked })
}

fn read_snapshots(answer: &[u8]) -> Option<BTreeSet<String>> {
    const COMMITTED: u64 = 3;
    let mut unpacked = BTreeSet::new();
    for message in wire::messages(answer)? {
        for snapshot in wire::bytes(&wire::fields(message)?, 1) {
            let snapshot = wire::fields(snapshot)?;
            if snapshot.contains(&(3, wire::Value::Number(COMMITTED))) {
                unpacked.insert(wire::text(&snapshot, 1));
            }
        }
    }
    Some(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_of_images_are_read() {
        let table = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n\
            docker.io/library/a:1 application/vnd.oci.image.manifest.v1+json sha256:aa 1.0 MiB linux/amd64 io.cri-containerd.image=managed,x=y\n\
            docker.io/library/b:1 application/vnd.oci.image.manifest.v1+json sha256:bb 1.0 MiB linux/amd64 -\n";
        let records = read_records(table.as_bytes()).unwrap();
        assert!(records["docker.io/library/a:1"].seen_by_kubelet);
        assert!(!records["docker.io/library/b:1"].seen_by_kubelet);

        let field = |number: u8, bytes: &[u8]| {
            let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
            out.extend_from_slice(bytes);
            out
        };
        let target = [field(1, b"type"), field(2, b"sha256:aa")].concat();
        let label = [field(1, CRI_LABEL.as_bytes()), field(2, b"managed")].concat();
        let image = [field(1, b"name"), field(2, &label), field(3, &target)].concat();
        let message = field(1, &image);
        let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
        body.extend_from_slice(&message);
        let records = read_records(&body).unwrap();
        assert_eq!(
            records["name"],
            ImageRecord { digest: "sha256:aa".into(), media_type: "type".into(), seen_by_kubelet: true }
        );
    }

    #[test]
    fn both_lists_of_layers_are_read() {
        let text = "overlayfs\nkeeps\n\nKEY PARENT KIND\nabc sha256:1 Active\nsha256:1 Committed\nsha256:2 sha256:1 Committed\n";
        let store = read_store(text).unwrap();
        assert_eq!(store.unpacked, BTreeSet::from(["sha256:1".into(), "sha256:2".into()]));
        assert!(!store.settings.discards);
        let message = [0x0a, 12, 0x0a, 8, b's', b'h', b'a', b'2', b'5', b'6', b':', b'1', 0x18, 3];
        let mut body = vec![0, 0, 0, 0, 14];
        body.extend_from_slice(&message);
        // The snapshot's own length counts its kind too.
        body[6] = 12;
        let answer = base64::engine::general_purpose::STANDARD.encode(&body);
        let store = read_store(&format!("native\ndiscards\n{answer}\n")).unwrap();
        assert_eq!(store.settings.snapshotter, "native");
        assert_eq!(store.unpacked, BTreeSet::from(["sha256:1".into()]));
    }
}
