//! A rehearsal as a table for people.

use std::fmt::Write as _;

use super::report::{Cell, Network, Report, Side, Verdict, Way};

/// The table, then what failed and why, then what to make of it.
pub fn table(report: &Report) -> String {
    let word = |code, schema| match report.cell(Way { code, schema }).map(|cell| &cell.verdict) {
        Some(Verdict::Passed) => "passed",
        Some(Verdict::Failed { .. }) => "failed",
        Some(Verdict::Skipped { .. }) | None => "not tried",
    };
    let mut text = format!("{:<12}{:<14}{}\n", "", "old schema", "new schema");
    for code in [Side::Old, Side::New] {
        let name = format!("{code} code");
        let _ = writeln!(text, "{name:<12}{:<14}{}", word(code, Side::Old), word(code, Side::New));
    }
    report.cells.iter().for_each(|cell| failed(cell, &mut text));
    commands(report, &mut text);
    let today = Way { code: Side::Old, schema: Side::Old };
    if report.cell(today).is_some_and(|cell| matches!(cell.verdict, Verdict::Failed { .. })) {
        text += "\nwhat runs now does not pass on a copy of itself: what failed may be the copy's doing and not the release's\n";
    }
    let end = if report.passes() {
        "\nthe release can be rolled out without a gap and reverted: new on new and old on new passed"
    } else {
        "\nthe release cannot be rolled out without a gap and reverted: that takes new on new and old on new"
    };
    if let Network::Never { why } = &report.network {
        let _ = write!(text, "\nthe network may not have held the copies back, for {why}\n");
    }
    text + end
}

/// What failed in one way, and what it wrote last.
fn failed(cell: &Cell, text: &mut String) {
    let (Verdict::Failed { why } | Verdict::Skipped { why }) = &cell.verdict else { return };
    let need = cell.way.needed_for().map(|need| format!(" ({need})")).unwrap_or_default();
    let _ = write!(text, "\n{}{need}:", cell.way);
    let mut commands = 0;
    for check in &cell.checks {
        let Verdict::Failed { why } = &check.verdict else { continue };
        commands += 1;
        let _ = write!(text, "\n  command {} {why}", check.name);
        for line in &check.tail {
            let _ = write!(text, "\n    {line}");
        }
    }
    if commands == 0 {
        let _ = write!(text, " {}", why.replace('\n', "\n  "));
    }
    text.push('\n');
}

/// Which commands were run, and which were not and why: the same ones each time.
fn commands(report: &Report, text: &mut String) {
    let Some(cell) = report.cells.iter().find(|cell| !cell.checks.is_empty()) else { return };
    let run = cell.checks.iter().filter(|check| !matches!(check.verdict, Verdict::Skipped { .. }));
    let run: Vec<&str> = run.map(|check| check.name.as_str()).collect();
    if !run.is_empty() {
        let _ = writeln!(text, "\ncommands that were run where all was ready: {}", run.join(", "));
    }
    for check in cell.checks.iter().filter(|check| !check.changed.is_empty()) {
        let changed: Vec<&str> = check.changed.iter().map(String::as_str).collect();
        let _ = writeln!(
            text,
            "\ncommand {} was run with the copy's namespaces for {}",
            check.name,
            changed.join(", ")
        );
    }
    for check in &cell.checks {
        if let Verdict::Skipped { why } = &check.verdict {
            let _ = writeln!(text, "\ncommand {} was not run: {why}", check.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Check;
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn report(failing: &[Way]) -> Report {
        let cell = |way: Way| {
            let failed = Verdict::Failed { why: "1 of 2 objects ready\n  Deployment web: no column".into() };
            let verdict = if failing.contains(&way) { failed } else { Verdict::Passed };
            let skipped = Verdict::Skipped { why: "it is sharded".into() };
            let checks = [("smoke", Verdict::Passed), ("load", skipped)].map(|(name, verdict)| Check {
                name: name.into(),
                verdict,
                tail: Vec::new(),
                changed: BTreeSet::new(),
            });
            Cell { way, verdict, checks: checks.into(), seconds: 1.0 }
        };
        Report {
            release: 4,
            migrations: Vec::new(),
            stores: Vec::new(),
            volumes: BTreeMap::new(),
            hooks: BTreeSet::new(),
            cells: Way::ALL.into_iter().map(cell).collect(),
            left_out: BTreeSet::new(),
            renamed: BTreeSet::new(),
            emptied: BTreeSet::new(),
            network: Network::Always,
            seconds: 4.0,
        }
    }

    #[test]
    fn a_table_says_what_failed_and_what_that_means() {
        insta::assert_snapshot!(table(&report(&[Way { code: Side::Old, schema: Side::New }])));
    }

    #[test]
    fn what_the_copy_itself_may_have_done_is_said() {
        let today = Way { code: Side::Old, schema: Side::Old };
        let mut report = report(&[today]);
        let why = "ended with exit code 1".to_owned();
        let check = &mut report.cells[1].checks[0];
        (check.verdict, check.tail) = (Verdict::Failed { why: why.clone() }, vec!["no such column".into()]);
        report.cells[1].verdict = Verdict::Failed { why: format!("smoke: {why}") };
        report.network = Network::Never { why: "it does not on a".into() };
        report.cells[0].checks[0].changed = ["-n shop".to_owned()].into();
        insta::assert_snapshot!(table(&report));
    }

    #[test]
    fn only_what_a_release_needs_decides() {
        let all = |failing: &[Way]| report(failing).passes();
        assert!(all(&[]));
        assert!(all(&[
            Way { code: Side::New, schema: Side::Old },
            Way { code: Side::Old, schema: Side::Old }
        ]));
        assert!(!all(&[Way { code: Side::Old, schema: Side::New }]));
        assert!(!all(&[Way { code: Side::New, schema: Side::New }]));
        assert!(!Report { cells: Vec::new(), ..report(&[]) }.passes());
    }
}
