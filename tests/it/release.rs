//! The ledger of releases on a real API server: only ever added to, what releases share kept once, damage told by name.

use std::collections::BTreeMap;
use std::process::Command;

use devcluster::apply::SYSTEM_NAMESPACE;
use devcluster::handoff::release::{Chart, Content, Kept, KeptHook, Ledger, Made, Record, text};
use devcluster::manifest::{DeletePolicy, HookEvent, Object};
use devcluster::operation::release::view;
use devcluster::operation::release::{Book, Draft};
use serde_json::{Value, json};

use crate::apiserver::{Place, place};

const WORD: &str = "hunter2-of-the-ledger";

fn system(place: &Place, colour: &str) -> Vec<Object> {
    let text = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: NS}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, \
         namespace: NS}}\ndata: {{colour: {colour}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: words, namespace: NS}}\n\
         stringData: {{word: {WORD}}}\n"
    );
    place.objects(&text)
}

async fn release(book: &Book, objects: &[Object]) -> Record {
    let ledger = book.load().await.unwrap();
    let objects = book.keep(&ledger, objects).await.unwrap();
    let content = Content { objects, ..Content::default() };
    book.record(&ledger, Draft::new(Made::Up, "a".into(), content)).await.unwrap()
}

/// Objects of ours of a kind, by name.
async fn ours(place: &Place, kind: &str) -> BTreeMap<String, Value> {
    let selector = format!("devcluster.dev/release={}", place.namespace);
    let found = place.cluster.list(&place.resource("v1", kind), SYSTEM_NAMESPACE, Some(&selector)).await;
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    found.unwrap().into_iter().map(|object| (name(&object), object)).collect()
}

async fn delete(place: &Place, kind: &str, name: &str) {
    let gone = place.cluster.delete(&place.resource("v1", kind), SYSTEM_NAMESPACE, name, None).await;
    assert!(gone.unwrap(), "{kind} {name} was there");
}

async fn texts(book: &Book, ledger: &Ledger, number: u64) -> Result<Vec<Value>, String> {
    let record = ledger.release(number).map_err(|error| error.to_string())?;
    let mut texts = book.texts(number, &record.content.objects).await.map_err(|error| error.to_string())?;
    let objects = record.content.objects.iter().map(|kept| texts.remove(&kept.id).unwrap().value);
    Ok(objects.collect())
}

fn values(objects: &[Object]) -> Vec<Value> {
    objects.iter().map(|object| object.value.clone()).collect()
}

#[tokio::test]
async fn what_releases_share_is_kept_once_and_secrets_stay_in_secrets() {
    let place = place("release-growth").await;
    let book = Book::new(&place.cluster, &place.namespace);
    assert_eq!(book.load().await.unwrap(), Ledger::default(), "nothing is there before the first");
    let (blue, red) = (system(&place, "blue"), system(&place, "red"));
    assert_eq!(release(&book, &blue).await.number, 1);
    let count = |kind| ours(&place, kind);
    assert_eq!((count("ConfigMap").await.len(), count("Secret").await.len()), (2, 1));
    release(&book, &blue).await;
    assert_eq!((count("ConfigMap").await.len(), count("Secret").await.len()), (3, 1), "a record alone");
    release(&book, &red).await;
    let maps = count("ConfigMap").await;
    assert_eq!((maps.len(), count("Secret").await.len()), (5, 1), "a record and the one blob that is new");
    release(&book, &blue).await;
    assert_eq!(count("ConfigMap").await.len(), 6, "an old blob serves again");

    let ledger = book.load().await.unwrap();
    assert_eq!(ledger.records.len(), 4);
    assert_eq!(texts(&book, &ledger, 1).await.unwrap(), values(&blue));
    assert_eq!(texts(&book, &ledger, 3).await.unwrap(), values(&red));
    for object in maps.values().chain(count("Secret").await.values()) {
        assert_eq!(object["immutable"], true);
    }
    nothing_secret_is_in(&maps);
}

/// Neither the value nor a hash of a text that holds nothing else unknown.
fn nothing_secret_is_in(maps: &BTreeMap<String, Value>) {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    for (name, object) in maps {
        for value in object["binaryData"].as_object().unwrap().values() {
            let packed = engine.decode(value.as_str().unwrap()).unwrap();
            let text = zstd::bulk::decompress(&packed, 1 << 20).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains(WORD) && !text.contains(&engine.encode(WORD)), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn hooks_are_kept_as_objects_are_and_those_of_one_name_apart() {
    let place = place("release-hooks").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let job = |event: &str| {
        let text = format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: tell, namespace: NS, annotations: {{helm.sh/hook: {event}}}}}\n"
        );
        place.objects(&text).remove(0)
    };
    let secret = place.objects(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: key, namespace: NS, annotations: {{helm.sh/hook: pre-rollback}}}}\n\
         stringData: {{word: {WORD}}}\n"
    ));
    let hooks = [job("pre-rollback"), job("post-rollback"), secret[0].clone()];
    let kept = |kept: Kept| KeptHook {
        kept,
        events: vec![HookEvent::PreRollback],
        weight: -3,
        delete_policies: vec![DeletePolicy::HookSucceeded],
    };
    let recorded = async |hooks: &[Object], hash: &str| {
        let ledger = book.load().await.unwrap();
        let hooks = book.keep(&ledger, hooks).await.unwrap().into_iter().map(kept).collect();
        let chart = Chart { release: format!("{}/api", place.namespace), hash: hash.into(), hooks };
        let content = Content { charts: Some(vec![chart]), ..Content::default() };
        book.record(&ledger, Draft::new(Made::Up, "a".into(), content)).await.unwrap()
    };
    recorded(&hooks, "1").await;
    let (maps, secrets) = (ours(&place, "ConfigMap").await, ours(&place, "Secret").await);
    assert_eq!((maps.len(), secrets.len()), (2, 1));
    nothing_secret_is_in(&maps);
    recorded(&hooks, "1").await;
    assert_eq!(ours(&place, "ConfigMap").await.len(), 3, "a record alone");
    assert_eq!(ours(&place, "Secret").await.len(), 1);
    recorded(&[job("pre-rollback"), job("pre-install")], "2").await;

    let ledger = book.load().await.unwrap();
    let first = ledger.release(1).unwrap();
    let wanted: Vec<Kept> = first.content.hooks().map(|(_, hook)| hook.kept.clone()).collect();
    let found = book.objects(1, &wanted).await.unwrap();
    assert_eq!(values(&found), values(&hooks));
    let told = text::show(&ledger, first);
    assert!(
        told.contains("3 hooks of chart ")
            && told.contains("pre-rollback, weight -3, deleted hook-succeeded"),
        "{told}"
    );
    let diff = view::difference(&book, first, ledger.release(3).unwrap()).await.unwrap();
    let told = text::difference(&diff);
    let chart = format!("hook {0}/api: ", place.namespace);
    assert!(told.contains(&format!("- {chart}Secret {}/key", place.namespace)), "{told}");
    assert!(told.contains(&format!("~ {chart}Job {}/tell", place.namespace)), "{told}");
    assert!(told.contains(r#"hook: "post-rollback" → "pre-install""#) && !told.contains(WORD), "{told}");

    // A release that a version wrote which did not know of hooks.
    release(&book, &system(&place, "blue")).await;
    let ledger = book.load().await.unwrap();
    let old = ledger.release(4).unwrap();
    assert!(old.content.charts.is_none() && text::show(&ledger, old).contains("not recorded"));
    let diff = view::difference(&book, first, old).await.unwrap();
    let told = text::difference(&diff);
    assert!(diff.hooks.is_empty() && told.contains("release 4 was recorded without charts' hooks"), "{told}");
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_told_by_name_and_the_rest_works() {
    let place = place("release-damage").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let (blue, red, green) = (system(&place, "blue"), system(&place, "red"), system(&place, "green"));
    for objects in [&blue, &red, &green] {
        release(&book, objects).await;
    }
    let name = |number: u64| format!("release-{}-{number}", place.namespace);
    delete(&place, "ConfigMap", &name(2)).await;
    let ledger = book.load().await.unwrap();
    let error = texts(&book, &ledger, 2).await.unwrap_err();
    let missing = format!("ConfigMap {SYSTEM_NAMESPACE}/{} is missing: release 2 cannot be read", name(2));
    assert!(error.starts_with(&missing), "{error}");
    assert_eq!(texts(&book, &ledger, 3).await.unwrap(), values(&green));

    // Put back by somebody, with another text.
    let forged = json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": name(2), "labels": ours(&place, "ConfigMap").await[&name(1)]["metadata"]["labels"]},
        "data": {"hash": "0"}, "binaryData": {"record": "aGVsbG8="}});
    place.cluster.create(&place.resource("v1", "ConfigMap"), SYSTEM_NAMESPACE, &forged).await.unwrap();
    let error = texts(&book, &book.load().await.unwrap(), 2).await.unwrap_err();
    assert!(error.contains("cannot be uncompressed"), "{error}");

    // The blob that green alone has.
    let kept = &ledger.records[&3.into()].content.objects[1];
    let pack = kept.place.pack.clone();
    let whole = ours(&place, "ConfigMap").await[&pack].clone();
    delete(&place, "ConfigMap", &pack).await;
    let error = texts(&book, &ledger, 3).await.unwrap_err();
    assert!(error.contains(&format!("{SYSTEM_NAMESPACE}/{pack} is missing")), "{error}");
    assert_eq!(texts(&book, &ledger, 1).await.unwrap(), values(&blue));
    let mut damaged = json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true, "metadata": {
        "name": pack, "labels": whole["metadata"]["labels"]}});
    damaged["binaryData"] = json!({kept.place.blob.clone(): "aGVsbG8="});
    place.cluster.create(&place.resource("v1", "ConfigMap"), SYSTEM_NAMESPACE, &damaged).await.unwrap();
    let error = texts(&book, &ledger, 3).await.unwrap_err();
    assert!(error.contains(&format!("the blob of ConfigMap {}/settings", place.namespace)), "{error}");

    // What is damaged under the name that a pack would have does not keep a release from being recorded.
    delete(&place, "ConfigMap", &name(3)).await;
    let record = release(&book, &green).await;
    let again = &record.content.objects[1].place;
    assert_eq!((&again.blob, &again.pack), (&kept.place.blob, &format!("{pack}-2")));
    let ledger = book.load().await.unwrap();
    assert_eq!(texts(&book, &ledger, record.number).await.unwrap(), values(&green));
}

/// What is said about a release is beside the releases' numbers, also where two say something at once.
#[tokio::test]
async fn annotations_leave_no_gap_between_releases() {
    let place = place("release-said").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let blue = system(&place, "blue");
    release(&book, &blue).await;
    let seen = book.load().await.unwrap();
    let say = |of: u64, text: &str| {
        let note = Some(text.to_owned());
        let draft = Draft { note, ..Draft::new(Made::Annotation { of }, "a".into(), Content::default()) };
        let (book, seen) = (book.clone(), seen.clone());
        async move { book.record(&seen, draft).await.unwrap().number }
    };
    let mut numbers = futures::future::join_all(["a", "b", "c"].map(|text| say(1, text))).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(release(&book, &blue).await.number, 2, "no number of a release was taken");

    // As annotations were numbered before: with the number of a release.
    let old = Record { number: 3, made: Made::Annotation { of: 2 }, ..seen.records[&1.into()].clone() };
    let old = Record { note: Some("before".into()), content: Content::default(), ..old };
    let (hash, sealed) = old.seal();
    let name = |entry: &str| format!("release-{}-{entry}", place.namespace);
    let labels = ours(&place, "ConfigMap").await[&name("1.1")]["metadata"]["labels"].clone();
    let sealed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sealed);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": name("3"), "labels": labels},
        "data": {"hash": hash}, "binaryData": {"record": sealed}});
    place.cluster.create(&place.resource("v1", "ConfigMap"), SYSTEM_NAMESPACE, &object).await.unwrap();
    assert_eq!(say(2, "after").await, 1);
    let ledger = book.load().await.unwrap();
    assert_eq!(ledger.notes(2), ["before", "after"]);
    assert_eq!(ledger.releases().map(|record| record.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(release(&book, &blue).await.number, 4);

    // One that is lost is told, and is not said about the release's own record; its number is not taken again.
    delete(&place, "ConfigMap", &name("1.2")).await;
    let ledger = book.load().await.unwrap();
    let missing: Vec<&str> = ledger.faults.values().map(|fault| fault.object.as_str()).collect();
    assert_eq!(missing, [format!("ConfigMap {SYSTEM_NAMESPACE}/{}", name("1.2"))]);
    assert_eq!((ledger.notes(1).len(), ledger.release(1).unwrap().number), (2, 1));
    assert!(text::list(&ledger, &BTreeMap::new()).contains("what was said of it is lost: ConfigMap"));
    let whole = book.whole().await.unwrap();
    let all: Vec<String> = ours(&place, "ConfigMap").await.into_keys().collect();
    for name in all {
        delete(&place, "ConfigMap", &name).await;
    }
    book.put(&whole).await.unwrap();
    assert_eq!(book.load().await.unwrap(), ledger, "they come along into another cluster");
}

#[tokio::test]
async fn two_at_once_are_two_releases() {
    let place = place("release-race").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let seen = book.load().await.unwrap();
    let colours = ["a", "b", "c", "d", "e", "f"];
    let all = colours.map(|colour| {
        let (book, seen, objects) = (book.clone(), seen.clone(), system(&place, colour));
        async move {
            let objects = book.keep(&seen, &objects).await.unwrap();
            let content = Content { objects, ..Content::default() };
            book.record(&seen, Draft::new(Made::Up, colour.into(), content)).await.unwrap()
        }
    });
    let records = futures::future::join_all(all).await;
    let mut numbers: Vec<u64> = records.iter().map(|record| record.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let ledger = book.load().await.unwrap();
    for (colour, record) in colours.iter().zip(&records) {
        assert_eq!(ledger.records[&record.number.into()].by, *colour);
        assert_eq!(texts(&book, &ledger, record.number).await.unwrap(), values(&system(&place, colour)));
    }
}

/// Runs one test of this binary alone, in a process of its own that is killed at a fault point.
fn killed_at(point: &str, test: &str, place: &Place) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("DEVCLUSTER_FAULT_POINT", point)
        .env("RELEASE_KUBECONFIG", &place.server.kubeconfig)
        .env("RELEASE_NAME", &place.namespace)
        .output()
        .unwrap();
    assert!(!output.status.success(), "it was to be killed at {point}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
#[ignore = "is run by the test below, which kills it"]
async fn records_a_release_in_a_process_of_its_own() {
    let kubeconfig = std::env::var("RELEASE_KUBECONFIG").unwrap();
    let cluster = devcluster::apply::Cluster::connect(kubeconfig.as_ref(), None).await.unwrap();
    let name = std::env::var("RELEASE_NAME").unwrap();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": name},
        "data": {"colour": "blue"}});
    let origin = devcluster::manifest::Origin { source: "test".into(), file: None, line: 0 };
    release(&Book::new(&cluster, &name), &[Object { value: map, origin }]).await;
}

#[tokio::test]
async fn killed_before_its_record_a_release_is_recorded_by_the_next_run() {
    let place = place("release-killed").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let objects = place.objects(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: NS}\ndata: {colour: blue}\n",
    );
    killed_at("release-blobs", "release::records_a_release_in_a_process_of_its_own", &place);
    assert_eq!(book.load().await.unwrap(), Ledger::default());
    assert_eq!(ours(&place, "ConfigMap").await.len(), 1, "blobs that nobody names");
    let record = release(&book, &objects).await;
    assert_eq!((record.number, ours(&place, "ConfigMap").await.len()), (1, 2), "they serve the next");
    let ledger = book.load().await.unwrap();
    assert_eq!(texts(&book, &ledger, 1).await.unwrap(), values(&objects));
}

#[tokio::test]
async fn a_ledger_comes_along_into_another_cluster() {
    let place = place("release-carried").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let (blue, red) = (system(&place, "blue"), system(&place, "red"));
    for objects in [&blue, &red] {
        release(&book, objects).await;
    }
    let (ledger, whole) = (book.load().await.unwrap(), book.whole().await.unwrap());
    for kind in ["ConfigMap", "Secret"] {
        for name in ours(&place, kind).await.into_keys() {
            delete(&place, kind, &name).await;
        }
    }
    assert_eq!(book.load().await.unwrap(), Ledger::default());
    // Twice, as after an interruption.
    book.put(&whole).await.unwrap();
    book.put(&whole).await.unwrap();
    assert_eq!(book.load().await.unwrap(), ledger);
    assert_eq!(texts(&book, &ledger, 1).await.unwrap(), values(&blue));
    assert_eq!(texts(&book, &ledger, 2).await.unwrap(), values(&red));
    assert_eq!(release(&book, &red).await.number, 3);
}

#[tokio::test]
async fn a_thousand_objects_are_one_release() {
    let place = place("release-large").await;
    let book = Book::new(&place.cluster, &place.namespace);
    let origin = devcluster::manifest::Origin { source: "test".into(), file: None, line: 0 };
    let object = |n: usize| {
        let text: String = (0..256_u64).map(|part| digits(n as u64 * 256 + part)).collect();
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{n}"), "namespace": "n"},
            "data": {"text": text}});
        Object { value, origin: origin.clone() }
    };
    let objects: Vec<Object> = (0..1000).map(object).collect();
    release(&book, &objects).await;
    let packs = ours(&place, "ConfigMap").await.len() - 1;
    assert!((2..10).contains(&packs), "{packs} packs");
    let ledger = book.load().await.unwrap();
    assert_eq!(texts(&book, &ledger, 1).await.unwrap(), values(&objects));
    release(&book, &objects).await;
    assert_eq!(ours(&place, "ConfigMap").await.len(), packs + 2);
}

/// Sixteen digits that do not compress well (splitmix64).
fn digits(seed: u64) -> String {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", z ^ (z >> 31))
}
