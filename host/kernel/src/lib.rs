//! The decisions of `coo`'s mission runtime: what a descriptor may state, which imports a module
//! may have, which state follows which, how events chain, whether a replay agrees.
//!
//! Architecture invariant: pure. No IO, no clock, no environment, no threads and no
//! iteration in hash order; the same arguments give the same bytes on every machine.
//! It does not depend on wasmtime, `SQLite` or the command line.

#![forbid(unsafe_code)]

pub mod baseline;
pub mod credentials;
pub mod effects;
pub mod form;
pub mod journal;
pub mod llm;
pub mod mission;
pub mod module;
pub mod state;
