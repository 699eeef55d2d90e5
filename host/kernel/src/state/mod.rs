//! A state root as data: the files it may have, its two indexes, and the manifests that describe
//! its machine. Nothing here touches a file.

pub mod index;
pub mod layout;
pub mod manifest;
pub mod reports;
