//! A run as JUnit XML: one suite, one case a step. Attempts stand as Maven Surefire writes them: `flakyFailure` before one that
//! passed, `failure` and then `rerunFailure` where none did.

use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::report::{Attempt, Ended, Kind, Report, Step, Verdict};

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// The XML. The suite is its root, as in Surefire's schema: a frame around it is what schemas disagree about.
pub fn junit(report: &Report) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(format!("devcluster ci {}", report.project));
    suite.set_time(duration(report.seconds));
    suite.add_property(("cluster", report.cluster.as_str()));
    suite.add_property(("profile", report.profile.as_str()));
    if let Some(lock) = &report.lock {
        suite.add_property(("lock", lock.root.as_str()));
    }
    suite.add_test_cases(report.steps.iter().map(case));
    let mut whole = quick_junit::Report::new(format!("devcluster ci {}", report.project));
    whole.set_time(duration(report.seconds));
    whole.add_test_suite(suite);
    let framed = whole.to_string()?;
    let suite = framed.find("<testsuite ").zip(framed.rfind("</testsuites>"));
    Ok(suite.map_or(framed.clone(), |(from, to)| format!("{DECLARATION}\n{}\n", framed[from..to].trim_end())))
}

fn case(step: &Step) -> TestCase {
    let mut case = TestCase::new(step.name.as_str(), status(step));
    case.set_classname(match step.kind {
        Kind::Command(_) => "ci",
        Kind::Lock | Kind::Up | Kind::Data => "devcluster",
    });
    case.set_time(duration(step.seconds));
    let tail = step.attempts.last().map(|attempt| attempt.tail.join("\n")).unwrap_or_default();
    let said = [step.said.as_deref().unwrap_or_default(), &tail].map(str::trim_end).join("\n");
    if !said.trim().is_empty() {
        case.set_system_out(said.trim_matches('\n'));
    }
    case
}

fn status(step: &Step) -> TestCaseStatus {
    let failed: Vec<&Attempt> =
        step.attempts.iter().filter(|attempt| attempt.ended != Ended::Passed).collect();
    match &step.verdict {
        Verdict::Passed => {
            let mut status = TestCaseStatus::success();
            status.add_reruns(failed.into_iter().map(rerun));
            status
        }
        Verdict::Failed { why } => {
            let mut status = TestCaseStatus::non_success(severity(&step.kind));
            let first = failed.first();
            status.set_message(first.map_or_else(|| why.clone(), |attempt| attempt.ended.to_string()));
            status.set_type(first.map_or("failed", |attempt| attempt.ended.word()));
            status.add_reruns(failed.into_iter().skip(1).map(rerun));
            status
        }
        Verdict::Interrupted => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message("the run was ended").set_type("interrupted");
            status
        }
        Verdict::Skipped { why } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why.as_str());
            status
        }
    }
}

/// What is no test of the system is an error, as JUnit tells them apart.
fn severity(kind: &Kind) -> NonSuccessKind {
    match kind {
        Kind::Lock | Kind::Command(_) => NonSuccessKind::Failure,
        Kind::Up | Kind::Data => NonSuccessKind::Error,
    }
}

fn rerun(attempt: &Attempt) -> TestRerun {
    let mut rerun = TestRerun::new(NonSuccessKind::Failure);
    rerun.set_message(attempt.ended.to_string()).set_type(attempt.ended.word());
    rerun.set_stack_trace(attempt.ended.to_string());
    if !attempt.tail.is_empty() {
        rerun.set_system_out(attempt.tail.join("\n"));
    }
    rerun
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_failed_run() {
        insta::assert_snapshot!(junit(&samples::failed()).unwrap());
    }

    /// Read back by a parser: it is well-formed and its counts are those of its cases.
    #[test]
    fn what_is_written_is_read_back() {
        for report in [samples::passed(), samples::failed()] {
            let text = junit(&report).unwrap();
            let suite = text.strip_prefix(DECLARATION).unwrap();
            let framed = format!(r#"<testsuites tests="0" failures="0" errors="0">{suite}</testsuites>"#);
            let read = quick_junit::Report::deserialize_from_str(&framed).unwrap();
            let read = &read.test_suites[0];
            assert_eq!(read.tests, report.steps.len());
            let failed = report.steps.iter().filter(|step| matches!(step.verdict, Verdict::Failed { .. }));
            assert_eq!(read.failures + read.errors, failed.count());
            assert_eq!(read.test_cases.len(), report.steps.len());
        }
    }
}
