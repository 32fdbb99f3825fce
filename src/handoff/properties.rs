//! Properties of locks: what is written is read back, and the root follows what matters and nothing else.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::handoff::canonical::{canonical_json, hash};
use crate::handoff::migration::Verdict;
use crate::manifest::{Object, Origin, Rendered};

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object(kind: &str, name: &str, spec: &Value) -> Object {
    let value = json!({"apiVersion": "x.io/v1", "kind": kind, "metadata": {"name": name, "namespace": "a:b"}, "spec": spec});
    Object { value, origin: Origin { source: "files a".into(), file: None, line: 1 } }
}

fn present(objects: Vec<Object>) -> Present {
    let facts = Facts {
        kubernetes: Some("1.34".into()),
        images: vec![
            LockedImage { reference: "docker.io/a:1".into(), digest: Some("sha256:1".into()), source: None },
            LockedImage { reference: "b".into(), digest: None, source: Some("2".into()) },
        ],
        builds: [("b".to_owned(), [("app/x y".to_owned(), "3+x".to_owned())].into())].into(),
        data: vec![DataEntry { store: "a/b".into(), from: "snapshot x".into(), digest: None }],
        migrations: vec![Migration {
            name: "shop/migrate".into(),
            reversible: Verdict::OneWay,
            statements: Some("0".repeat(64)),
            because: vec!["a.sql:1: DROP TABLE \"t\": its rows are lost".into()],
        }],
        renderers: [("helm".to_owned(), "v4.0.0+g1".to_owned())].into(),
        local: Local {
            profile: "laptop".into(),
            patches: vec![("a: b".into(), "- c".into())],
            ..Local::default()
        },
        key: Some(LockKey::new([7; 32])),
        ..Facts::default()
    };
    let mut present = build(&Rendered { objects, ..Rendered::default() }, &facts);
    present.lock = present.clone().into_lock();
    present
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn canonical_json_is_the_same_value_and_stays(value in values()) {
        let text = canonical_json(&value);
        let back: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(canonical_json(&back), text);
    }

    #[test]
    fn a_lock_is_read_back(name in "\\PC{1,12}", spec in values()) {
        let lock = present(vec![object("Thing", &name, &spec)]).lock;
        let text = write(&lock);
        let back = read(&text);
        prop_assert_eq!(back.as_ref(), Ok(&lock), "{}", text);
        prop_assert_eq!(write(&back.unwrap()), text);
    }

    #[test]
    fn another_object_is_named_and_its_fields_too(one in values(), other in values()) {
        let lock = present(vec![object("Thing", "t", &one)]).lock;
        let now = present(vec![object("Thing", "t", &other)]);
        let comparison = compare(&lock, &now);
        let differs = hash(&one) != hash(&other);
        prop_assert_eq!(comparison.differs(), differs);
        prop_assert_eq!(lock.root != now.lock.root, differs);
        prop_assert!(!differs || !comparison.differences[0].fields.is_empty());
    }

    #[test]
    fn one_amount_is_one_hash(amount in 0_u32..1_000_000, other in 0_u32..1_000_000) {
        let hash_of = |memory: String, cpu: String| {
            let limits = json!({"cpu": cpu, "memory": memory});
            let spec = json!({"template": {"spec": {"containers": [{"name": "c", "resources": {"limits": limits}}]}}});
            let mut object = object("Deployment", "d", &spec);
            object.value["apiVersion"] = json!("apps/v1");
            present(vec![object]).lock.root
        };
        let one = hash_of(format!("{amount}Gi"), format!("{amount}"));
        let thousands = u64::from(amount) * 1000;
        prop_assert_eq!(&one, &hash_of(format!("{}Mi", u64::from(amount) * 1024), format!("{thousands}m")));
        let apart = hash_of(format!("{other}Gi"), format!("{amount}"));
        prop_assert_eq!(one == apart, amount == other);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(version: 1\n)?\\PC{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn a_changed_digit_is_found(at in any::<prop::sample::Index>()) {
        let lock = present(vec![object("Thing", "t", &json!({"a": 1})), object("Thing", "u", &json!(2))]).lock;
        let text = write(&lock);
        let places: Vec<usize> = text.match_indices("hash: ").map(|(at, _)| at + 6).collect();
        let place = places[at.index(places.len())] + at.index(64);
        let mut edited = text.into_bytes();
        edited[place] = if edited[place] == b'0' { b'1' } else { b'0' };
        let faults = read(std::str::from_utf8(&edited).unwrap()).unwrap_err();
        prop_assert!(faults.0[0].message.contains("edited by hand"), "{}", faults);
    }
}

fn faults(text: &str) -> Vec<(usize, String)> {
    read(text).unwrap_err().0.into_iter().map(|fault| (fault.line, fault.message)).collect()
}

#[test]
fn what_is_wrong_with_a_lock_is_told_with_its_line() {
    let text = write(&present(vec![object("Thing", "t", &json!({"a": 1}))]).lock);
    assert!(read(&text).is_ok());
    let newer = faults(&text.replace("version: 1\n", "version: 2\nsurprise: yes\n"));
    assert_eq!(newer.len(), 1);
    assert!(newer[0].1.contains("bring devcluster up to date"), "{newer:?}");
    let unknown = faults(&text.replace("  tree: null", "  tree: null\n  forest: 1"));
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].1.starts_with("inputs has no field forest"), "{unknown:?}");
    let merged = text.replace("images:\n", "<<<<<<< ours\nimages:\n=======\nimages:\n>>>>>>> theirs\n");
    let conflict = faults(&merged);
    let line = merged.lines().position(|line| line.starts_with("<<<<<<<")).unwrap() + 1;
    assert_eq!(conflict.len(), 1);
    assert_eq!(conflict[0].0, line);
    assert!(conflict[0].1.contains("conflict"));
    let two = faults(&text.replace("  profile: laptop\n", "").replace("data:\n", "datum:\n"));
    assert_eq!(two.len(), 3, "{two:?}");
    let reasons = "  because:\n    - \"a.sql:1: DROP TABLE \\\"t\\\": its rows are lost\"\n";
    let one = faults(&text.replace(reasons, "  because: 5\n"));
    assert!(one.len() == 1 && one[0].1.starts_with("because is to be a list"), "{one:?}");
    assert!(faults("").first().unwrap().1.contains("0 documents"));
    assert!(faults("- a\n")[0].1.contains("is no lock"));
    assert!(faults("a: [\n")[0].1.contains("write it anew"));
}

#[test]
fn a_secrets_value_that_differs_is_named_and_not_shown() {
    let secret = |word: &str| {
        let value = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"pass/word": word}});
        present(vec![Object { value, origin: Origin { source: "files a".into(), file: None, line: 1 } }])
    };
    let (one, other) = (secret("hunter2"), secret("hunter3"));
    assert_eq!(one.lock.root, other.lock.root);
    let comparison = compare(&one.lock, &other);
    assert_eq!(comparison.differences[0].fields[0].path, "/data/pass~1word");
    let text = to_text(&comparison) + &write(&other.lock);
    assert!(text.contains("~ Secret s\n    ~ /data/pass~1word\n"), "{text}");
    // As a merge of two branches leaves it: which of the two holds, nobody can tell.
    let written = write(&one.lock);
    let value = written.lines().find(|line| line.starts_with("  - {secret:")).unwrap();
    let twice = faults(&written.replace(value, &format!("{value}\n{value}")));
    assert!(twice.len() == 1 && twice[0].1.starts_with("pass/word of Secret s is here twice"), "{twice:?}");
    assert!(!text.contains("hunter"));
}

#[test]
fn inputs_that_changed_are_named() {
    let file = |digit: &str| InputFile {
        source: "files a".into(),
        path: "a.yaml".into(),
        digest: Some(digit.repeat(64)),
    };
    let mut was = present(vec![object("Thing", "t", &json!(1))]);
    let mut now = present(vec![object("Thing", "t", &json!(2)), object("Thing", "u", &json!(2))]);
    was.lock.inputs.files = vec![file("0")];
    now.lock.inputs.files = vec![file("1")];
    let text = to_text(&compare(&was.lock, &now));
    assert_eq!(
        text,
        format!(
            "~ Thing.x.io a:b/t\n    ~ /spec now 2\n    from a.yaml\n+ Thing.x.io a:b/u\n    from a.yaml\n\
             2 differences from the lock ({}) among 2 objects\nnote: snapshot x is not here: its data was not compared\n\
             note: migration shop/migrate cannot be taken back (one-way): a.sql:1: DROP TABLE \"t\": its rows are lost\n",
            &was.lock.root[..12]
        )
    );
}

/// A lock of 1,000 objects and its comparison: what `verify` does beyond rendering. Its time is for eyes, and not held.
#[test]
fn a_thousand_objects_are_compared() {
    let workload = |number: usize| {
        let container = |name: &str| {
            let environment: Vec<Value> =
                (0..8).map(|at| json!({"name": format!("V{at}"), "value": "x"})).collect();
            json!({"name": name, "image": format!("registry.example.com/{name}:{number}"), "env": environment,
                "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}})
        };
        let spec = json!({"replicas": number, "template": {"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [container("a"), container("b")]}}});
        let mut workload = object("Deployment", &format!("w{number}"), &spec);
        workload.value["apiVersion"] = json!("apps/v1");
        workload
    };
    let objects = || (0..1000).map(workload).collect::<Vec<_>>();
    let text = write(&present(objects()).lock);
    let mut now = objects();
    now[500].value["spec"]["replicas"] = json!(7);
    let begun = std::time::Instant::now();
    let comparison = compare(&read(&text).unwrap(), &present(now));
    eprintln!("a lock of {} bytes read and compared in {:?}", text.len(), begun.elapsed());
    assert_eq!(comparison.differences.len(), 1);
    assert_eq!(comparison.differences[0].fields[0].path, "/spec/replicas");
}
