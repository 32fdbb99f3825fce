//! Whether what migrates a database can be taken back: SQL in, a verdict on each statement out. Pure.
//!
//! # What counts
//!
//! Going back means that the code and the manifests of before run again. A statement is **additive** where everything that was
//! there is there still and the old code runs on it; **undoable** where nothing is lost, but the old code needs the statement
//! undone, or may meet what it does not expect; **one-way** where something is lost that the statement does not say: rows,
//! values, a definition. What cannot be read is **unknown**, and counts as one-way.
//!
//! A script may do as it likes with what it made itself: a table that it has created holds nobody's rows. That goes for one file
//! alone (of two, the first may have run long ago), and only where a statement that fails ends the script: else `CREATE TABLE t`
//! may fail because `t` is there, and what follows meets rows.
//!
//! Scripts of `down` prove nothing: they do not bring a dropped column's values back.

mod added;
mod alter;
mod calls;
mod created;
mod dropped;
pub mod entry;
mod keys;
mod label;
mod mount;
mod names;
mod program;
mod rows;
mod scope;
mod script;
pub mod sections;
mod shell;
#[cfg(test)]
mod shell_tests;
mod shell_words;
pub mod split;
mod statement;
#[cfg(test)]
mod tests;
mod types;
mod undo;
pub mod verdict;

pub use entry::{Asked, Entry, File, Found, Told, entry, found};
pub use script::{Dialect, Script, judge};
pub use undo::undo;
pub use verdict::{Judged, Judgement, Verdict, worst};
