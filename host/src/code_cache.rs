//! Compiled code, kept by (module, engine). A file of the cache is machine code: it is run
//! only if its SHA-256 is the one this state root's store vouches for, which it does only
//! for code it compiled itself. Anything else is compiled anew, as if it were not there.
//!
//! Guards against files that were damaged, restored or brought from elsewhere. Not against
//! an attacker who changes files of the running user at the very moment of loading: nothing
//! in user space can.

#![allow(
    unsafe_code,
    reason = "wasmtime's deserialisation is unsafe; see the one SAFETY note below"
)]

use anyhow::{Context as _, Result};
use coo_kernel::digest::Digest;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Precompiled};

use crate::admission::Admitted;
use crate::engine::Sandbox;
use crate::sandbox::Code;
use crate::state_root::StateRoot;
use crate::store::Store;

/// Largest file that is worth a look; `CPython` compiles to some 100 MB.
const CODE_BYTES_MAX: u64 = 1 << 30;

fn file_name(module: &Digest, sandbox: &Sandbox) -> String {
    format!(
        "cache/{}-{}.cwasm",
        &module.to_string()[..32],
        &sandbox.code_key.to_string()[..16]
    )
}

/// The compiled code of `module` if the cache has it and the store vouches for it.
pub fn load(
    root: &StateRoot,
    store: &Store,
    sandbox: &Sandbox,
    module: &Digest,
) -> Result<Option<Code>> {
    let Some(vouched) = store.compiled_code(module, &sandbox.code_key)? else {
        return Ok(None);
    };
    let Ok(code) = root.read_bounded(&file_name(module, sandbox), CODE_BYTES_MAX) else {
        return Ok(None);
    };
    if Digest::of(&code) != vouched {
        return Ok(None);
    }
    // SAFETY: `deserialize` trusts its input to be what `serialize` of the same kind wrote. These
    // bytes, in memory and no longer in reach of anybody else, have the digest that `save`
    // computed over exactly that.
    let code = unsafe {
        match Engine::detect_precompiled(&code) {
            Some(Precompiled::Component) => {
                Component::deserialize(&sandbox.engine, &code).map(Code::Component)
            }
            Some(Precompiled::Module) => {
                Module::deserialize(&sandbox.engine, &code).map(Code::Module)
            }
            None => return Ok(None),
        }
    };
    // Another build of the engine under the same key would be refused here, not run.
    Ok(code.ok())
}

/// Compiles what was admitted.
pub fn compile(sandbox: &Sandbox, admitted: &Admitted<'_>) -> Result<Code> {
    match admitted {
        Admitted::Component(component) => {
            Component::from_binary(&sandbox.engine, component).map(Code::Component)
        }
        Admitted::Module(module) => Module::from_binary(&sandbox.engine, module).map(Code::Module),
    }
    .map_err(anyhow::Error::from)
    .context("module: can't be compiled")
}

/// Keeps compiled code for the next run. The caller holds the root's write lock.
pub fn save(
    root: &StateRoot,
    store: &mut Store,
    sandbox: &Sandbox,
    module: &Digest,
    compiled: &Code,
) -> Result<()> {
    let code = match compiled {
        Code::Component(component) => component.serialize(),
        Code::Module(module) => module.serialize(),
    }
    .map_err(anyhow::Error::from)?;
    root.write_new(&file_name(module, sandbox), &code)?;
    store.vouch(module, &sandbox.code_key, &Digest::of(&code))
}
