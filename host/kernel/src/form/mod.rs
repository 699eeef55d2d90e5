//! Forms of bytes and text: canonical JSON, JSON that people write, digests, the chain over events, text that is safe to
//! print on a terminal, path patterns. Nothing here depends on missions.

pub mod canonical;
pub mod chain;
pub mod digest;
pub mod path_pattern;
pub mod plain;
#[cfg(feature = "schemas")]
pub mod schema;
pub mod strict;
