//! From bytes to a program that can be started: where a module comes from, whether it is admitted,
//! how it is compiled, and where compiled code is cached. Runs no guest code.

pub mod admission;
pub mod bundle;
pub mod code;
pub mod code_cache;
pub mod compiler;
pub mod engine;
pub mod structure;
pub mod wit;
