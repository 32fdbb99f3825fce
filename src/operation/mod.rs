//! What the verbs do, as operations that report and return values: `cli` prints them, tests call them too.

pub mod address;
pub mod diff;
pub mod doctor;
pub mod down;
pub mod error;
pub mod fault;
pub mod gather;
pub mod ground;
pub mod hooks;
pub mod images;
pub mod logs;
pub mod memory;
pub mod parity;
pub mod plan;
pub mod restart;
pub mod session;
pub mod status;
pub mod up;
