//! Code that wasmtime can run, in its two kinds. Knows no imports and no entry.

use wasmtime::Module;
use wasmtime::component::Component;

/// Compiled code.
pub enum Code {
    Component(Component),
    /// A core module that runs unchanged.
    Module(Module),
}
