//! The report and the plan as people see them.

use std::collections::BTreeSet;

use serde_json::json;

use super::inert::Inert;
use super::live::{PodDifference, Rule};
use super::plan::{
    ClusterAction, DataAction, HookAction, ImageAction, ImageWork, MigrationAction, ObjectAction, ObjectWork,
    Plan, plan_to_text,
};
use super::report::{
    Developed, Evidence, ImageBytes, ImageReport, Patch, Report, VolatileField, report, to_markdown, to_text,
};
use super::samples::{apart, deployment, id, object, shaped};
use crate::manifest::ObjectId;

fn full() -> Report {
    let monitor = object(json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "web", "namespace": "shop"},
    }));
    let balancer = object(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }));
    let pod = json!({
        "nodeSelector": {"pool": "web"}, "priorityClassName": "gold", "serviceAccountName": "web",
        "containers": [{"name": "main", "image": "shop/web", "resources": {"requests": {"cpu": "2", "memory": "4Gi"}}}],
    });
    let objects = [
        deployment("web", 2, pod),
        deployment("db", 3, apart("db", "kubernetes.io/hostname")),
        monitor,
        balancer,
    ];
    let (needs, shape) = shaped(&objects, 2);
    let difference = |pointer: &str, rule| PodDifference { pointer: pointer.into(), rule };
    let change: json_patch::Patch =
        serde_json::from_value(json!([{"op": "replace", "path": "/data/key", "value": "aHVzaA=="}]))
            .expect("a patch");
    let evidence = Evidence {
        unchanged: 3,
        pods: vec![(
            id("", "Pod", "shop", "web-1"),
            vec![
                difference("/spec/nodeName", Rule::Scheduler),
                difference("/spec/dnsPolicy", Rule::Defaulting),
                difference("/spec/containers/0/image", Rule::Unexplained),
            ],
        )],
        inert: vec![Inert {
            object: id("monitoring.coreos.com", "PodMonitor", "shop", "web"),
            why: "the Prometheus operator does not run here".into(),
        }],
        patches: vec![Patch::new(id("", "Secret", "shop", "key"), &change, "it is a placeholder", "secrets")],
        images: vec![
            ImageReport { name: "shop/web".into(), bytes: ImageBytes::LocalBuild, users: 2 },
            ImageReport {
                name: "shop/db:1".into(),
                bytes: ImageBytes::StandIn { what: "standin".into() },
                users: 3,
            },
        ],
        developed: vec![Developed {
            container: "shop/web-1 web".into(),
            what: "its image was swapped".into(),
        }],
        volatile_fields: vec![VolatileField {
            object: id("", "Secret", "shop", "key"),
            pointer: "/data/password".into(),
        }],
    };
    report(&needs, &shape, evidence)
}

#[test]
fn the_report_as_text() {
    insta::assert_snapshot!(to_text(&full()));
}

#[test]
fn the_report_as_markdown() {
    insta::assert_snapshot!(to_markdown(&full()));
}

#[test]
fn the_report_as_json() {
    insta::assert_json_snapshot!(full());
}

#[test]
fn no_secret_in_any_form() {
    let report = full();
    let json = serde_json::to_string(&report).expect("a report");
    for text in [to_text(&report), to_markdown(&report), json] {
        assert!(!text.contains("aHVzaA=="), "{text}");
        assert!(text.contains("/data/key"));
    }
}

#[test]
fn a_perfect_report_is_short() {
    let (needs, shape) = shaped(&[], 1);
    let report = report(&needs, &shape, Evidence::default());
    assert!(report.counts.are_zero());
    insta::assert_snapshot!(to_text(&report));
}

fn deployment_id(name: &str) -> ObjectId {
    id("apps", "Deployment", "shop", name)
}

fn plan() -> Plan {
    let action =
        |name: &str, action, why: &str| ObjectAction { id: deployment_id(name), action, why: why.into() };
    let image = |name: &str, action| ImageAction { name: name.into(), action };
    Plan {
        cluster: ClusterAction::Keep,
        shape_changes: vec!["node 0: label pool=web".into()],
        images: vec![
            image("shop/web", ImageWork::Build),
            image(
                "shop/web",
                ImageWork::Send {
                    nodes: BTreeSet::from(["kind-control-plane".into(), "kind-worker".into()]),
                },
            ),
            image("redis:7", ImageWork::Pull),
            image("shop/db:1", ImageWork::StandIn),
            image("shop/worker:1", ImageWork::Skip),
        ],
        objects: vec![
            action("web", ObjectWork::Create, ""),
            action("worker", ObjectWork::Update, "spec.replicas"),
            action("old", ObjectWork::Delete, "no longer in the manifests"),
            action("migrate", ObjectWork::Recreate, "spec.template cannot change"),
            action("db", ObjectWork::TakeOver, "kubectl-client-side-apply has its fields"),
            action("cache", ObjectWork::Unchanged, ""),
        ],
        data: vec![DataAction { store: "shop/db".into(), from: "snapshot shop-small".into() }],
        hooks: vec![HookAction {
            id: id("batch", "Job", "shop", "install"),
            event: "pre-install".into(),
            why: "the release is new".into(),
        }],
        migrations: vec![MigrationAction {
            name: "shop/migrate".into(),
            reversible: "one-way".into(),
            because: vec!["002.sql:4: DROP TABLE old: its rows are lost".into(), "and 1 more".into()],
            undo: None,
            snapshot: true,
        }],
        addresses: vec!["http://shop.localhost".into()],
    }
}

#[test]
fn the_plan_as_text() {
    insta::assert_snapshot!(plan_to_text(&plan()));
    assert!(!plan().is_empty());
}

#[test]
fn the_plan_as_json() {
    insta::assert_json_snapshot!(plan());
}

#[test]
fn a_cluster_made_anew_says_why() {
    let reasons = vec!["3 nodes are needed and there is 1: nodes cannot be added".into(), "another".into()];
    let none = || Plan {
        shape_changes: vec![],
        images: vec![],
        objects: vec![],
        data: vec![],
        hooks: vec![],
        migrations: vec![],
        addresses: vec![],
        ..plan()
    };
    insta::assert_snapshot!(plan_to_text(&Plan { cluster: ClusterAction::Recreate { reasons }, ..none() }));
    let create = ClusterAction::Create { nodes: 1, reason: "there is none".into() };
    assert!(!Plan { cluster: create, ..none() }.is_empty());
}

#[test]
fn nothing_to_do_is_said() {
    let plan = plan();
    let objects = plan.objects.into_iter().filter(|object| object.action == ObjectWork::Unchanged).collect();
    let images = plan.images.into_iter().filter(|image| image.action == ImageWork::Skip).collect();
    let idle = Plan {
        objects,
        images,
        data: vec![],
        hooks: vec![],
        migrations: vec![],
        shape_changes: vec![],
        ..self::plan()
    };
    assert!(idle.is_empty());
    insta::assert_snapshot!(plan_to_text(&idle));
}
