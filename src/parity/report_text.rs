//! The parity report as text for a terminal.

use std::fmt::Write as _;

use super::report::Report;
use super::requirements::MissingWhy;
use super::shape::Hinders;
use super::table::columns;
use crate::words::counted;

/// The report as aligned text. Sections without content are left out.
pub fn to_text(report: &Report) -> String {
    let counts = report.counts;
    let mut out = format!(
        "{}, {} unchanged\n{}, {} of live Pods, {}\n",
        counted(report.objects, "object"),
        report.unchanged,
        counted(counts.patches, "patch"),
        counted(counts.unexplained, "unexplained difference"),
        counted(counts.inert, "inert object"),
    );
    for (title, body) in sections(report) {
        if !body.is_empty() {
            let _ = write!(out, "\n{title}\n{body}");
        }
    }
    out
}

fn sections(report: &Report) -> Vec<(String, String)> {
    vec![
        ("The cluster provides".into(), provided(report)),
        ("Patches".into(), patches(report)),
        (
            format!("Fields of {} that differ from their templates", counted(report.pods, "live Pod")),
            live(report),
        ),
        ("Changed while developing; `devcluster up` goes back".into(), developed(report)),
        ("Inert: accepted, acted on by nobody".into(), inert(report)),
        ("Images".into(), images(report)),
        ("These would check image signatures".into(), signatures(report)),
        ("Rendered differently every time; the first value was kept".into(), volatile(report)),
        ("Kinds that nothing supplies".into(), kinds(report)),
        ("Referred to and not among the manifests".into(), absent(report)),
        ("Unmet".into(), unmet(report)),
    ]
}

fn provided(report: &Report) -> String {
    columns(&report.provided.iter().map(|item| [item.what.clone(), item.how.clone()]).collect::<Vec<_>>())
}

fn patches(report: &Report) -> String {
    let row = |patch: &super::report::Patch| {
        [patch.object.to_string(), patch.paths().join(" "), format!("{} ({})", patch.reason, patch.rule)]
    };
    columns(&report.patches.iter().map(row).collect::<Vec<_>>())
}

fn live(report: &Report) -> String {
    let mut out = columns(
        &report.live.iter().map(|(rule, count)| [count.to_string(), rule.to_string()]).collect::<Vec<_>>(),
    );
    let fields = report.unexplained.iter().flat_map(|item| {
        item.pointers.iter().map(|pointer| ["unexplained:".to_owned(), item.pod.to_string(), pointer.clone()])
    });
    out.push_str(&columns(&fields.collect::<Vec<_>>()));
    out
}

fn developed(report: &Report) -> String {
    let row = |one: &super::report::Developed| [one.container.clone(), one.what.clone()];
    columns(&report.developed.iter().map(row).collect::<Vec<_>>())
}

fn inert(report: &Report) -> String {
    columns(&report.inert.iter().map(|item| [item.object.to_string(), item.why.clone()]).collect::<Vec<_>>())
}

fn images(report: &Report) -> String {
    columns(&report.images.iter().map(|image| [image.name.clone(), image.bytes.text()]).collect::<Vec<_>>())
}

fn signatures(report: &Report) -> String {
    let row = |check: &super::signatures::SignatureCheck| [check.object.to_string(), check.by.clone()];
    columns(&report.signature_checks.iter().map(row).collect::<Vec<_>>())
}

fn volatile(report: &Report) -> String {
    let row = |field: &super::report::VolatileField| [field.object.to_string(), field.pointer.clone()];
    columns(&report.volatile_fields.iter().map(row).collect::<Vec<_>>())
}

fn kinds(report: &Report) -> String {
    let row = |missing: &super::requirements::MissingKind| {
        let kind = format!("{} {}", missing.gvk.api_version(), missing.gvk.kind);
        [kind, counted(missing.objects.len(), "object"), why_missing(missing.why).to_owned()]
    };
    columns(&report.missing_kinds.iter().map(row).collect::<Vec<_>>())
}

/// Why a kind is missing, in words.
pub(crate) fn why_missing(why: MissingWhy) -> &'static str {
    match why {
        MissingWhy::UnknownKind => "no CRD",
        MissingWhy::VersionNotServed => "this Kubernetes does not serve the version",
        MissingWhy::CrdVersionNotServed => "its CRD does not serve the version",
    }
}

fn absent(report: &Report) -> String {
    let row = |absent: &super::absent::Absent| {
        let uses: Vec<&str> = absent.used_for.iter().map(String::as_str).collect();
        let how = match &absent.made_by {
            Some(by) => format!("made from {by}"),
            None if absent.optional => "may be missing".to_owned(),
            None => "missing".to_owned(),
        };
        [absent.object.to_string(), how, uses.join(", ")]
    };
    columns(&report.absent.iter().map(row).collect::<Vec<_>>())
}

fn unmet(report: &Report) -> String {
    let row = |unmet: &super::shape::Unmet| {
        [
            unmet.object.to_string(),
            hinders(unmet.hinders).to_owned(),
            format!("{}: {}", unmet.what, unmet.why),
        ]
    };
    columns(&report.unmet.iter().map(row).collect::<Vec<_>>())
}

/// What an unmet need gets in the way of, in a word.
pub(crate) fn hinders(hinders: Hinders) -> &'static str {
    match hinders {
        Hinders::Start => "start",
        Hinders::Rollout => "rollout",
        Hinders::Scaling => "scaling",
        Hinders::Function => "function",
    }
}
