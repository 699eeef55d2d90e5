//! Byte and text forms: canonical JSON, digests, text that is safe in a terminal, path patterns.
//! Nothing here depends on missions.

pub mod canonical;
pub mod digest;
pub mod path_pattern;
pub mod plain;
