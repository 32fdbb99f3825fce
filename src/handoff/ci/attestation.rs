//! What was tested with which result, as an in-toto statement with SLSA's provenance as its predicate: the subject is the lock,
//! by its root; the run is the build; the result is a field of our own beside SLSA's. `envelope` signs it.

use serde_json::{Value, json};

use super::report::{Kind, Report, Step, Tested};
use crate::handoff::FILE;

/// in-toto's type of statements.
pub(super) const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// SLSA's provenance.
pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What `buildType` says of our parameters.
pub(super) const BUILD_TYPE: &str = "https://devcluster.dev/ci/v1";
/// Our own field of the predicate. SLSA has extensions named after who makes them.
pub(super) const RESULT: &str = "devcluster_result";

/// The statement. `files` are what the run wrote, by name, with their SHA-256.
pub fn statement(report: &Report, lock: &Tested, version: &str, files: &[(&str, String)]) -> Value {
    let files: Vec<Value> =
        files.iter().map(|(name, sha256)| json!({"name": name, "digest": {"sha256": sha256}})).collect();
    json!({
        "_type": STATEMENT,
        "subject": [{"name": FILE, "digest": {"sha256": lock.root}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "project": report.project,
                    "profile": report.profile,
                    "commands": report.steps.iter().filter_map(parameters).collect::<Vec<_>>(),
                },
                "internalParameters": {},
                "resolvedDependencies": [{"name": format!("{FILE} (the file)"), "digest": {"sha256": lock.sha256}}],
            },
            "runDetails": {
                "builder": {"id": "https://devcluster.dev/ci", "version": {"devcluster": version}},
                "metadata": {
                    "invocationId": format!("{}@{}", report.cluster, report.started_on),
                    "startedOn": report.started_on,
                    "finishedOn": report.finished_on,
                },
                "byproducts": files,
            },
            RESULT: {
                "verdict": report.verdict(),
                "steps": report.steps.iter().map(result).collect::<Vec<_>>(),
            },
        },
    })
}

fn parameters(step: &Step) -> Option<Value> {
    let Kind::Command(command) = &step.kind else { return None };
    let mut value = serde_json::to_value(command).unwrap_or_default();
    value["name"] = step.name.clone().into();
    Some(value)
}

fn result(step: &Step) -> Value {
    let verdict = serde_json::to_value(&step.verdict).unwrap_or_default();
    json!({"name": step.name, "verdict": verdict["verdict"], "attempts": step.attempts.len()})
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn sample() -> Value {
        let report = samples::failed();
        let lock = report.lock.clone().unwrap();
        statement(&report, &lock, "0.1.0", &[("junit.xml", "ef".repeat(32))])
    }

    #[test]
    fn a_failed_run() {
        insta::assert_json_snapshot!(sample());
    }

    /// The shapes of in-toto's Statement v1 and of SLSA's Provenance v1, as their specifications have them
    /// (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>, <https://slsa.dev/spec/v1.0/provenance>).
    #[test]
    fn it_has_the_published_shape() {
        let schema: Value = serde_json::from_str(include_str!("provenance-v1.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults =
            |value: &Value| validator.iter_errors(value).map(|fault| fault.to_string()).collect::<Vec<_>>();
        assert_eq!(faults(&sample()), Vec::<String>::new());
        for (pointer, bad) in [
            ("/_type", json!("https://in-toto.io/Statement/v0.1")),
            ("/subject", json!([])),
            ("/subject/0/digest/sha256", json!("short")),
            ("/predicate/buildDefinition/externalParameters", json!("none")),
            ("/predicate/runDetails/builder/id", json!(1)),
            ("/predicate/runDetails/metadata/startedOn", json!("yesterday")),
        ] {
            let mut value = sample();
            *value.pointer_mut(pointer).unwrap() = bad;
            assert!(!faults(&value).is_empty(), "{pointer}");
        }
    }
}
