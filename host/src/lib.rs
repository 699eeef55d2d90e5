//! The host, the shell around the kernel. Each module performs one kind of work; `main` only calls
//! `cli`.
//!
//! Architecture invariant: the kernel decides, and this crate performs. Only `machine` reads the
//! wall clock and the environment. Files are reached through `state::state_root`.

#![deny(unsafe_code)]
// The print macros panic if the reader has closed the pipe; the functions of `cli::print` do not.
#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod baselines;
pub mod cli;
pub mod effects;
pub mod freeze;
pub mod hint;
pub mod machine;
pub mod manifests;
pub mod mission;
pub mod program;
#[cfg(feature = "repository")]
pub mod repository;
pub mod runtime;
pub mod session;
pub mod state;
