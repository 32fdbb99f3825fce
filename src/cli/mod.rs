//! The command line: one file a verb. The only room that prints.

pub mod init;
pub mod schema;
pub mod validate;

use std::process::ExitCode;
/// Runs the program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
