//! A state root as data: which files it has, its two indexes, the manifests of its machine.
//! Touches no file.

pub mod index;
pub mod layout;
pub mod manifest;
pub mod reports;
