//! A state root as data: which files it has, its two indexes, the manifests of its machine.
//! Nothing here touches a file.

pub mod index;
pub mod layout;
pub mod manifest;
pub mod reports;
