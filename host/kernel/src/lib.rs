//! Everything that decides in `coo`: what a descriptor may say, which imports a module may
//! have, which state follows which, how events chain, whether a replay agrees.
//!
//! Architecture invariant: pure. No IO, no clock, no environment, no threads and no
//! iteration in hash order; the same arguments give the same bytes on every machine.
//! It knows nothing of wasmtime, `SQLite` or the command line.

#![forbid(unsafe_code)]

pub mod artefact;
pub mod authority;
pub mod baseline;
pub mod canonical;
pub mod change;
pub mod compilation;
pub mod db;
pub mod descriptor;
pub mod digest;
pub mod dot_env;
pub mod edition;
pub mod failure;
pub mod freeze;
pub mod governed;
pub mod index;
pub mod journal;
pub mod layout;
pub mod ledger;
pub mod limits;
pub mod lineage;
pub mod llm;
pub mod manifest;
pub mod mission;
pub mod module_set;
pub mod pairing;
pub mod path_pattern;
pub mod pipeline;
pub mod plain;
pub mod plan;
pub mod protected;
pub mod python;
pub mod reports;
pub mod repository;
pub mod rollback;
pub mod secret;
pub mod state;
pub mod structure;
pub mod surface;
pub mod workflow;
