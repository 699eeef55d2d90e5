//! The engines of the repository pipeline: amendments, the leak scanner, the constitutional lint,
//! the migration of a Python package, and the states of a governed change.
//!
//! Architecture invariant: pure, as `coo-kernel` is, on which it rests; nothing of the mission
//! runtime rests on it. Two parsers of Python are its only foreign code with a stack or memory of
//! its own: tree-sitter's, in C, and ruff's.

#![forbid(unsafe_code)]

pub mod change;
pub mod pipeline;
pub mod python;
pub mod repository;
