//! Governed changes of a repository (design, "Repository pipeline"): what a repository says of
//! itself in `coo.toml`, and the engines that judge it or change it, each as data in and data
//! out. Reads and writes no repository itself.

pub mod amend;
pub mod config;
pub mod gate;
pub mod lint;
pub mod migrate;
pub mod normal;
pub mod pattern;
pub mod question;
pub mod scan;
pub mod scope;
pub mod snapshot;
pub mod specification;
pub mod test_results;
pub mod text;
