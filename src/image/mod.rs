//! Images: built, compared, sent.

mod account;
mod archive;
pub mod build;
pub mod context;
pub mod delivery;
pub mod dockerfile;
mod error;
mod export;
mod files;
mod import;
pub mod inspect;
pub mod keep;
pub mod key;
pub mod load;
mod memory;
pub mod mirror;
pub mod name;
pub mod node;
pub mod oci;
pub mod own;
mod plan;
pub mod pull;
mod registry;
mod settle;
pub mod source;
pub mod standin;
mod survey;
pub mod thin;
mod wire;

pub use build::{BuildJob, Built, Workshop};
pub use delivery::{Content, Delivered, DeliveryReport, WantedImage};
pub use error::ImageError;
pub use load::{check, deliver, look, teach};
