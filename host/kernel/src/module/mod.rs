//! A WebAssembly module as the host sees it: its imports, its structure, the module set that `coo`
//! ships, and the limits on compiling a module. Nothing here compiles a module.

pub mod compilation;
pub mod entry;
pub mod module_set;
pub mod pinned;
pub mod structure;
pub mod surface;
