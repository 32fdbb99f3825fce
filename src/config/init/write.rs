//! The text of a new `devcluster.yaml`. Prose begins with `# `; YAML that is switched off with `#` alone.

use std::fmt::Write as _;

use super::survey::Survey;
use crate::config::fields::API_VERSION;

/// The whole file.
pub(super) fn file(survey: &Survey) -> String {
    let mut out = format!(
        "# The production system that `devcluster up` brings to this machine, its manifests as they are.\n\
         # `devcluster validate` checks this file, `devcluster schema` prints everything that it may say.\n\
         apiVersion: {API_VERSION}\n\
         name: {}\n\
         \n\
         # How production is fitted onto the machine: laptop, small (one node), ci, or one of `profiles` below.\n\
         profile: laptop\n",
        scalar(&survey.name)
    );
    manifests(&mut out, survey);
    production(&mut out);
    images(&mut out, survey);
    data(&mut out, survey);
    out.push_str(
        "\n\
         # The cluster, where it is to be other than by default. Its name is by default this project's and a hash of\n\
         # this directory, so that two worktrees are two clusters.\n\
         #cluster:\n\
         #  provider: kind\n\
         #  httpPort: 8080\n\
         #  httpsPort: 8443\n\
         \n\
         # Profiles of your own; each changes another one. In files, they are profiles/NAME.yaml beside this one.\n\
         #profiles:\n\
         #  mine:\n\
         #    extends: laptop\n\
         #    nodes:\n\
         #      max: 2\n\
         #    timeout: 15m\n",
    );
    out
}

fn manifests(out: &mut String, survey: &Survey) {
    out.push_str("\n# Where production's objects come from, in the order they are applied.\n");
    let (kustomizations, plain) = (&survey.kustomizations, &survey.manifests);
    if kustomizations.chosen.is_empty() && plain.chosen.is_empty() && survey.charts.is_empty() {
        out.push_str(
            "# None were found here. Sources look like this:\n\
             #  - kustomize: deploy/overlays/production\n\
             #  - files: [deploy/extra/*.yaml]\n\
             #  - helm: {chart: charts/shop, release: shop, namespace: shop, values: [charts/shop/values-production.yaml]}\n\
             manifests: []\n",
        );
        return;
    }
    out.push_str("manifests:\n");
    for path in &kustomizations.chosen {
        line(out, format_args!("  - kustomize: {}", scalar(path)));
    }
    for path in &plain.chosen {
        line(out, format_args!("  - files: {}", scalar(path)));
    }
    for chart in &survey.charts {
        let namespace = survey.namespace.as_deref().unwrap_or("default");
        line(out, format_args!("  - helm:\n      chart: {}", scalar(&chart.path)));
        line(out, format_args!("      release: {}", scalar(&chart.name)));
        line(out, format_args!("      namespace: {}", scalar(namespace)));
        if !chart.values.is_empty() {
            out.push_str("      values:\n");
        }
        for path in &chart.values {
            line(out, format_args!("        - {}", scalar(path)));
        }
    }
    if !kustomizations.others.is_empty() || !plain.others.is_empty() {
        out.push_str("  # Found too; these look like other environments.\n");
    }
    for path in &kustomizations.others {
        line(out, format_args!("  #- kustomize: {}", scalar(path)));
    }
    for path in &plain.others {
        line(out, format_args!("  #- files: {}", scalar(path)));
    }
    if !survey.overlapping.is_empty() {
        out.push_str("  # Found too; these write objects of the sources above again.\n");
    }
    for one in &survey.overlapping {
        line(out, format_args!("  #- files: {}", scalar(&one.path)));
    }
}

fn production(out: &mut String) {
    out.push_str(
        "\n\
         # What production runs on: charts render for this, whatever the laptop has.\n\
         #production:\n\
         #  kubernetesVersion: \"1.34\"\n\
         #  apiVersions:\n\
         #    - monitoring.coreos.com/v1\n",
    );
}

fn images(out: &mut String, survey: &Survey) {
    out.push_str("\n# Images that are built from source here, under the names that the manifests have.\n");
    if survey.builds.is_empty() {
        out.push_str(
            "#images:\n\
             #  - name: registry.example.com/shop/catalogue\n\
             #    context: .\n",
        );
    } else {
        out.push_str("images:\n");
    }
    for build in &survey.builds {
        line(out, format_args!("  - name: {}", scalar(&build.image)));
        line(out, format_args!("    context: {}", scalar(&build.context)));
        if let Some(dockerfile) = &build.dockerfile {
            line(out, format_args!("    dockerfile: {}", scalar(dockerfile)));
        }
    }
    if !survey.unmatched.is_empty() {
        out.push_str("  # Dockerfiles whose image no manifest here names:\n");
    }
    for path in &survey.unmatched {
        line(out, format_args!("  # {path}"));
    }
}

fn data(out: &mut String, survey: &Survey) {
    out.push_str(
        "\n\
         # What the stores hold before the rest starts: a snapshot (`devcluster snapshot create`), or synthetic data\n\
         # (`devcluster seed plan` writes the file).\n\
         #data:\n\
         #  - {store: shop/postgres, snapshot: demo}\n\
         # What migrates the databases, after a snapshot and before a seed: NAMESPACE/NAME of Jobs and charts' hooks,\n\
         # NAMESPACE/WORKLOAD/CONTAINER of init containers.\n",
    );
    if survey.migrations.is_empty() {
        out.push_str("#migrations: [shop/migrate]\n");
    } else {
        line(out, format_args!("migrations: [{}]", survey.migrations.join(", ")));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

/// Text as YAML: plain where every reader takes it for text, else quoted.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_lowercase().as_str());
    if plain || text == "." { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
