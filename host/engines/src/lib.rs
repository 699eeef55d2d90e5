//! The engines of the repository pipeline: amendments, the leak scanner, the constitutional lint,
//! the migration of a Python package, and the states of a governed change.
//!
//! Architecture invariant: this crate is pure, like `coo-kernel`, on which it depends. Missions run
//! without it. Of its dependencies only the two Python parsers manage a stack or memory of their
//! own: tree-sitter, written in C, and ruff.

#![forbid(unsafe_code)]

pub mod amend;
pub mod change;
pub mod gate;
pub mod lint;
pub mod migrate;
pub mod python;
pub mod repository;
pub mod scan;
#[cfg(feature = "schemas")]
pub mod schemas;
