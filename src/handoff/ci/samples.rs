//! Runs that the tests of this room tell.

use super::report::{After, Attempt, Command, Ended, Kind, Report, Shards, Step, Tested, Verdict};

/// Keys of openssl (`genpkey`) that nothing else is signed with.
pub(super) const P256_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJFrPRCfDzYSy5wxp
OaIP0I5176lsasK0knAQuyyg/Y6hRANCAATtUPe76JUiU+Av349Jcv+5AYUjuVru
rzjZdvAv9aRXco7KH5B8PqZCtBN8zOxWBqi4LN1Uu4J/grld+6t5NFmY
-----END PRIVATE KEY-----
";
pub(super) const P256_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7VD3u+iVIlPgL9+PSXL/uQGFI7la
7q842XbwL/WkV3KOyh+QfD6mQrQTfMzsVgaouCzdVLuCf4K5XfureTRZmA==
-----END PUBLIC KEY-----
";
pub(super) const ED25519_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIDQpJu8RtPzTXyk/fnBTKgpgUaMzMo9WAYdWV1+NLDOJ
-----END PRIVATE KEY-----
";
pub(super) const ED25519_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAsIeejG9pnVI99D1BpXQhe+3dyY55Xqch1Jafk3reVYg=
-----END PUBLIC KEY-----
";

/// One in which all is well.
pub(super) fn passed() -> Report {
    let step =
        |name: &str, kind, seconds| Step { verdict: Verdict::Passed, seconds, ..Step::due(name, kind) };
    let mut command = step("checkout", Kind::Command(command(&["tests/checkout", "--all"])), 2.5);
    command.attempts = vec![attempt(Ended::Passed, 2.5, "commands/checkout/attempt-1.log", &["1 passed"])];
    Report {
        version: 1,
        project: "shop".into(),
        cluster: "shop-69c17c".into(),
        profile: "ci".into(),
        lock: Some(Tested { root: "ab".repeat(32), sha256: "cd".repeat(32) }),
        started_on: "2026-01-01T10:00:00Z".into(),
        finished_on: "2026-01-01T10:01:20Z".into(),
        seconds: 80.25,
        steps: vec![
            step("lock", Kind::Lock, 0.2),
            step("up", Kind::Up, 70.0),
            step("data", Kind::Data, 3.5),
            command,
        ],
        after: After::TakenDown,
    }
}

/// One with everything that can go wrong with a command.
pub(super) fn failed() -> Report {
    let mut report = passed();
    report.steps[2].verdict = Verdict::Skipped { why: "devcluster.yaml names no data".into() };
    let checkout = &mut report.steps[3];
    checkout.verdict = Verdict::Failed { why: "ended with exit code 3".into() };
    checkout.diagnostics = Some("diagnostics/checkout".into());
    checkout.attempts = vec![
        attempt(Ended::TimedOut { seconds: 600 }, 600.0, "commands/checkout/attempt-1.log", &["waiting"]),
        attempt(
            Ended::Code(3),
            1.0,
            "commands/checkout/attempt-2.log",
            &["```", "expected <1> & got \u{1b}[31m2"],
        ),
    ];
    let mut smoke = Step::due("smoke", Kind::Command(command(&["sh", "-c", "curl | grep 'a b'"])));
    smoke.verdict = Verdict::Passed;
    smoke.attempts = vec![
        attempt(Ended::Signal(11), 0.5, "commands/smoke/attempt-1.log", &[]),
        attempt(Ended::Passed, 0.25, "commands/smoke/attempt-2.log", &[]),
    ];
    let mut load = Step::due("load", Kind::Command(command(&["load"])));
    load.verdict = Verdict::Failed { why: "failed in shard 1 of 3".into() };
    if let Kind::Command(command) = &mut load.kind {
        command.shards = Some(Shards { count: 3, image: "registry.example.com/shop/tests:1".into() });
    }
    let mut shards =
        attempt(Ended::Shards { failed: vec![1], count: 3 }, 9.0, "commands/load/attempt-1/shard-0.log", &[]);
    shards.logs.push("commands/load/attempt-1/shard-1.log".into());
    load.attempts = vec![shards];
    report.steps.extend([smoke, load]);
    report
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(ToString::to_string).collect(),
        timeout_seconds: 600,
        retries: 1,
        shards: None,
    }
}

fn attempt(ended: Ended, seconds: f64, log: &str, tail: &[&str]) -> Attempt {
    Attempt { ended, seconds, logs: vec![log.into()], tail: tail.iter().map(ToString::to_string).collect() }
}
