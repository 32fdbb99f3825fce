//! `devcluster snapshot rm --damaged`

use serde_json::{Value, json};

use super::down::ask;
use super::exit::{CliError, Exit};
use super::store::show;
use super::{Global, printer};
use crate::data::snapshot::{Catalogue, Damage, DamagedPack};
use crate::operation::snapshots;
use crate::words::{counted, listed};

/// Takes away what is damaged: shown first, and asked about unless `yes`.
pub(super) async fn remove(global: &Global, catalogue: Catalogue, yes: bool) -> Result<(), CliError> {
    if !yes {
        let damage = snapshots::damage(catalogue.clone()).await?;
        if damage.is_none() {
            show(global, &value(&damage), || text(&damage));
            return Ok(());
        }
        printer::talk(&text(&damage));
        if !ask("Take what is damaged away?")? {
            return Err(CliError::message(Exit::Failed, "nothing was taken away".to_owned()));
        }
    }
    let damage = snapshots::drop_damaged(catalogue).await?;
    show(global, &value(&damage), || {
        if yes || damage.is_none() { text(&damage) } else { "taken away".to_owned() }
    });
    Ok(())
}

fn value(damage: &Damage) -> Value {
    let manifests = damage.manifests.iter().map(|(name, why)| json!({"name": name, "why": why.to_string()}));
    let packs = damage.packs.iter().map(|pack| json!({"file": pack.file, "chunks": pack.chunks}));
    json!({
        "snapshots": manifests.collect::<Vec<_>>(), "packs": packs.collect::<Vec<_>>(), "lacking": damage.lacking,
    })
}

fn text(damage: &Damage) -> String {
    let mut parts = Vec::new();
    if damage.is_none() {
        parts.push("nothing is damaged".to_owned());
    }
    if !damage.manifests.is_empty() {
        let faults = damage.manifests.iter().map(|(name, why)| format!("{name}: {why}"));
        parts.push(format!("snapshots that cannot be read:{}", listed(&faults.collect::<Vec<_>>())));
    }
    if !damage.packs.is_empty() {
        let pack = |DamagedPack { file, chunks }: &DamagedPack| match chunks {
            Some(chunks) => format!("{file}: {}", counted(*chunks, "damaged chunk")),
            None => format!("{file}: cannot be read at all"),
        };
        let packs: Vec<String> = damage.packs.iter().map(pack).collect();
        parts.push(format!("packs:{}", listed(&packs)));
    }
    if !damage.lacking.is_empty() {
        let names: Vec<String> = damage.lacking.iter().map(ToString::to_string).collect();
        let until = "until those are created, imported or pulled again";
        parts.push(format!("snapshots that then lack chunks, {until}:{}", listed(&names)));
    }
    parts.join("\n")
}
