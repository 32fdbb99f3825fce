//! The machine's processes as Linux tells of them in /proc (proc(5)); elsewhere there are none to see.

use std::collections::BTreeSet;
use std::fs;

/// One.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id.
    pub id: i32,
    /// Its program's name.
    pub name: String,
    /// The process that it comes from.
    pub parent: i32,
    /// Its group.
    pub group: i32,
    /// When it started, in ticks since the machine's start.
    pub started: u64,
    /// Whether it has ended and only waits to be looked after.
    pub has_ended: bool,
}

/// Whether processes can be told here.
pub(super) fn can_tell() -> bool {
    look(i32::try_from(std::process::id()).unwrap_or_default()).is_some()
}

/// What process ids are of: this start of the machine, and this container.
pub(super) fn place() -> String {
    let start = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let container = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", start.trim(), container.display())
}

/// A process, where it is there.
pub(super) fn look(id: i32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// All that are there.
pub(super) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| look(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// A process and those that it comes from.
pub(super) fn lineage(all: &[Process], id: i32) -> BTreeSet<i32> {
    let mut lineage = BTreeSet::from([id]);
    let mut next = id;
    while let Some(one) = all.iter().find(|one| one.id == next) {
        if !lineage.insert(one.parent) {
            break;
        }
        next = one.parent;
    }
    lineage
}

impl Process {
    /// Whether it was started with a variable; of other users' processes that cannot be told.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        let wanted = format!("{name}={value}");
        let environment = fs::read(format!("/proc/{}/environ", self.id)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    }
}

/// `ID (NAME) STATE PARENT GROUP …`, the start as the 22nd, where a name may hold anything.
fn parse(text: &str) -> Option<Process> {
    let (head, rest) = text.rsplit_once(") ")?;
    let (id, name) = head.split_once(" (")?;
    let rest: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        id: id.parse().ok()?,
        name: name.chars().filter(|character| !character.is_control()).collect(),
        parent: rest.get(1)?.parse().ok()?,
        group: rest.get(2)?.parse().ok()?,
        started: rest.get(19)?.parse().ok()?,
        has_ended: matches!(*rest.first()?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_taken_apart() {
        let line = "7 (a) (b) S 6 5 4 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let process = parse(line).unwrap();
        assert_eq!((process.id, process.name.as_str(), process.parent, process.group), (7, "a) (b", 6, 5));
        assert_eq!((process.started, process.has_ended), (4711, false));
        assert!(parse(&line.replace(" S ", " Z ")).unwrap().has_ended);
        assert_eq!(parse("7 (a) S 6"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_seen_and_comes_from_others() {
        assert!(can_tell() && !place().is_empty());
        let (all, own) = (all(), i32::try_from(std::process::id()).unwrap());
        let lineage = lineage(&all, own);
        assert!(lineage.contains(&own) && lineage.len() > 1);
    }
}
