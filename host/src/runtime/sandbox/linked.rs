//! Linked code of both kinds of guests: how each is instantiated and entered. Callers need not
//! distinguish the two kinds.

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::entry;
use coo_kernel::module::surface::{self, Interface};
use wasmtime::component;
use wasmtime::{Engine, Store};

use super::{Guest, bindings, preview1};
use crate::program::code::Code;

/// The export that makes a core module a program.
pub const START: &str = "_start";
/// The export that initialises a core module, called before any other.
pub const INITIALIZE: &str = "_initialize";

/// Compiled code with its imports resolved and its entry known.
pub enum Linked {
    /// A component with `run` of `coo:mission`.
    Mission(component::InstancePre<Guest>),
    /// A component with `wasi:cli/run`; holds the name of the exported interface.
    Command(component::InstancePre<Guest>, String),
    /// A core module, which is a WASI preview 1 program.
    Program(wasmtime::InstancePre<Guest>),
}

/// The result of a guest that has returned.
pub enum Returned {
    /// The output or the error of `run`.
    Mission(Result<String, String>),
    /// A component's `wasi:cli/run`: success or failure.
    Command(Result<(), ()>),
    /// A core module, which returns nothing.
    Program,
}

/// An instance that has run.
pub enum Instance {
    Component(component::Instance),
    Module(wasmtime::Instance),
}

impl Linked {
    /// Links `code`, and type-checks every import before any guest code runs.
    pub fn new(engine: &Engine, code: &Code) -> Result<Self> {
        match code {
            Code::Module(module) => {
                let instance = preview1::linker(engine)?
                    .instantiate_pre(module)
                    .map_err(anyhow::Error::from)
                    .context("refused")?;
                Ok(Self::Program(instance))
            }
            Code::Component(component) => {
                let ty = component.component_type();
                let names = ty.exports(engine).map(|(name, _)| name);
                // Admission has checked its type.
                let entry = entry::of_component(names).context("no entry")?;
                let instance = bindings::linker(engine)?
                    .instantiate_pre(component)
                    .map_err(anyhow::Error::from)
                    .context("refused")?;
                Ok(match entry {
                    entry::RUN => Self::Mission(instance),
                    interface => Self::Command(instance, interface.to_owned()),
                })
            }
        }
    }

    /// Returns the digest of the interfaces that the guest imports.
    pub fn surface(&self, engine: &Engine) -> Digest {
        match self {
            Self::Program(instance) => {
                let imports = instance.module().imports();
                surface::digest_of(imports.map(|import| import.module().to_owned()))
            }
            Self::Mission(instance) | Self::Command(instance, _) => {
                let ty = instance.component().component_type();
                surface::digest_of(ty.imports(engine).map(|(name, _)| name.to_owned()))
            }
        }
    }

    /// Returns whether the guest can ask a language model.
    pub fn asks_model(&self, engine: &Engine) -> bool {
        match self {
            Self::Program(_) => false,
            Self::Mission(instance) | Self::Command(instance, _) => instance
                .component()
                .component_type()
                .imports(engine)
                .any(|(name, _)| surface::judge(name) == Ok(Interface::Llm)),
        }
    }

    /// Returns whether exit status 0 means success. A mission succeeds only by returning.
    pub fn is_program(&self) -> bool {
        !matches!(self, Self::Mission(_))
    }

    pub(super) async fn call(
        &self,
        store: &mut Store<Guest>,
        input: &str,
    ) -> wasmtime::Result<(Instance, Returned)> {
        match self {
            Self::Mission(pre) | Self::Command(pre, _) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                let returned = self.enter(store, &instance, input).await?;
                Ok((Instance::Component(instance), returned))
            }
            Self::Program(pre) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                for entry in [INITIALIZE, START] {
                    call_export(store, &instance, entry).await?;
                }
                Ok((Instance::Module(instance), Returned::Program))
            }
        }
    }

    /// Calls an instance that has returned once more.
    pub(super) async fn call_again(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<()> {
        match instance {
            Instance::Component(instance) => {
                self.enter(store, instance, "").await?;
            }
            Instance::Module(instance) => {
                for entry in [START, INITIALIZE] {
                    call_export(store, instance, entry).await?;
                }
            }
        }
        Ok(())
    }

    async fn enter(
        &self,
        store: &mut Store<Guest>,
        instance: &component::Instance,
        input: &str,
    ) -> wasmtime::Result<Returned> {
        match self {
            Self::Command(pre, interface) => {
                let component = pre.component();
                let run = component
                    .get_export_index(None, interface)
                    .and_then(|interface| component.get_export_index(Some(&interface), "run"))
                    .ok_or_else(|| wasmtime::Error::msg("no wasi:cli/run in the component"))?;
                let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run)?;
                Ok(Returned::Command(run.call_async(store, ()).await?.0))
            }
            Self::Mission(_) | Self::Program(_) => {
                let run = instance
                    .get_typed_func::<(&str,), (Result<String, String>,)>(&mut *store, "run")?;
                Ok(Returned::Mission(run.call_async(store, (input,)).await?.0))
            }
        }
    }
}

/// Calls an export of a core module, if it exists.
async fn call_export(
    store: &mut Store<Guest>,
    instance: &wasmtime::Instance,
    name: &str,
) -> wasmtime::Result<()> {
    match instance.get_func(&mut *store, name) {
        Some(entry) => entry.typed::<(), ()>(&*store)?.call_async(store, ()).await,
        None => Ok(()),
    }
}
