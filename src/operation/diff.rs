//! Every object of every source, hooks and charts included, compared with the cluster.

use super::error::OperationError;
use super::gather::gather;
use super::hooks;
use super::session::Session;
use super::up::INVENTORY;
use crate::apply::diff::{Diff, Known, diff};
use crate::apply::Inventory;

/// Compares the rendered manifests with the cluster.
pub async fn run(session: &Session) -> Result<Diff, OperationError> {
    let (desired, existing) = tokio::try_join!(gather(session), session.existing())?;
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    existing.cluster.discover().await?;
    let mut objects = desired.rendered.objects.clone();
    objects.extend(hooks::that_should_be_there(&desired.rendered, &inventory));
    let deleted_hooks = hooks::have_run(&desired.rendered, &inventory);
    let known = Known { deleted_hooks, ..Known::of(&inventory, &objects) };
    Ok(diff(&existing.cluster, &objects, &known).await?)
}
