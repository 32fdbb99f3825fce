//! Signed statements: what this program signs holds for in-toto's own verifier, and what that signs holds here. A run without an
//! engine fails, and has its statement all the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::repository::Repository;
use crate::tools::tool;

const PASSED: &[(&str, &str)] = &[("lock", "passed"), ("up", "passed")];
const ATTESTATION: &str = ".devcluster/ci/attestation.json";
const KINDS: [&str; 2] = ["p256", "ed25519"];

/// A key of the tests; the public one with `.pub`.
fn key(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/keys/{name}.pem")).display().to_string()
}

fn public(name: &str) -> String {
    key(&format!("{name}.pub"))
}

/// What somebody else's checker says.
fn checked(checker: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(checker).args(args).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn verify(project: &Repository, attestation: &str, keys: &[&str]) -> (i32, String) {
    let keys = keys.iter().flat_map(|name| ["--key".to_owned(), public(name)]);
    let args: Vec<String> =
        ["verify", "--attestation", attestation].map(str::to_owned).into_iter().chain(keys).collect();
    project.devcluster(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A run that is signed as `args` and the environment say; there is no engine, so that it ends with its first step.
fn run(project: &Repository, args: &[&str], env: &[(&str, &str)]) -> Value {
    let mut command = project.command(env!("CARGO_BIN_EXE_devcluster"), &[&["ci", "--keep"], args].concat());
    let output = command.envs(env.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    serde_json::from_slice(&std::fs::read(project.directory.join(ATTESTATION)).unwrap()).unwrap()
}

#[test]
fn what_is_signed_here_holds_for_others() {
    let Some(checker) = tool("attestation-check") else { return };
    let project = Repository::new();
    let file = project.directory.join(ATTESTATION).display().to_string();
    let plain = run(&project, &[], &[("DEVCLUSTER_SIGNING_KEY", "")]);
    assert_eq!(plain["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(checked(&checker, &[&file]), (true, String::new()));
    for name in KINDS {
        let text = std::fs::read_to_string(key(name)).unwrap();
        for (args, env) in [
            (vec!["--sign-key".to_owned(), key(name)], vec![("DEVCLUSTER_SIGNING_KEY", "nonsense")]),
            (Vec::new(), vec![("DEVCLUSTER_SIGNING_KEY", text.as_str())]),
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let envelope = run(&project, &args, &env);
            assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
            assert_eq!(checked(&checker, &["--key", &public(name), &file]), (true, String::new()));
            let other = if name == "p256" { "ed25519" } else { "p256" };
            assert!(!checked(&checker, &["--key", &public(other), &file]).0);
            let (code, said) = verify(&project, ATTESTATION, &[name]);
            assert_eq!(code, 4, "{said}");
            assert!(said.contains("says that not all passed") && said.contains("up: failed"), "{said}");
            let (code, said) = verify(&project, ATTESTATION, &[other]);
            assert_eq!(code, 4, "{said}");
            assert!(said.contains("no signature that holds by") && said.contains(&public(other)), "{said}");
        }
    }
}

#[test]
fn what_others_sign_holds_here() {
    let Some(checker) = tool("attestation-check") else { return };
    let project = Repository::new();
    let plain = project.attestation("plain.json", &project.root(), PASSED);
    let (code, said) = verify(&project, &plain, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("not signed"), "{said}");
    let (code, said) = verify(&project, &plain, &["p256"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("is not signed, and a signature by"), "{said}");
    for name in KINDS {
        let (signed, envelope) = checked(&checker, &["--sign", &key(name), &plain]);
        assert!(signed, "{envelope}");
        let file = project.beside("signed.json");
        std::fs::write(&file, &envelope).unwrap();
        let file = file.to_str().unwrap();
        let (code, said) = verify(&project, file, &KINDS);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("signed by {}", public(name))), "{said}");
        let (code, said) = verify(&project, file, &[]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("signature not checked"), "{said}");
        let told = project.json(&["verify", "--attestation", file, "--key", &public(name)]);
        assert_eq!(told["attestation"]["holds"]["signature"], "valid");
        assert_eq!(told["attestation"]["holds"]["signedBy"], public(name));
    }
}

/// What is done to an envelope.
type Spoil = dyn Fn(&mut Value);

#[test]
fn what_is_no_envelope_or_key_is_one_clear_error() {
    let project = Repository::new();
    let envelope = |change: &dyn Fn(&mut Value)| -> PathBuf {
        let mut value = json!({
            "payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [{"keyid": "", "sig": "AAAA"}],
        });
        change(&mut value);
        let path = project.beside("hostile.json");
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let cases: [(&Spoil, &str); 7] = [
        (&|_| {}, "no signature that holds by"),
        (&|value| value["payloadType"] = json!("text/plain"), "its payloadType is \"text/plain\""),
        (&|value| value["payload"] = json!("%%"), "its payload is no base64"),
        (&|value| value["signatures"][0]["sig"] = json!("%%"), "its signature is no base64"),
        (&|value| value["signatures"] = json!([]), "it has no signature"),
        (&|value| value["signatures"] = json!(vec![json!({"sig": "AAAA"}); 100]), "it has 100 signatures"),
        (&|value| value["payload"] = json!("A".repeat(9 << 20)), "more than 8388608 bytes"),
    ];
    for (change, wanted) in cases {
        let (code, said) = verify(&project, envelope(change).to_str().unwrap(), &["p256"]);
        assert_eq!(code, 4, "{said}");
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let (code, said) = verify(&project, project.beside("nowhere.json").to_str().unwrap(), &[]);
    assert_eq!(code, 2, "{said}");
    let good = project.attestation("good.json", &project.root(), PASSED);
    let (code, said) = project.devcluster(&["verify", "--attestation", &good, "--key", &key("p256")]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("a public key is needed"), "{said}");
    let (code, said) = project.devcluster(&["ci", "--sign-key", &public("p256")]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("a PKCS#8 private key is needed"), "{said}");
    let mut command = project.command(env!("CARGO_BIN_EXE_devcluster"), &["ci"]);
    let output = command.env("DEVCLUSTER_SIGNING_KEY", "hunter2-is-no-key").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("variable DEVCLUSTER_SIGNING_KEY") && !said.contains("hunter2"), "{said}");
    assert!(!project.directory.join(".devcluster").exists(), "nothing was begun");
}

#[test]
fn an_environment_takes_what_its_keys_signed() {
    let Some(checker) = tool("attestation-check") else { return };
    let project = Repository::new();
    project.write("keys/ci.pem", &std::fs::read_to_string(public("p256")).unwrap());
    let keys = "name: production, keys: [keys/ci.pem],";
    project.edit("devcluster.yaml", "name: production,", keys);
    project.edit(
        "devcluster.yaml",
        "name: staging",
        "name: staging\n  - {name: tested, keys: [keys/ci.pem]}",
    );
    let root = project.lock();
    assert_eq!(project.devcluster(&["handoff", "--to", "staging"]).0, 0);
    let plain = project.attestation("plain.json", &root, PASSED);
    let signed = |name: &str| {
        let (_, envelope) = checked(&checker, &["--sign", &key(name), &plain]);
        let path = project.beside(&format!("{name}.json"));
        std::fs::write(&path, envelope).unwrap();
        path.display().to_string()
    };
    let promote = |to: &str, attestation: Option<&str>| {
        let mut args = vec!["promote", "--from", "staging", "--to", to];
        args.extend(attestation.into_iter().flat_map(|file| ["--approve", "--attestation", file]));
        project.devcluster(&args)
    };
    for to in ["tested", "production"] {
        let (code, said) = promote(to, None);
        assert_eq!(code, 1, "{said}");
        let (code, said) = promote(to, Some(&plain));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is not signed, and a signature by"), "{said}");
        let (code, said) = promote(to, Some(&signed("ed25519")));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("no signature that holds by"), "{said}");
        let (code, said) = promote(to, Some(&signed("p256")));
        assert_eq!(code, 0, "{said}");
    }
    let (code, said) = project.devcluster(&["handoff", "--to", "tested"]);
    assert_eq!(code, 0, "the approval is there: {said}");

    // Approvals hold by the keys of now.
    project.write("keys/ci.pem", &std::fs::read_to_string(public("ed25519")).unwrap());
    let (code, said) = promote("production", None);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("does not: its attestation has no signature that holds by"), "{said}");
    project.write("keys/ci.pem", "not a key\n");
    let (code, said) = promote("production", None);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("keys/ci.pem is no key in PEM"), "{said}");
    project.edit("devcluster.yaml", "production, keys: [keys/ci.pem]", "production, keys: [keys/cj.pem]");
    let (code, said) = promote("production", None);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("keys/ci.pem"), "the nearest right name: {said}");
}
