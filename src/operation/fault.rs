//! Fault points: places between two steps where a test kills the process, as a power cut would.

/// The steps of `up` after which a test may kill it, in their order.
pub const POINTS: [&str; 10] = [
    "locked",
    "rendered",
    "making",
    "created",
    "recorded",
    "shaped",
    "built",
    "delivered",
    "applied",
    "ready",
];

/// The steps of work on a volume after which a test may kill it.
pub const VOLUME_POINTS: [&str; 3] = ["frozen", "to-change", "changed"];

/// The steps of a revert and of recording a release after which a test may kill it, in their order.
pub const RELEASE_POINTS: [&str; 7] = [
    "release-named",
    "release-applied",
    "release-hooked",
    "release-let-go",
    "release-ready",
    "release-blobs",
    "release-written",
];

/// The steps of a ledger's way from one cluster into the next after which a test may kill it.
pub const LEDGER_POINTS: [&str; 2] = ["ledger-kept", "ledger-put"];

/// The steps before migrations after which a test may kill it.
pub const MIGRATION_POINTS: [&str; 1] = ["secured"];

/// The steps of a rehearsal after which a test may kill it.
pub const REHEARSAL_POINTS: [&str; 2] = ["files-taken", "rehearsed"];

/// In debug builds, dies here by SIGKILL where `DEVCLUSTER_FAULT_POINT` names this place.
pub fn point(name: &str) {
    let listed =
        [&POINTS[..], &VOLUME_POINTS, &RELEASE_POINTS, &LEDGER_POINTS, &MIGRATION_POINTS, &REHEARSAL_POINTS];
    debug_assert!(listed.iter().any(|points| points.contains(&name)), "unlisted fault point {name}");
    if cfg!(debug_assertions) && std::env::var("DEVCLUSTER_FAULT_POINT").is_ok_and(|wanted| wanted == name) {
        let _ = std::process::Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    }
}
