//! Whether what `migrations:` names can be taken back: its statements gathered from the manifests and from files, and judged.

use crate::config::{Config, Migration as Named};
use crate::data::discover::{self, StoreKind};
use crate::handoff;
use crate::handoff::migration::{Asked, Dialect, File, Told, entry};
use crate::manifest::{Object, Rendered, sql_files};
use crate::operation::error::OperationError;
use crate::operation::migrations;

/// What a lock says of them.
pub(in crate::operation) fn entries(
    config: &Config,
    rendered: &Rendered,
) -> Result<Vec<handoff::Migration>, OperationError> {
    let all = all(config, rendered, &|_| false)?;
    let written = |told: Told| handoff::Migration {
        reversible: told.verdict,
        statements: told.digest(),
        because: told.reasons(),
        name: told.name,
    };
    Ok(all.into_iter().map(written).collect())
}

/// All of them, in order. Scripts of the digests in `ran` have run already.
pub fn all(
    config: &Config,
    rendered: &Rendered,
    ran: &dyn Fn(&str) -> bool,
) -> Result<Vec<Told>, OperationError> {
    config.migrations.iter().map(|named| told(config, rendered, named, ran)).collect()
}

/// One of them.
pub(in crate::operation) fn told(
    config: &Config,
    rendered: &Rendered,
    named: &Named,
    ran: &dyn Fn(&str) -> bool,
) -> Result<Told, OperationError> {
    let migration = migrations::one(&named.name, rendered)?;
    let hooks = rendered.hooks.iter().map(|hook| &hook.object);
    let asked = Asked {
        name: &named.name,
        runs: migration.as_ref().map(migrations::Migration::objects).unwrap_or_default(),
        objects: rendered.objects.iter().chain(hooks).collect(),
        files: files(config, named)?,
        dialect: dialect(&rendered.objects),
    };
    Ok(entry(&asked, ran))
}

/// Whose SQL it is where nothing else tells: the stores'.
fn dialect(objects: &[Object]) -> Dialect {
    let stores = discover::stores(objects);
    let has = |kind: StoreKind| stores.iter().any(|store| store.kind == kind);
    if has(StoreKind::MySql) && !has(StoreKind::Postgres) { Dialect::MySql } else { Dialect::Postgres }
}

fn files(config: &Config, named: &Named) -> Result<Option<Vec<File>>, OperationError> {
    let Some(paths) = &named.statements else { return Ok(None) };
    let wrong = |why: String| OperationError::Statements { name: named.name.clone(), why };
    let mut files = Vec::new();
    for path in sql_files(paths, config.directory()).map_err(wrong)? {
        let shown = path.strip_prefix(config.directory()).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| wrong(format!("{shown} cannot be read: {error}")))?;
        files.push(File { name: shown, text });
    }
    Ok(Some(files))
}
