//! Which live Pods stand for a workload's current generation, which bytes they run, and eviction of those that run old ones.

mod evict;
mod owned;
mod running;

pub use evict::{EvictError, evict};
pub use owned::Owned;
pub use running::{RunningContainer, StaleContainer, restarts, running_bytes, stale_containers};
