//! The kernel decides: what a descriptor may state, which imports a module may have, which state
//! may follow another, how events form a chain, and whether a replay agrees.
//!
//! Architecture invariant: this crate is pure. It uses no IO, clock, environment or threads, and
//! does not iterate in hash order, so the same arguments give the same bytes on every machine. It
//! does not depend on wasmtime, `SQLite` or the command line.

#![forbid(unsafe_code)]

pub mod baseline;
pub mod batch;
pub mod credentials;
pub mod effects;
pub mod form;
pub mod journal;
pub mod llm;
pub mod mission;
pub mod module;
pub mod pack;
pub mod project;
#[cfg(feature = "schemas")]
pub mod schemas;
pub mod state;
pub mod tier1;
