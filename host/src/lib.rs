//! The shell around the kernel: one module per effect, each thin. `main` only calls `cli`.
//!
//! Architecture invariant: decisions are the kernel's; this crate performs them. Wall clock
//! and environment are asked in `machine` alone, files are reached through `state_root`.

#![deny(unsafe_code)]
// They panic where nobody reads any more; `cli::print` has what doesn't.
#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod admission;
pub mod amu0;
pub mod bounds;
pub mod bundle;
pub mod cli;
pub mod code_cache;
pub mod compiler;
pub mod config;
pub mod decide;
pub mod drive;
pub mod engine;
pub mod fault;
pub mod freeze;
pub mod gateway;
pub mod hashing;
pub mod history;
pub mod input_file;
pub mod live;
pub mod llm;
pub mod machine;
pub mod manifests;
pub mod outside;
pub mod prepare;
pub mod replay;
pub mod reports;
pub mod repository;
pub mod resume;
pub mod run;
pub mod run_file;
pub mod sandbox;
pub mod secrets;
pub mod session;
pub mod state_root;
pub mod stop;
pub mod store;
pub mod structure;
pub mod surroundings;
pub mod tape;
pub mod temporary;
pub mod verify;
pub mod world;
