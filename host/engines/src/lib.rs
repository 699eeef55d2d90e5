//! The engines of the repository pipeline: amendments, the leak scanner, the constitutional lint,
//! the migration of a Python package, and the states of a governed change.
//!
//! Architecture invariant: this crate is pure, as `coo-kernel` is, on which it depends; the mission
//! runtime does not depend on it. Its only foreign code that manages a stack or memory of its own
//! are two Python parsers: tree-sitter's, in C, and ruff's.

#![forbid(unsafe_code)]

pub mod change;
pub mod pipeline;
pub mod python;
pub mod repository;
