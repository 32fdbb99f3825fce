//! Every object of every source, hooks and charts included, compared with the cluster.

use super::error::OperationError;
use super::gather::{Desired, gather};
use super::hooks;
use super::session::{Existing, Session};
use super::up::INVENTORY;
use crate::apply::Inventory;
use crate::apply::diff::{Diff, Known, diff};

/// Compares the rendered manifests with the cluster.
pub async fn run(session: &Session) -> Result<Diff, OperationError> {
    let (desired, existing) = tokio::try_join!(gather(session), session.existing())?;
    existing.cluster.discover().await?;
    let inventory = Inventory::load(&existing.cluster, INVENTORY).await?;
    compare(&desired, &existing, &inventory).await
}

/// Compares production's objects, and the hooks that have run, with the cluster.
pub async fn compare(
    desired: &Desired,
    existing: &Existing,
    inventory: &Inventory,
) -> Result<Diff, OperationError> {
    let mut objects = desired.rendered.objects.clone();
    objects.extend(hooks::that_have_run(&desired.rendered, inventory));
    let deleted_hooks = hooks::deleted(&desired.rendered, inventory);
    let known = Known { deleted_hooks, ..Known::of(inventory, &objects) };
    Ok(diff(&existing.cluster, &objects, &known).await?)
}
