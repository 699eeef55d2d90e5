//! Admission decides whether a module may run at all, before any of its instructions does.
//!
//! It first counts the module's parts (`structure`). Then it reads the core module or component,
//! names every import and export, judges each against the kernel's surface, and says how the module
//! runs. `coo audit` prints exactly this decision; no other code decides it. Never compiles and
//! never runs a module. `compiler` calls it in a child process. `core` holds the rules for core
//! modules.

mod core;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::module::entry;
use coo_kernel::module::structure::Part;
use coo_kernel::module::surface::{self, Interface, Reach};
use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload, Validator};
use wit_component::DecodedWasm;
use wit_parser::{InterfaceId, Resolve, WorldId, WorldItem, WorldKey};

#[cfg(test)]
pub use self::core::preview1_functions;
use crate::hint::Hint as _;
use crate::program::engine::FEATURES;
use crate::program::structure;
use types::signature;

/// Most reasons of a refusal that an error repeats; `coo audit` lists all.
const REASONS_SHOWN: usize = 8;

/// How a module runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Encoded {
    /// A core module that runs unchanged: a program that imports WASI preview 1 or nothing.
    CoreModule,
    /// A core module converted to a component, with an adapter from preview 1 to the surface.
    AdaptedModule,
    /// A core module converted to a component; it needs no adapter.
    LiftedModule,
    /// A component that runs unchanged.
    Component,
}

/// How a module is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryPoint {
    /// `run: func(input: string) -> result<string, string>` of `coo:mission`.
    Mission,
    /// `wasi:cli/run` of an ordinary program; holds the name of the exported interface.
    Command(String),
    /// A core module; holds the names of the functions to call, in order.
    Program(Vec<String>),
}

impl EntryPoint {
    /// Returns the text for a listing.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Mission => "coo:mission run(input)".to_owned(),
            Self::Command(interface) => interface.clone(),
            Self::Program(names) => names.join(", then "),
        }
    }
}

/// One imported interface and the verdict on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Import {
    /// Full name, with version.
    pub interface: String,
    /// The imported functions, sorted.
    pub functions: Vec<String>,
    /// What the import permits, in plain words; `None` if it is refused.
    pub permits: Option<String>,
    /// Whether the import reaches beyond the sandbox; `None` if it is refused.
    pub reach: Option<Reach>,
    /// Why the import is refused; `None` if it is not.
    pub refused: Option<String>,
}

/// Everything that is known about a module before it runs.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Report {
    pub encoded: Encoded,
    /// How the module would be started; `None` if it has no entry.
    pub entry: Option<EntryPoint>,
    /// Sorted by name.
    pub imports: Vec<Import>,
    /// The largest count found of each bounded part.
    pub structure: BTreeMap<Part, u64>,
    /// Reasons for a refusal that do not concern imports.
    pub problems: Vec<String>,
    /// The component made of a core module.
    #[serde(skip)]
    component: Option<Vec<u8>>,
}

/// A module in the form that may be compiled.
#[derive(Debug)]
pub enum Admitted<'a> {
    Module(&'a [u8]),
    Component(std::borrow::Cow<'a, [u8]>),
}

impl Report {
    /// Returns the interfaces that the module imports, sorted.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        let names = self.imports.iter().map(|import| import.interface.clone());
        let names: BTreeSet<String> = names.collect();
        names.into_iter().collect()
    }

    /// Returns every reason not to run the module; empty if it is admitted.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let imports = self
            .imports
            .iter()
            .filter_map(|import| import.refused.clone());
        imports.chain(self.problems.iter().cloned()).collect()
    }

    /// Returns whether the module imports `interface`.
    #[must_use]
    pub fn uses(&self, interface: Interface) -> bool {
        self.imports
            .iter()
            .any(|import| surface::judge(&import.interface) == Ok(interface))
    }

    /// Returns an error with the reasons not to run the module, if there are any.
    pub fn ensure_admitted(&self) -> Result<()> {
        let reasons = self.reasons();
        if reasons.is_empty() {
            return Ok(());
        }
        let more = reasons.len().saturating_sub(REASONS_SHOWN);
        let more = if more > 0 {
            format!("; and {more} more reasons")
        } else {
            String::new()
        };
        let shown = &reasons[..reasons.len().min(REASONS_SHOWN)];
        bail!(anyhow!("refused: {}{more}", shown.join("; ")).hint("'coo audit' lists every import"))
    }

    /// Returns the form of `wasm` that may be compiled, or an error with the reasons against it.
    /// The report must be on `wasm`, and must have been made in this process.
    pub fn admit(self, wasm: &[u8]) -> Result<Admitted<'_>> {
        self.ensure_admitted()?;
        Ok(match (self.encoded, self.component) {
            (Encoded::CoreModule, _) => Admitted::Module(wasm),
            (Encoded::Component, _) => Admitted::Component(wasm.into()),
            (Encoded::AdaptedModule | Encoded::LiftedModule, Some(component)) => {
                Admitted::Component(component.into())
            }
            (Encoded::AdaptedModule | Encoded::LiftedModule, None) => {
                bail!("was examined in another process, which has its component")
            }
        })
    }
}

/// Examines `wasm`. Returns an error if it is too large in structure or not valid WebAssembly.
pub fn examine(wasm: &[u8]) -> Result<Report> {
    let Ok(wasmparser::Chunk::Parsed {
        payload: Payload::Version { encoding, .. },
        ..
    }) = Parser::new(0).parse(wasm, true)
    else {
        bail!(
            anyhow!("not a WebAssembly binary")
                .hint("compile for wasm32-wasip1 or give a component")
        )
    };
    let counted = structure::count(wasm).context("refused")?;
    let types = match Validator::new_with_features(FEATURES).validate_all(wasm) {
        Ok(types) => types,
        Err(error) => bail!("not valid WebAssembly for this engine: {error}"),
    };
    let mut report = match encoding {
        Encoding::Module => core::examine(wasm, &types),
        Encoding::Component => examine_component(wasm, Encoded::Component),
    }?;
    report.structure = counted.parts();
    Ok(report)
}

fn examine_component(component: &[u8], encoded: Encoded) -> Result<Report> {
    let decoded = wit_component::decode(component).context("its interface can't be read")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!(anyhow!("a WIT package and not a program").hint("compile the program itself"));
    };
    let provided = provided_functions()?;
    let mut imports: Vec<Import> = resolve.worlds[world]
        .imports
        .iter()
        .map(|(key, item)| judge(&resolve, key, item, &provided))
        .collect();
    imports.sort_by(|a, b| a.interface.cmp(&b.interface));
    let entry = typed_entry(&resolve, world);
    let problems = if entry.is_none() {
        let exports: Vec<String> = resolve.worlds[world]
            .exports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect();
        vec![format!(
            "nothing to start: it exports [{}], needed is 'run: func(input: string) -> result<string, string>' or wasi:cli/run@0.2",
            exports.join(", ")
        )]
    } else {
        Vec::new()
    };
    Ok(Report {
        encoded,
        entry,
        imports,
        structure: BTreeMap::new(),
        problems,
        component: (encoded != Encoded::Component).then(|| component.to_owned()),
    })
}

fn judge(resolve: &Resolve, key: &WorldKey, item: &WorldItem, provided: &Signatures) -> Import {
    let name = resolve.name_world_key(key);
    let taken: BTreeMap<&String, _> = match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.iter().collect(),
        WorldItem::Function(_) | WorldItem::Type { .. } => BTreeMap::new(),
    };
    let verdict = surface::judge(&name).and_then(|interface| {
        let known = provided.get(interface.name());
        for (function, ty) in &taken {
            let (interface, function) = (name.clone(), (*function).clone());
            // Write out a type only if there is one to compare it with.
            match known.and_then(|known| known.get(&function)) {
                Some(known) if signature(resolve, ty).as_ref() == Some(known) => {}
                Some(_) => {
                    return Err(surface::ImportRefused::Type {
                        interface,
                        function,
                    });
                }
                None => {
                    return Err(surface::ImportRefused::Function {
                        interface,
                        function,
                    });
                }
            }
        }
        Ok(interface)
    });
    let functions = taken.into_keys().cloned().collect();
    Import {
        permits: verdict
            .as_ref()
            .ok()
            .map(|interface| interface.permits().to_owned()),
        reach: verdict.as_ref().ok().map(|interface| interface.reach()),
        refused: verdict.err().map(|refused| refused.to_string()),
        interface: name,
        functions,
    }
}

/// Type of a mission's `run`, as `signature` writes it.
const RUN_SIGNATURE: &str = "(String) -> result<String, String>";
/// Type of a WASI program's `run`.
const PROGRAM_SIGNATURE: &str = "() -> result<_, _>";

/// Functions with their types, by interface (name without version).
type Signatures = BTreeMap<String, BTreeMap<String, String>>;

/// Returns the functions of every interface that the host links, read from the same WIT files as
/// its bindings.
fn provided_functions() -> Result<Signatures> {
    let mut resolve = Resolve::default();
    for (name, text) in crate::program::wit::WIT {
        resolve
            .push_str(name, text)
            .with_context(|| format!("surface {name}"))?;
    }
    let mut provided = Signatures::new();
    for (id, interface) in &resolve.interfaces {
        let (Some(package), Some(name)) = (interface.package, &interface.name) else {
            continue;
        };
        let package = &resolve.packages[package].name;
        // A later version has the functions of the earlier ones, with the same types.
        provided
            .entry(format!("{}:{}/{name}", package.namespace, package.name))
            .or_default()
            .extend(signatures(&resolve, id));
    }
    Ok(provided)
}

fn signatures(resolve: &Resolve, interface: InterfaceId) -> BTreeMap<String, String> {
    let functions = &resolve.interfaces[interface].functions;
    functions
        .iter()
        .filter_map(|(name, function)| Some((name.clone(), signature(resolve, function)?)))
        .collect()
}

/// Returns the entry, if the export that starts the component has the right type.
fn typed_entry(resolve: &Resolve, world: WorldId) -> Option<EntryPoint> {
    let exports = &resolve.worlds[world].exports;
    let names: Vec<String> = exports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect();
    let name = entry::of_component(names.iter().map(String::as_str))?;
    let (_, item) = exports
        .iter()
        .find(|(key, _)| resolve.name_world_key(key) == name)?;
    let has_type = |function, wanted| signature(resolve, function).as_deref() == Some(wanted);
    match item {
        WorldItem::Function(run) if name == entry::RUN => {
            has_type(run, RUN_SIGNATURE).then_some(EntryPoint::Mission)
        }
        WorldItem::Interface { id, .. } if name != entry::RUN => {
            let run = resolve.interfaces[*id].functions.get("run")?;
            has_type(run, PROGRAM_SIGNATURE).then(|| EntryPoint::Command(name.to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_surface_is_far_shorter_than_a_text_may_be() {
        let mut functions = 0;
        for (interface, signatures) in provided_functions().unwrap() {
            for (function, text) in signatures {
                functions += 1;
                let length = text.len();
                assert!(
                    length * 10 <= types::SIGNATURE_BYTES_MAX,
                    "{interface}.{function}: {length}"
                );
            }
        }
        // None was omitted for its length.
        let written: usize = crate::program::wit::WIT
            .iter()
            .map(|(_, text)| text.matches("func(").count())
            .sum();
        assert!(functions > 50 && functions <= written, "{functions}");
    }
}
