//! Turns the bytes of a module into a program that can be started: finds the module, checks whether
//! it is admitted, compiles it, and caches the compiled code. Runs no guest code.

pub mod admission;
pub mod bundle;
pub mod code;
pub mod code_cache;
pub mod compiler;
pub mod engine;
pub mod pinned;
pub mod runners;
pub mod structure;
pub mod wit;
