//! The form of bytes: canonical JSON, digests, text that a terminal shows, patterns of paths.
//! Knows nothing of missions.

pub mod canonical;
pub mod digest;
pub mod path_pattern;
pub mod plain;
