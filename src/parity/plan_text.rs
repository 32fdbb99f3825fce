//! The plan as text: one line for each thing to do, and the counts at the end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::plan::{ClusterAction, ImageWork, ObjectWork, Plan};
use super::table::columns;
use crate::words::counted;

/// The plan as text: `+` for what is made, `~` for what changes, `-` for what goes, `±` for what is made anew.
pub fn plan_to_text(plan: &Plan) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut add =
        |sign: &str, what: &str, name: String, why: String| rows.push([sign.into(), what.into(), name, why]);
    match &plan.cluster {
        ClusterAction::Keep => {}
        ClusterAction::Create { nodes, reason } => {
            add("+", "cluster", counted(*nodes, "node"), reason.clone());
        }
        ClusterAction::Recreate { reasons } => {
            for (at, reason) in reasons.iter().enumerate() {
                add(if at == 0 { "±" } else { "" }, "cluster", "recreate".into(), reason.clone());
            }
        }
    }
    plan.shape_changes.iter().for_each(|change| add("~", "shape", change.clone(), String::new()));
    for image in &plan.images {
        let (sign, how) = match &image.action {
            ImageWork::Skip => continue,
            ImageWork::Build => ("+", "build".to_owned()),
            ImageWork::Pull => ("+", "pull".to_owned()),
            ImageWork::StandIn => ("+", "stand-in".to_owned()),
            ImageWork::Send { nodes } => ("~", format!("send to {}", join(nodes))),
        };
        add(sign, "image", image.name.clone(), how);
    }
    for object in &plan.objects {
        let (sign, word) = match object.action {
            ObjectWork::Unchanged => continue,
            ObjectWork::Create => ("+", "create"),
            ObjectWork::Update => ("~", "update"),
            ObjectWork::Recreate => ("±", "recreate"),
            ObjectWork::TakeOver => ("~", "take over"),
            ObjectWork::Delete => ("-", "delete"),
        };
        add(sign, word, object.id.to_string(), object.why.clone());
    }
    for data in &plan.data {
        add("+", "data", data.store.clone(), format!("{}, unless it holds data", data.from));
    }
    for hook in &plan.hooks {
        add("+", "hook", format!("{} ({})", hook.id, hook.event), hook.why.clone());
    }
    for migration in &plan.migrations {
        let first = migration.because.first().map(|why| format!(": {why}")).unwrap_or_default();
        let after = if migration.snapshot { "; a snapshot of what holds data is taken before" } else { "" };
        add("+", "migrate", migration.name.clone(), format!("{}{first}{after}", migration.reversible));
        for why in migration.because.iter().skip(1) {
            add("", "", String::new(), why.clone());
        }
    }
    let mut out = columns(&rows);
    let _ = writeln!(out, "{}{}", if rows.is_empty() { "" } else { "\n" }, summary(plan));
    for address in &plan.addresses {
        let _ = writeln!(out, "  {address}");
    }
    out
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn summary(plan: &Plan) -> String {
    let images: BTreeSet<&str> = plan.images.iter().map(|image| image.name.as_str()).collect();
    if plan.is_empty() {
        return format!(
            "Nothing to do: {} and {} are as the manifests have them.",
            counted(plan.objects.len(), "object"),
            counted(images.len(), "image")
        );
    }
    let objects = [
        (ObjectWork::Create, "create"),
        (ObjectWork::Update, "update"),
        (ObjectWork::TakeOver, "take over"),
        (ObjectWork::Recreate, "recreate"),
        (ObjectWork::Delete, "delete"),
    ];
    let mut parts: Vec<String> = objects
        .into_iter()
        .map(|(action, word)| (plan.objects_to(action), word))
        .filter(|(count, word)| *count > 0 || matches!(*word, "create" | "update" | "delete"))
        .map(|(count, word)| format!("{count} to {word}"))
        .collect();
    parts.push(format!("{} unchanged", plan.objects_to(ObjectWork::Unchanged)));
    let images: Vec<String> = ["build", "pull", "stand in for", "send"]
        .into_iter()
        .map(|word| (plan.images.iter().filter(|image| verb(&image.action) == Some(word)).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} to {word}"))
        .collect();
    let images = if images.is_empty() { String::new() } else { format!("; images: {}", images.join(", ")) };
    let hooks = if plan.hooks.is_empty() {
        String::new()
    } else {
        format!("; {}", counted(plan.hooks.len(), "hook"))
    };
    format!("Plan: objects: {}{images}{hooks}.", parts.join(", "))
}

fn verb(work: &ImageWork) -> Option<&'static str> {
    match work {
        ImageWork::Build => Some("build"),
        ImageWork::Pull => Some("pull"),
        ImageWork::StandIn => Some("stand in for"),
        ImageWork::Send { .. } => Some("send"),
        ImageWork::Skip => None,
    }
}
