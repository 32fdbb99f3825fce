//! Reads an in-toto statement of what was tested, which comes from elsewhere: which lock it is about, and what came of it.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::marker::is_digest;

/// The statement's type.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The predicate's type.
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// The subject.
const SUBJECT: &str = "devcluster.lock";
/// More than a statement ever is.
const LARGEST: usize = 8 << 20;

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The root of the lock that it is about.
    pub lock: String,
    /// SHA-256 of the statement's file, hex.
    pub digest: String,
    /// Steps that passed.
    pub passed: Vec<String>,
    /// Steps that failed.
    pub failed: Vec<String>,
    /// Steps that were passed over.
    pub skipped: Vec<String>,
}

impl Tested {
    /// Why it cannot speak for that lock; none where it does.
    pub fn objection(&self, lock: &str) -> Option<String> {
        if self.lock != lock {
            return Some(format!("it is about lock {}, not {}", self.lock, lock));
        }
        if !self.failed.is_empty() {
            return Some(format!("it says that these failed: {}", shown(&self.failed)));
        }
        // Steps that were all passed over tested nothing.
        self.passed.is_empty().then(|| "it names nothing that passed".to_owned())
    }
}

fn shown(steps: &[String]) -> String {
    let text = steps.join(", ");
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(300).collect()
}

/// Reads a statement; what is wrong with it where it is none.
pub fn read(bytes: &[u8]) -> Result<Tested, String> {
    if bytes.len() > LARGEST {
        return Err("is too large for an attestation".into());
    }
    let statement: Statement =
        serde_json::from_slice(bytes).map_err(|error| format!("is no attestation: {error}"))?;
    if statement.kind != STATEMENT || statement.predicate_type != PREDICATE {
        return Err(format!("is no attestation: it is to be of {STATEMENT} with {PREDICATE}"));
    }
    let [subject] = statement.subject.as_slice() else {
        return Err(format!("is about {} subjects, not one", statement.subject.len()));
    };
    let lock = subject.digest.get("sha256").and_then(Value::as_str).unwrap_or_default();
    if subject.name != SUBJECT || !is_digest(lock) {
        return Err(format!("is about no {SUBJECT} with a sha256"));
    }
    let mut tested = Tested {
        lock: lock.to_owned(),
        digest: super::canonical::hex(&Sha256::digest(bytes)),
        passed: Vec::new(),
        failed: Vec::new(),
        skipped: Vec::new(),
    };
    let Predicate { run_details, devcluster_result } = statement.predicate;
    let own = devcluster_result.unwrap_or_default();
    if own.verdict.is_some_and(|verdict| verdict != Outcome::Passed) {
        tested.failed.push("the run as a whole".to_owned());
    }
    for step in own.steps {
        match step.verdict {
            Outcome::Passed => tested.passed.push(step.name),
            Outcome::Failed | Outcome::Interrupted => tested.failed.push(step.name),
            Outcome::Skipped => tested.skipped.push(step.name),
        }
    }
    for step in run_details.byproducts {
        match step.annotations.and_then(|annotations| annotations.result) {
            Some(Outcome::Passed) => tested.passed.push(step.name),
            Some(Outcome::Failed | Outcome::Interrupted) => tested.failed.push(step.name),
            Some(Outcome::Skipped) => tested.skipped.push(step.name),
            None => {}
        }
    }
    Ok(tested)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Subject {
    name: String,
    digest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Predicate {
    #[serde(rename = "runDetails")]
    run_details: RunDetails,
    /// Our own field, where results stand; else they are annotations of byproducts.
    devcluster_result: Option<RunResult>,
}

#[derive(Deserialize, Default)]
struct RunResult {
    verdict: Option<Outcome>,
    steps: Vec<StepResult>,
}

#[derive(Deserialize)]
struct StepResult {
    name: String,
    verdict: Outcome,
}

#[derive(Deserialize)]
struct RunDetails {
    #[serde(default)]
    byproducts: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(default)]
    name: String,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    result: Option<Outcome>,
}

/// A result that is not known here makes the whole statement one that cannot be read: it may well mean a failure.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Passed,
    Failed,
    Interrupted,
    Skipped,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn statement(lock: &str, results: &[(&str, &str)]) -> Value {
        let steps =
            results.iter().map(|(name, result)| json!({"name": name, "annotations": {"result": result}}));
        json!({
            "_type": STATEMENT, "predicateType": PREDICATE,
            "subject": [{"name": SUBJECT, "digest": {"sha256": lock}}],
            "predicate": {"buildDefinition": {}, "runDetails": {"builder": {}, "byproducts": steps.collect::<Vec<_>>()}},
        })
    }

    fn read_value(value: &Value) -> Result<Tested, String> {
        read(value.to_string().as_bytes())
    }

    #[test]
    fn only_what_passed_on_this_very_lock_speaks_for_it() {
        let (lock, other) = ("ab".repeat(32), "cd".repeat(32));
        let tested = |results: &[(&str, &str)]| read_value(&statement(&lock, results)).unwrap();
        let good = tested(&[("ready", "passed"), ("data", "skipped")]);
        assert_eq!(good.objection(&lock), None);
        assert!(good.objection(&other).unwrap().contains(&format!("about lock {lock}")));
        let bad = tested(&[("ready", "passed"), ("smoke\n", "failed")]);
        assert_eq!(bad.objection(&lock).unwrap(), "it says that these failed: smoke ");
        assert!(tested(&[("data", "skipped")]).objection(&lock).is_some());
        assert!(tested(&[]).objection(&lock).is_some());
    }

    #[test]
    fn results_in_our_own_field_count_as_well() {
        let lock = "ab".repeat(32);
        let objection = |verdict: &str, steps: &[(&str, &str)]| {
            let mut value = statement(&lock, &[]);
            let steps =
                steps.iter().map(|(name, verdict)| json!({"name": name, "verdict": verdict, "attempts": 1}));
            let result = json!({"verdict": verdict, "steps": steps.collect::<Vec<_>>()});
            value["predicate"]["devcluster_result"] = result;
            value["predicate"]["runDetails"]["byproducts"] =
                json!([{"name": "junit.xml", "digest": {"sha256": "x"}}]);
            read_value(&value).unwrap().objection(&lock)
        };
        assert_eq!(objection("passed", &[("up", "passed"), ("data", "skipped")]), None);
        assert!(objection("failed", &[("up", "passed")]).unwrap().contains("the run as a whole"));
        assert!(objection("passed", &[("up", "passed"), ("smoke", "failed")]).unwrap().contains("smoke"));
        assert!(objection("interrupted", &[("up", "interrupted")]).is_some());
        assert!(objection("passed", &[]).is_some());
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let good = statement(&"ab".repeat(32), &[("a", "passed")]);
        for (pointer, value) in [
            ("/_type", json!("https://in-toto.io/Statement/v0.1")),
            ("/predicateType", json!("x")),
            ("/subject", json!([])),
            ("/subject/0/name", json!("other")),
            ("/subject/0/digest", json!({"sha256": "AB".repeat(32)})),
            ("/subject/0/digest", json!({"sha256": 1})),
            ("/predicate/runDetails/byproducts/0/annotations/result", json!("maybe")),
            ("/predicate/runDetails", json!(null)),
        ] {
            let mut wrong = good.clone();
            *wrong.pointer_mut(pointer).unwrap() = value;
            assert!(read_value(&wrong).is_err(), "{pointer}");
        }
        let mut two = good.clone();
        let subject = two["subject"][0].clone();
        two["subject"].as_array_mut().unwrap().push(subject);
        assert!(read_value(&two).unwrap_err().contains("2 subjects"));
        assert!(read(&vec![b'['; LARGEST + 1]).is_err());
        assert!(read(&vec![b'['; 100_000]).is_err(), "deep nesting");
        read_value(&good).unwrap();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
