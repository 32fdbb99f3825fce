//! Copies of objects.

use super::*;
use crate::manifest::Origin;

fn object(value: Value) -> Object {
    Object { value, origin: Origin { source: String::new(), file: None, line: 0 } }
}

fn of(kind: &str, name: &str, namespace: &str, spec: &Value) -> Object {
    let version = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "Ingress" | "NetworkPolicy" => "networking.k8s.io/v1",
        "ClusterRole" => "rbac.authorization.k8s.io/v1",
        "Certificate" => "cert-manager.io/v1",
        _ => "v1",
    };
    let mut value = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    if !namespace.is_empty() {
        value["metadata"]["namespace"] = json!(namespace);
    }
    object(value)
}

fn workload(kind: &str, name: &str, environment: &str) -> Object {
    let container = json!({"name": "c", "image": "web:1", "env": [{"name": "URL", "value": environment}]});
    of(kind, name, "shop", &json!({"replicas": 3, "template": {"spec": {"containers": [container]}}}))
}

fn maker<'a>(copies: &'a Copies, files: &'a Files, objects: &[Object], stores: &[&Object]) -> Copier<'a> {
    Copier {
        copies,
        images: BTreeMap::new(),
        stores: stores.iter().map(|store| store.id()).collect(),
        of_stores: stores.iter().flat_map(|store| volumes::mounted(store).into_values().flatten()).collect(),
        files,
        services: services(objects),
    }
}

#[test]
fn what_stays_within_goes_in_and_the_rest_is_told() {
    let mut store = workload("StatefulSet", "db", "");
    store.value["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
    let service =
        json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30000}]});
    let objects = [
        of("Namespace", "shop", "", &json!({})),
        store,
        of("Service", "db", "shop", &service),
        workload("Deployment", "web", "http://db.shop.svc:80"),
        of("Job", "once", "shop", &json!({})),
        of("CronJob", "nightly", "shop", &json!({})),
        of("Ingress", "web", "shop", &json!({})),
        of("ClusterRole", "web", "", &json!({})),
        of("Certificate", "web", "shop", &json!({})),
        of("ConfigMap", "web", "elsewhere", &json!({})),
        object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"},
            "data": {"url": STANDARD.encode("tcp://db.shop")}})),
    ];
    let copies = Copies::of(&objects);
    let made = maker(&copies, &Files::default(), &objects, &[&objects[1]]).all(&objects).unwrap();
    let names: Vec<String> = made.objects.iter().map(|object| object.id().to_string()).collect();
    let at = "devcluster-rehearse-shop";
    assert_eq!(
        names,
        [
            format!("StatefulSet {at}/db"),
            format!("Service {at}/db"),
            format!("Deployment {at}/web"),
            format!("Secret {at}/s")
        ]
    );
    let [store, service, web, secret] = made.objects.as_slice() else { panic!("four") };
    assert_eq!(store.value["spec"]["template"]["spec"]["volumes"], json!([{"name": "data", "emptyDir": {}}]));
    assert!(store.value["spec"].get("volumeClaimTemplates").is_none());
    assert_eq!(store.value["spec"]["replicas"], 3, "stores may need each other");
    assert_eq!(service.value["spec"], json!({"ports": [{"port": 80}]}));
    assert_eq!(web.value["spec"]["replicas"], 1);
    assert_eq!(web.text("/spec/template/spec/containers/0/env/0/value"), format!("http://db.{at}.svc:80"));
    assert_eq!(secret.text("/data/url"), STANDARD.encode(format!("tcp://db.{at}")));
    let renamed: Vec<&str> = made.renamed.iter().map(String::as_str).collect();
    assert_eq!(renamed, ["Deployment shop/web: db.shop.svc", "Secret shop/s: db.shop"]);
    let left: Vec<&str> = made.left_out.iter().map(|left| left.object.as_str()).collect();
    let expected = [
        "Certificate.cert-manager.io shop/web",
        "ClusterRole web",
        "ConfigMap elsewhere/web",
        "CronJob shop/nightly",
        "Ingress shop/web",
        "Job shop/once",
    ];
    assert_eq!(left, expected);
}

#[test]
fn who_may_come_in_is_as_in_production() {
    let objects = [
        workload("Deployment", "web", ""),
        of("NetworkPolicy", "in", "shop", &json!({"podSelector": {}})),
        of("NetworkPolicy", "out", "shop", &json!({"podSelector": {}, "policyTypes": ["Egress"]})),
    ];
    let copies = Copies::of(&objects);
    let made = maker(&copies, &Files::default(), &objects, &[]).all(&objects).unwrap();
    let names: Vec<&str> = made.objects.iter().map(Object::name).collect();
    assert_eq!(names[0], "web");
    assert!(
        names[1].starts_with("devcluster-rehearsal-") && names[2] == "in" && names.len() == 3,
        "{names:?}"
    );
    assert!(made.objects.iter().all(|object| object.namespace() == "devcluster-rehearse-shop"));
    assert_eq!(made.left_out.first().unwrap().object, "NetworkPolicy shop/out");
}

#[test]
fn what_would_reach_further_is_refused_all_at_once() {
    let mut store = workload("StatefulSet", "db", "");
    store.value["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    let objects = [store, workload("Deployment", "web", "x.mail.svc")];
    let copies = Copies::of(&objects);
    let Err(RehearseError::Reaches(faults)) =
        maker(&copies, &Files::default(), &objects, &[&objects[0]]).all(&objects)
    else {
        panic!("refused")
    };
    let expected = [
        "Deployment shop/web: x.mail.svc is in a namespace that is not copied",
        "StatefulSet shop/db: its Pods share the node's hostNetwork, and it is a store",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn files_go_along_as_copies_where_they_are_no_stores() {
    let mut set = workload("StatefulSet", "queue", "");
    set.value["spec"]["replicas"] = json!(2);
    set.value["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}, {"metadata": {"name": "more"}}]);
    let mut web = workload("Deployment", "web", "");
    let claim = |name: &str| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
    web.value["spec"]["template"]["spec"]["volumes"] =
        json!([claim("files"), claim("large"), claim("db-files")]);
    let mut store = workload("Deployment", "db", "");
    store.value["spec"]["template"]["spec"]["volumes"] = json!([claim("db-files")]);
    let objects = [set, web, store, of("PersistentVolumeClaim", "files", "shop", &json!({}))];
    let copies = Copies::of(&objects);
    let name = |claim: &str| ("shop".to_owned(), claim.to_owned());
    let files = Files {
        copied: [(name("files"), 1), (name("data-queue-0"), 2), (name("db-files"), 3)].into(),
        empty: [(name("large"), "it is too large".to_owned())].into(),
    };
    let made = maker(&copies, &files, &objects, &[&objects[2]]).all(&objects).unwrap();
    let wanted = ["data-queue-0", "data-queue-1", "files", "large", "more-queue-0", "more-queue-1"].map(name);
    assert_eq!(made.wanted, wanted.into());
    assert_eq!(made.claims, ["data-queue-0", "data-queue-1", "files"].map(name).into());
    let emptied: Vec<&str> = made.emptied.iter().map(String::as_str).collect();
    let expected = [
        "Deployment shop/web: db-files",
        "Deployment shop/web: large: it is too large",
        "StatefulSet shop/queue: more",
    ];
    assert_eq!(emptied, expected);
    assert_eq!(made.left_out, BTreeSet::new());
    let [set, web, store] = made.objects.as_slice() else { panic!("three") };
    assert_eq!(set.value.pointer("/spec/volumeClaimTemplates/0/spec/storageClassName"), Some(&json!("")));
    assert_eq!(set.value["spec"]["volumeClaimTemplates"].as_array().unwrap().len(), 1);
    assert_eq!(set.value["spec"]["template"]["spec"]["volumes"], json!([{"name": "more", "emptyDir": {}}]));
    let empty = |name: &str| json!({"name": name, "emptyDir": {}});
    assert_eq!(
        web.value["spec"]["template"]["spec"]["volumes"],
        json!([claim("files"), empty("large"), empty("db-files")])
    );
    assert_eq!(store.value["spec"]["template"]["spec"]["volumes"], json!([empty("db-files")]));
}
