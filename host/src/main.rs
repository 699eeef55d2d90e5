//! The `coo` binary: hands the command line to `cli` and turns its answer into an exit code.

#![deny(clippy::print_stderr, clippy::print_stdout)]

use std::process::ExitCode;

fn main() -> ExitCode {
    coo::close_to_others();
    coo::main()
}
