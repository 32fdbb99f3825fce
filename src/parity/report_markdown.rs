//! The parity report as Markdown, for a pull request or a page.

use std::fmt::Write as _;

use super::report::Report;
use super::report_text::{hinders, why_missing};

/// The report as Markdown. Sections without content are left out.
pub fn to_markdown(report: &Report) -> String {
    let counts = report.counts;
    let mut out = format!(
        "# Parity\n\n{} of {} objects stand unchanged.\n\n| patches | unexplained differences of live Pods | inert objects |\n|---|---|---|\n| {} | {} | {} |\n",
        report.unchanged, report.objects, counts.patches, counts.unexplained, counts.inert
    );
    table(
        &mut out,
        "The cluster provides",
        ["what", "how"],
        report.provided.iter().map(|item| [item.what.clone(), item.how.clone()]),
    );
    patches(&mut out, report);
    let rules = report.live.iter().map(|(rule, count)| [rule.to_string(), count.to_string()]);
    table(&mut out, "Live Pods against their templates", ["made by", "fields"], rules);
    let unexplained =
        report.unexplained.iter().map(|item| [item.pod.to_string(), code(&item.pointers.join(" "))]);
    table(&mut out, "Unexplained differences", ["Pod", "fields"], unexplained);
    let inert = report.inert.iter().map(|item| [item.object.to_string(), item.why.clone()]);
    table(&mut out, "Inert objects", ["object", "why"], inert);
    let images = report.images.iter().map(|image| [code(&image.name), image.bytes.text()]);
    table(&mut out, "Images", ["name", "bytes"], images);
    let checks = report.signature_checks.iter().map(|check| [check.object.to_string(), check.by.clone()]);
    table(&mut out, "What would check image signatures", ["object", "by"], checks);
    let developed = report.developed.iter().map(|one| [one.container.clone(), one.what.clone()]);
    table(
        &mut out,
        "Changed while developing; `devcluster up` goes back",
        ["container", "change"],
        developed,
    );
    let volatile =
        report.volatile_fields.iter().map(|field| [field.object.to_string(), code(&field.pointer)]);
    table(&mut out, "Rendered differently every time", ["object", "field"], volatile);
    let kinds = report.missing_kinds.iter().map(|missing| {
        let kind = format!("{} {}", missing.gvk.api_version(), missing.gvk.kind);
        [kind, missing.objects.len().to_string(), why_missing(missing.why).to_owned()]
    });
    table(&mut out, "Kinds that nothing supplies", ["kind", "objects", "why"], kinds);
    let absent = report.absent.iter().map(|absent| {
        let uses: Vec<&str> = absent.used_for.iter().map(String::as_str).collect();
        let by = absent.made_by.as_ref().map(ToString::to_string).unwrap_or_default();
        [absent.object.to_string(), uses.join(", "), by]
    });
    table(&mut out, "Referred to and not among the manifests", ["object", "for", "made from"], absent);
    let unmet = report.unmet.iter().map(|unmet| {
        [
            unmet.object.to_string(),
            hinders(unmet.hinders).to_owned(),
            format!("{}: {}", unmet.what, unmet.why),
        ]
    });
    table(&mut out, "Unmet", ["object", "hinders", "what"], unmet);
    out
}

fn patches(out: &mut String, report: &Report) {
    if report.patches.is_empty() {
        return;
    }
    out.push_str("\n## Patches\n");
    for patch in &report.patches {
        let _ = write!(
            out,
            "\n**{}**: {} ({})\n\n```json\n{:#}\n```\n",
            patch.object, patch.reason, patch.rule, patch.patch
        );
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn table<const N: usize>(
    out: &mut String,
    title: &str,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = write!(out, "\n## {title}\n\n| {} |\n|{}\n", head.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells = row.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}
