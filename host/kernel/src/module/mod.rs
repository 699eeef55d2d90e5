//! A WebAssembly module as the host sees it: its imports, its structure, the set that is shipped,
//! and what compiling it may cost. Nothing here compiles one.

pub mod compilation;
pub mod module_set;
pub mod structure;
pub mod surface;
