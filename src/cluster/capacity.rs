//! Capacity that production's nodes have and a laptop does not: the files a kubelet counts CPUs and memory from.
//!
//! The kubelet (through cadvisor) counts CPUs by walking `/sys/devices/system/node/node*/cpu*`. Naming the machine's
//! real CPUs once in each of several NUMA nodes multiplies the count, while the set of CPU ids, which it writes into
//! cpusets, stays real. Memory it reads from `/proc/meminfo`. Pods see the real machine: the files are mounted over
//! the node's own, not theirs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::provider::ClusterError;

/// What one node is to advertise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// CPUs; rounded up to a multiple of the machine's.
    pub cpus: u32,
    /// Memory in KiB.
    pub memory_kib: u64,
}

/// How many CPUs the machine has; 1 where that cannot be told.
pub fn machine_cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

/// The mounts that make a node advertise `capacity`: (on the host, on the node).
pub fn mounts(directory: &Path) -> Vec<(PathBuf, String)> {
    vec![
        (directory.join("node"), "/sys/devices/system/node".into()),
        (directory.join("meminfo"), "/proc/meminfo".into()),
    ]
}

/// Writes the files for one node into `directory`. Files that exist are rewritten in place, because a mounted file is
/// its inode; whether anything changed is returned, and then the node's kubelet wants a restart.
pub fn write(directory: &Path, capacity: Capacity, real_cpus: u32) -> Result<bool, ClusterError> {
    let nodes = capacity.cpus.div_ceil(real_cpus.max(1)).max(1);
    let mut changed = false;
    for node in 0..nodes {
        let root = directory.join("node").join(format!("node{node}"));
        changed |= directory_at(&root.join("hugepages"))?;
        for cpu in 0..real_cpus {
            let cpu_root = root.join(format!("cpu{cpu}"));
            directory_at(&cpu_root.join("cache"))?;
            directory_at(&cpu_root.join("topology"))?;
            changed |= file(&cpu_root.join("topology/core_id"), &format!("{cpu}\n"))?;
            changed |= file(&cpu_root.join("topology/physical_package_id"), "0\n")?;
        }
        let mut distance = String::from("10");
        (1..nodes).for_each(|_| distance.push_str(" 20"));
        changed |= file(&root.join("distance"), &format!("{distance}\n"))?;
        let share = capacity.memory_kib / u64::from(nodes);
        changed |= file(&root.join("meminfo"), &format!("Node {node} MemTotal: {share} kB\n"))?;
    }
    for surplus in nodes.. {
        let root = directory.join("node").join(format!("node{surplus}"));
        if !root.exists() {
            break;
        }
        fs::remove_dir_all(&root).map_err(|source| ClusterError::Io { path: root, source })?;
        changed = true;
    }
    Ok(changed | meminfo(&directory.join("meminfo"), capacity.memory_kib)?)
}

/// `/proc/meminfo` with another total. Compared by its total alone: the other lines change all the time.
fn meminfo(path: &Path, total_kib: u64) -> Result<bool, ClusterError> {
    let total = format!("MemTotal:       {total_kib} kB");
    if fs::read_to_string(path).is_ok_and(|text| text.lines().next() == Some(total.as_str())) {
        return Ok(false);
    }
    let real = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut text = total;
    for line in real.lines().filter(|line| !line.starts_with("MemTotal:")) {
        let _ = write!(text, "\n{line}");
    }
    text.push('\n');
    file(path, &text)
}

fn directory_at(path: &Path) -> Result<bool, ClusterError> {
    if path.is_dir() {
        return Ok(false);
    }
    fs::create_dir_all(path).map_err(|source| ClusterError::Io { path: path.to_owned(), source })?;
    Ok(true)
}

fn file(path: &Path, text: &str) -> Result<bool, ClusterError> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    fs::write(path, text).map_err(|source| ClusterError::Io { path: path.to_owned(), source })?;
    Ok(true)
}

/// The machine's memory as the kernel has it now, in KiB: (in all, available). None off Linux.
pub fn machine_memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| {
        text.lines().find_map(|line| {
            line.strip_prefix(name)?.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().ok()
        })
    };
    Some((field("MemTotal")?, field("MemAvailable")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_multiplied_and_the_files_keep_their_inodes() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().unwrap();
        let big = Capacity { cpus: 16, memory_kib: 1 << 27 };
        assert!(write(root.path(), big, 2).unwrap());
        assert!(!write(root.path(), big, 2).unwrap(), "unchanged");
        assert_eq!(fs::read_dir(root.path().join("node")).unwrap().count(), 8);
        let inode = fs::metadata(root.path().join("meminfo")).unwrap().ino();
        assert!(write(root.path(), Capacity { cpus: 3, memory_kib: 1 << 26 }, 2).unwrap());
        assert_eq!(fs::read_dir(root.path().join("node")).unwrap().count(), 2);
        assert_eq!(fs::metadata(root.path().join("meminfo")).unwrap().ino(), inode);
        let text = fs::read_to_string(root.path().join("meminfo")).unwrap();
        assert!(text.starts_with("MemTotal:       67108864 kB\n"), "{text}");
    }
}
