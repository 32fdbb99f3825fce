//! Parses the command line, runs the verb, and turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    devcluster::cli::main()
}
