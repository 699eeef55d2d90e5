//! What the engines know of a repository: the configuration that it gives in `coo.toml`, patterns
//! over its files, the form of a pinned ruleset, places in a text, results of its tests. Reads no
//! disk, and knows no engine.

pub mod config;
pub mod pattern;
pub mod ruleset;
pub mod scope;
pub mod test_results;
pub mod text;
