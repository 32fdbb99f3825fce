//! What developing left in the running system, told by `status` and `parity` and put right by `up`.

use serde_json::Value;

use crate::apply::pods::running_bytes;
use crate::operation::session::Session;
use crate::operation::swap;
use crate::operation::sync::synced;
use crate::parity::Developed;

/// The containers of `pods` that were changed while developing, and how.
pub fn developed(session: &Session, pods: &[Value]) -> Vec<Developed> {
    let synced = synced::recorded(session);
    let mut all = Vec::new();
    for container in running_bytes(pods) {
        let name = format!("{}/{} {}", container.namespace, container.pod, container.container);
        if swap::is_swap_name(&container.image) {
            all.push(Developed { container: name.clone(), what: "its image was swapped in place".into() });
        }
        if synced.contains(&container.container_id) {
            all.push(Developed { container: name, what: "files were copied into it".into() });
        }
    }
    all
}
