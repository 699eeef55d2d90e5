//! Code that wasmtime can run, in its two kinds. Knows no imports and no entry.

use wasmtime::Module;
use wasmtime::component::Component;

/// Compiled code.
pub enum Code {
    /// Of a component.
    Component(Component),
    /// Of a core module that runs as it is.
    Module(Module),
}
