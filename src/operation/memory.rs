//! Declared memory against real memory. The nodes advertise what production's have, so the kubelet no longer sees when
//! the machine runs out; devcluster must.

use serde::Serialize;

use crate::cluster::capacity;

/// Memory in bytes: what the manifests declare, and what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The sum of all Pods' requests.
    pub requested: u64,
    /// The machine's.
    pub total: u64,
    /// What of it is available now.
    pub available: u64,
}

/// How tight memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pressure {
    /// There is room.
    None,
    /// Less than a tenth is left.
    Tight,
    /// Less than a twentieth is left: the kernel is about to kill.
    Critical,
}

impl Memory {
    /// The machine's memory now, beside `requested` bytes. None where the machine does not tell.
    pub fn now(requested: u64) -> Option<Self> {
        let (total, available) = capacity::machine_memory()?;
        Some(Self { requested, total: total * 1024, available: available * 1024 })
    }

    /// How tight it is.
    pub fn pressure(&self) -> Pressure {
        match self.available {
            left if left < self.total / 20 => Pressure::Critical,
            left if left < self.total / 10 => Pressure::Tight,
            _ => Pressure::None,
        }
    }

    /// `Pods declare 38.0 GiB; this machine has 23.4 GiB, 19.1 GiB of it available`.
    pub fn sentence(&self) -> String {
        let declared = if self.requested == 0 { "no memory".into() } else { gib(self.requested) };
        format!(
            "Pods declare {declared}; this machine has {}, {} of it available",
            gib(self.total),
            gib(self.available)
        )
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_told_by_what_is_left() {
        let memory = |available| Memory { requested: 64 << 30, total: 20 << 30, available };
        assert_eq!(memory(10 << 30).pressure(), Pressure::None);
        assert_eq!(memory(3 << 29).pressure(), Pressure::Tight);
        assert_eq!(memory(1 << 29).pressure(), Pressure::Critical);
        assert_eq!(
            memory(1 << 30).sentence(),
            "Pods declare 64.0 GiB; this machine has 20.0 GiB, 1.0 GiB of it available"
        );
    }
}
