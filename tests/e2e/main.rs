//! Tests on real kind clusters. They share nothing: each makes its own cluster and takes it away.

mod bad_input;
mod boutique;
mod ci;
mod data;
mod dev;
mod developing;
mod engine;
mod fault;
mod forward;
mod harness;
mod image;
mod kinds;
mod ledger;
mod lifecycle;
mod migrate;
mod rehearse;
mod rehearse_stores;
mod release;
mod requests;
mod shop;
mod stores;
mod volumes;
