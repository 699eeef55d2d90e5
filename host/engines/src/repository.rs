//! Governed changes of a repository (design, "Repository pipeline"): the configuration that a
//! repository gives in `coo.toml`, and the engines that judge or change a repository. Each engine
//! takes data and returns data; none reads or writes a repository.

pub mod amend;
pub mod config;
pub mod gate;
pub mod lint;
pub mod migrate;
pub mod normal;
pub mod pattern;
pub mod question;
pub mod ruleset;
pub mod scan;
pub mod scope;
pub mod snapshot;
pub mod specification;
pub mod test_results;
pub mod text;
