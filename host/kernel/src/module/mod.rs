//! A WebAssembly module as the host meets it: its imports, its structure, the set that is
//! shipped, and what compiling it may cost. Compiles nothing.

pub mod compilation;
pub mod module_set;
pub mod structure;
pub mod surface;
