//! The shell around the kernel: each room performs one kind of thing that the kernel has decided.
//! `main` only calls `cli`.
//!
//! Architecture invariant: decisions are the kernel's; this crate performs them. Wall clock
//! and environment are asked in `machine` alone, files are reached through `state::state_root`.

#![deny(unsafe_code)]
// They panic where nobody reads any more; `cli::print` has what doesn't.
#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod baselines;
pub mod cli;
pub mod effects;
pub mod freeze;
pub mod machine;
pub mod manifests;
pub mod mission;
pub mod program;
pub mod repository;
pub mod runtime;
pub mod session;
pub mod state;
