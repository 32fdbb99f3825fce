//! Charts' hooks: which are due, and applying around them.

use std::collections::BTreeSet;

use super::error::OperationError;
use crate::apply::{self, ApplyOptions, Cluster, Inventory};
use crate::event::Reporter;
use crate::manifest::{Hook, Object, ObjectId, Rendered};

/// due
pub fn due(_: &Rendered, _: &Inventory) -> Vec<Hook> {
    Vec::new()
}
/// x
pub fn have_run(_: &Rendered, _: &Inventory) -> BTreeSet<ObjectId> {
    BTreeSet::new()
}
/// x
pub fn that_should_be_there(_: &Rendered, _: &Inventory) -> Vec<Object> {
    Vec::new()
}
/// x
pub async fn apply(cluster: &Cluster, objects: &[Object], _: &Rendered, options: &ApplyOptions, inventory: &mut Inventory, reporter: &dyn Reporter) -> Result<(), OperationError> {
    apply::apply(cluster, objects, options, inventory, reporter).await?;
    Ok(())
}
