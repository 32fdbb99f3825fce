//! Reads a statement, signed or not, and says whether it is about a lock's root and that all passed; with keys, whether one of them
//! signed it.

use serde::Serialize;
use serde_json::Value;

use super::attestation::{BUILD_TYPE, PREDICATE, RESULT, STATEMENT};
use super::envelope::{Envelope, EnvelopeFault};
use super::keys::PublicKey;
use crate::handoff::FILE;
use crate::words::listed;

/// More bytes than a statement ever has.
pub const LARGEST: usize = 8 << 20;

/// Who wrote a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "signature", rename_all = "camelCase")]
pub enum Signature {
    /// Nobody signed it.
    None,
    /// It is signed, and no key was given to check that by.
    NotChecked,
    /// The signature holds.
    Valid {
        /// The key that made it, as it is told.
        #[serde(rename = "signedBy")]
        signed_by: String,
    },
}

/// What a statement says that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    /// The root.
    pub root: String,
    /// The profile that it was tested with.
    pub profile: String,
    /// When that ended.
    pub finished_on: String,
    /// How many steps passed.
    pub steps: usize,
    /// Who wrote it.
    #[serde(flatten)]
    pub signature: Signature,
}

/// Why a statement does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is none of ours.
    #[error("is no statement of `devcluster ci`: {why}")]
    NotOurs {
        /// What is not as it is to be.
        why: String,
    },
    /// Its envelope is none.
    #[error("is no signed statement: {0}")]
    Envelope(#[from] EnvelopeFault),
    /// A signature was asked for.
    #[error("is not signed, and a signature by {} is needed; `devcluster ci --sign-key FILE` makes one", .keys.join(" or "))]
    NotSigned {
        /// The keys that would do.
        keys: Vec<String>,
    },
    /// None of the keys signed it.
    #[error("has no signature that holds by {}", .keys.join(" or "))]
    NotValid {
        /// The keys that would do.
        keys: Vec<String>,
    },
    /// It is about something else.
    #[error(
        "is about another lock: its root is {about}, and that of {FILE} is {wanted}; run `devcluster ci` on this one"
    )]
    OtherLock {
        /// The root that it is about.
        about: String,
        /// The lock's.
        wanted: String,
    },
    /// Not all passed.
    #[error("says that not all passed:{}", listed(.steps))]
    NotPassed {
        /// What did not, each with its verdict.
        steps: Vec<String>,
    },
}

/// Reads a file of `devcluster ci` and holds it against a lock's root. Where there are keys, one of them must have signed it.
pub fn check(file: &[u8], root: &str, keys: &[PublicKey]) -> Result<Attested, Refusal> {
    if file.len() > LARGEST {
        return Err(Refusal::NotOurs { why: format!("it has more than {LARGEST} bytes") });
    }
    let names = || keys.iter().map(|key| key.name().to_owned()).collect();
    let envelope = Envelope::read(file)?;
    let signature = match &envelope {
        None if keys.is_empty() => Signature::None,
        None => return Err(Refusal::NotSigned { keys: names() }),
        Some(_) if keys.is_empty() => Signature::NotChecked,
        Some(envelope) => {
            let key = envelope.signed_by(keys).ok_or_else(|| Refusal::NotValid { keys: names() })?;
            Signature::Valid { signed_by: key.name().to_owned() }
        }
    };
    statement(envelope.as_ref().map_or(file, Envelope::payload), root, signature)
}

/// Holds a statement against a lock's root.
fn statement(text: &[u8], root: &str, signature: Signature) -> Result<Attested, Refusal> {
    let not_ours = |why: String| Refusal::NotOurs { why };
    let value: Value =
        serde_json::from_slice(text).map_err(|error| not_ours(format!("it is no JSON: {error}")))?;
    let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    for (pointer, wanted) in [
        ("/_type", STATEMENT),
        ("/predicateType", PREDICATE),
        ("/predicate/buildDefinition/buildType", BUILD_TYPE),
    ] {
        if at(pointer) != Some(wanted) {
            return Err(not_ours(format!("{pointer} is not {wanted}")));
        }
    }
    let subjects = value["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
    let about = match subjects {
        [subject] if subject["name"] == FILE => subject.pointer("/digest/sha256").and_then(Value::as_str),
        _ => None,
    };
    let about = about.ok_or_else(|| not_ours(format!("its subject is not {FILE} alone")))?;
    if about != root {
        return Err(Refusal::OtherLock { about: visible(about), wanted: root.to_owned() });
    }
    let steps = passed(&value["predicate"][RESULT])?;
    let text = |pointer: &str| visible(at(pointer).unwrap_or_default());
    Ok(Attested {
        root: root.to_owned(),
        profile: text("/predicate/buildDefinition/externalParameters/profile"),
        finished_on: text("/predicate/runDetails/metadata/finishedOn"),
        steps,
        signature,
    })
}

/// How many steps passed, where none did anything else: the data of a system without any may be skipped.
fn passed(result: &Value) -> Result<usize, Refusal> {
    let steps = result["steps"].as_array().filter(|steps| !steps.is_empty());
    let steps = steps.ok_or_else(|| Refusal::NotOurs { why: "it names no steps".into() })?;
    let told = |step: &Value, key: &str| visible(step[key].as_str().unwrap_or("?"));
    let is_skipped_data = |step: &Value| step["name"] == "data" && step["verdict"] == "skipped";
    let (good, bad): (Vec<&Value>, Vec<&Value>) =
        steps.iter().filter(|step| !is_skipped_data(step)).partition(|step| step["verdict"] == "passed");
    let mut bad: Vec<String> =
        bad.into_iter().map(|step| format!("{}: {}", told(step, "name"), told(step, "verdict"))).collect();
    for wanted in ["lock", "up"] {
        if !steps.iter().any(|step| step["name"] == wanted) {
            bad.push(format!("{wanted}: missing"));
        }
    }
    if bad.is_empty() && result["verdict"] != "passed" {
        bad.push(format!("the whole: {}", told(result, "verdict")));
    }
    if bad.is_empty() { Ok(good.len()) } else { Err(Refusal::NotPassed { steps: bad }) }
}

/// A text of a file from elsewhere that does nothing to a terminal.
fn visible(text: &str) -> String {
    text.chars().take(100).filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::envelope::seal;
    use super::super::keys::SigningKey;
    use super::super::report::Report;
    use super::super::{samples, statement};
    use super::*;

    fn check(text: &str, root: &str) -> Result<Attested, Refusal> {
        super::check(text.as_bytes(), root, &[])
    }

    fn text(report: &Report) -> String {
        statement(report, report.lock.as_ref().unwrap(), "0.1.0", &[]).to_string()
    }

    fn root() -> String {
        "ab".repeat(32)
    }

    #[test]
    fn a_run_in_which_all_passed_holds_for_its_own_lock_alone() {
        let attested = check(&text(&samples::passed()), &root()).unwrap();
        assert_eq!((attested.steps, attested.profile.as_str()), (4, "ci"));
        assert_eq!(attested.finished_on, "2026-01-01T10:01:20Z");
        let refusal = check(&text(&samples::passed()), &"00".repeat(32)).unwrap_err();
        assert!(matches!(refusal, Refusal::OtherLock { .. }) && refusal.to_string().contains("another lock"));
    }

    #[test]
    fn what_did_not_pass_is_named() {
        let refusal = check(&text(&samples::failed()), &root()).unwrap_err();
        assert_eq!(refusal.to_string(), "says that not all passed:\n  checkout: failed\n  load: failed");
    }

    #[test]
    fn a_statement_of_something_else_or_one_that_was_shortened_does_not_do() {
        let whole = text(&samples::passed());
        let mut value: Value = serde_json::from_str(&whole).unwrap();
        value["predicate"][RESULT]["steps"] = serde_json::json!([{"name": "data", "verdict": "skipped"}]);
        let refused = check(&value.to_string(), &root()).unwrap_err().to_string();
        assert!(refused.contains("lock: missing") && refused.contains("up: missing"), "{refused}");
        for (from, to) in [
            (STATEMENT, "https://in-toto.io/Statement/v0.1"),
            (BUILD_TYPE, "https://example.com/other"),
            ("devcluster.lock\"", "other.lock\""),
        ] {
            let refusal = check(&whole.replace(from, to), &root()).unwrap_err();
            assert!(matches!(refusal, Refusal::NotOurs { .. }), "{refusal}");
        }
        assert!(check("not json", &root()).unwrap_err().to_string().contains("no JSON"));
        assert!(check("{}", &root()).is_err());
    }

    #[test]
    fn a_signature_counts_where_keys_are_given() {
        let plain = text(&samples::passed());
        let key = SigningKey::read(samples::P256_KEY.as_bytes()).unwrap();
        let signed = seal(plain.as_bytes(), &key).unwrap().to_string();
        let public = |text: &str| PublicKey::read("ci.pub.pem", text.as_bytes()).unwrap();
        let (ours, theirs) = (public(samples::P256_PUBLIC), public(samples::ED25519_PUBLIC));
        let check = |text: &str, keys: &[PublicKey]| super::check(text.as_bytes(), &root(), keys);
        assert_eq!(check(&plain, &[]).unwrap().signature, Signature::None);
        assert_eq!(check(&signed, &[]).unwrap().signature, Signature::NotChecked);
        let valid = check(&signed, &[theirs.clone(), ours.clone()]).unwrap();
        assert_eq!(valid.signature, Signature::Valid { signed_by: "ci.pub.pem".into() });
        let told = serde_json::to_value(&valid).unwrap();
        assert_eq!(
            (told["signature"].as_str(), told["signedBy"].as_str()),
            (Some("valid"), Some("ci.pub.pem"))
        );
        assert!(
            check(&plain, std::slice::from_ref(&ours))
                .unwrap_err()
                .to_string()
                .contains("ci.pub.pem is needed")
        );
        assert!(matches!(check(&signed, &[theirs]).unwrap_err(), Refusal::NotValid { .. }));
        // What stands beside the payload counts for nothing.
        let mut beside: Value = serde_json::from_str(&plain).unwrap();
        for (key, value) in seal(b"{}", &key).unwrap().as_object().unwrap() {
            beside[key] = value.clone();
        }
        assert!(matches!(check(&beside.to_string(), &[ours]).unwrap_err(), Refusal::NotOurs { .. }));
        let large = " ".repeat(LARGEST + 1);
        assert!(check(&large, &[]).unwrap_err().to_string().contains("more than"));
    }
}
