//! Which directories the kernel cannot tell about: what others change on a file system that is reached over a network, or
//! out of a virtual machine, comes without a notice. What is changed through an overlay is told like anything else.

use std::path::{Path, PathBuf};

/// File systems whose contents change without the kernel knowing. `fuse.` stands for all of its kinds.
const SILENT: [&str; 16] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "coda",
    "drvfs",
    "fuse",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "prl_fs",
    "smb3",
    "vboxsf",
    "virtiofs",
];

/// The kind of the file system that `path`, absolute and without links, is on, where its changes come without notice.
pub fn silent(path: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    silent_in(&table, path)
}

fn silent_in(table: &str, path: &Path) -> Option<String> {
    let mounts = table.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        Some((unescaped(place.split(' ').nth(4)?), kind.split(' ').next()?))
    });
    // A later mount hides an earlier one at the same place.
    let (_, kind) = mounts
        .filter(|(place, _)| path.starts_with(place))
        .max_by_key(|(place, _)| place.components().count())?;
    let family = kind.split('.').next().unwrap_or(kind);
    SILENT.contains(&family).then(|| kind.to_owned())
}

/// A path as the kernel writes it: blanks and backslashes are octal.
fn unescaped(written: &str) -> PathBuf {
    PathBuf::from(
        written.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_over_a_network_is_known_by_its_mount() {
        let table = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
            40 22 0:33 / /home/a\\040b rw,relatime shared:1 - nfs4 server:/x rw\n\
            41 40 0:34 / /home/a\\040b/local rw - tmpfs tmpfs rw\n\
            42 22 0:35 / /mnt/host rw - fuse.sshfs host rw\n";
        for (path, kind) in [
            ("/src", None),
            ("/home/a b/project", Some("nfs4")),
            ("/home/a b/local/project", None),
            ("/home/a bc", None),
            ("/mnt/host/x", Some("fuse.sshfs")),
        ] {
            assert_eq!(silent_in(table, Path::new(path)).as_deref(), kind, "{path}");
        }
    }
}
