//! Puts a store's data back as a snapshot has it.
use super::error::OperationError;
use super::session::{Existing, Session};
use crate::data::discover::Store;
use crate::data::snapshot::SnapshotName;
use std::time::Duration;
pub struct R { pub took: Duration }
/// What the streams of a store's database begin with.
pub fn prefix(store: &Store) -> String {
    format!("postgres/{}", store.name())
}
pub async fn load(_: &Session, _: &Existing, _: &Store, _: &SnapshotName) -> Result<R, OperationError> { todo!() }
pub async fn reset(_: &Session, _: &Existing, _: &Store) -> Result<R, OperationError> { todo!() }
pub fn prepare_behind(_: &Session, _: &Store) -> Result<(), OperationError> { todo!() }
