//! The published JSON Schemas: each is what its Rust type says, each format has one, and what the
//! program reads, writes and prints fits them. Every other test that runs a command with `--json`
//! holds its output to them, too (`support::schema`).

mod batch;
mod command;
mod current;
mod outputs;
mod repositories;
mod shipped;
