//! What the verbs do, as operations that report and return values: `cli` prints them, tests call them too.

pub mod doctor;
pub mod logs;
pub mod memory;
