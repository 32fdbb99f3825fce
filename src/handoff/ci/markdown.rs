//! A run in Markdown, for pull requests and the summaries that CI systems show.

use std::fmt::Write as _;

use super::report::{After, Kind, Report, Step, Verdict};

/// Last lines shown of a command that failed.
const LINES: usize = 30;

/// The summary.
pub fn summary(report: &Report) -> String {
    let mut out = String::new();
    let lock = report.lock.as_ref().map(|lock| format!(", lock `{}`", &lock.root[..lock.root.len().min(12)]));
    let _ = writeln!(out, "# devcluster ci: {}\n", report.verdict());
    let _ = writeln!(
        out,
        "**{}** on cluster `{}`, profile `{}`{}. {}.\n",
        report.project,
        report.cluster,
        report.profile,
        lock.unwrap_or_else(|| ", no lock".into()),
        report.counts()
    );
    out.push_str("| step | result | took |\n|---|---|---|\n");
    for step in &report.steps {
        let outcome = cell(&step.outcome());
        let outcome = match step.verdict {
            Verdict::Failed { .. } | Verdict::Interrupted => format!("**{outcome}**"),
            Verdict::Passed | Verdict::Skipped { .. } => outcome,
        };
        let _ = writeln!(out, "| {} | {outcome} | {:.1} s |", cell(&step.name), step.seconds);
    }
    for step in report.steps.iter().filter(|step| matches!(step.verdict, Verdict::Failed { .. })) {
        failure(&mut out, step);
    }
    let after = match report.after {
        After::Kept => "The cluster stays.",
        After::TakenDown => "The cluster is taken away.",
    };
    let _ = writeln!(out, "\n{after}");
    out
}

fn failure(out: &mut String, step: &Step) {
    let _ = writeln!(out, "\n## {} {}", step.name, one_line(&step.outcome()));
    if let Kind::Command(command) = &step.kind {
        fenced(out, &command.argv.join(" "));
        if let Some(shards) = &command.shards {
            let _ = writeln!(out, "\nin {} Pods of `{}`", shards.count, shards.image);
        }
    }
    if let Some(said) = &step.said {
        fenced(out, said);
    }
    for (number, attempt) in step.attempts.iter().enumerate() {
        let logs: Vec<String> = attempt.logs.iter().map(|log| format!("`{log}`")).collect();
        let _ = writeln!(
            out,
            "\nAttempt {}: {} ({})",
            number + 1,
            one_line(&attempt.ended.to_string()),
            logs.join(", ")
        );
        if !attempt.tail.is_empty() {
            fenced(out, &attempt.tail[attempt.tail.len().saturating_sub(LINES)..].join("\n"));
        }
    }
    if let Some(diagnostics) = &step.diagnostics {
        let _ = writeln!(out, "\nWhat the cluster looked like: `{diagnostics}` in the bundle.");
    }
}

/// A text between fences that nothing in it ends.
fn fenced(out: &mut String, text: &str) {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let text: String = plain(text).trim_end().to_owned();
    let _ = writeln!(out, "\n{fence}text\n{text}\n{fence}");
}

/// Without what colours a terminal, and other characters that are not to be seen.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            while characters.next().is_some_and(|character| !character.is_ascii_alphabetic()) {}
        } else if matches!(character, '\n' | '\t') || !character.is_control() {
            out.push(character);
        }
    }
    out
}

fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

/// A text in a table's cell.
fn cell(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_failed_run() {
        insta::assert_snapshot!(summary(&samples::failed()));
    }

    #[test]
    fn a_run_in_which_all_is_well() {
        insta::assert_snapshot!(summary(&samples::passed()));
    }

    #[test]
    fn nothing_that_was_printed_breaks_out() {
        let mut out = String::new();
        fenced(&mut out, "````\n# not a title");
        assert!(out.contains("\n`````text\n````\n"), "{out}");
        assert_eq!(cell("a|b\n<script>"), "a\\|b &lt;script>");
    }
}
