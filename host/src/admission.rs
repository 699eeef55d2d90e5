//! Admission: whether a module may run at all, decided before any of its instructions does.
//!
//! Counts its parts first (`structure`), then reads a core module or component, names every import
//! and export, judges each against the kernel's surface, and turns a core module into a component.
//! `coo audit` prints exactly what this decides; there is no second opinion anywhere. Never
//! compiles, never runs. `compiler` calls it in a process of its own.

mod types;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use coo_kernel::structure::Part;
use coo_kernel::surface::{self, Interface, Reach};
use serde::{Deserialize, Serialize};
use wasi_preview1_component_adapter_provider as adapter;
use wasmparser::{Encoding, ExternalKind, Parser, Payload, Validator};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{InterfaceId, Resolve, WorldId, WorldItem, WorldKey};

use crate::engine::FEATURES;
use crate::structure;
use types::signature;

/// Largest module, in bytes. `CPython` compiled to WebAssembly has 26 MB.
pub const MODULE_BYTES_MAX: u64 = 256 << 20;
/// The WASI preview-1 module name.
const PREVIEW1: &str = adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
/// Reasons of one refusal that an error repeats; `coo audit` lists all.
const REASONS_SHOWN: usize = 8;
/// Preview-1 functions that the adapter knows but that reach for the network.
const PREVIEW1_REFUSED_PREFIX: &str = "sock_";

/// What kind of WebAssembly it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoded {
    /// A core module for WASI preview 1, to be adapted.
    CoreModule,
    /// A component.
    Component,
}

/// How it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// `run: func(input: string) -> result<string, string>` of `coo:mission`.
    Mission,
    /// `wasi:cli/run`: an ordinary program; the name of the exported interface.
    Command(String),
}

/// One imported interface and the verdict on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Full name, with version.
    pub interface: String,
    /// The functions it takes from there, sorted.
    pub functions: Vec<String>,
    /// What it permits, in plain words; absent where it is refused.
    pub permits: Option<String>,
    /// Whether it reaches past the sandbox.
    pub reach: Option<Reach>,
    /// Why it is refused.
    pub refused: Option<String>,
}

/// Everything there is to say about a module before it runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Core module or component.
    pub encoded: Encoded,
    /// How it would be started.
    pub entry: Option<Entry>,
    /// Sorted by name.
    pub imports: Vec<Import>,
    /// The largest of each part that is bounded.
    pub structure: BTreeMap<Part, u64>,
    /// Reasons that have nothing to do with imports.
    pub problems: Vec<String>,
    /// The component to compile; for a core module the adapted one.
    #[serde(skip)]
    component: Option<Vec<u8>>,
}

impl Report {
    /// Every reason not to run it; empty means admitted.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let imports = self
            .imports
            .iter()
            .filter_map(|import| import.refused.clone());
        imports.chain(self.problems.iter().cloned()).collect()
    }

    /// Whether it imports `interface`.
    #[must_use]
    pub fn uses(&self, interface: Interface) -> bool {
        self.imports
            .iter()
            .any(|import| surface::judge(&import.interface) == Ok(interface))
    }

    /// Every reason not to run it, in one error.
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
        bail!(
            "refused: {}{more}; 'coo audit' lists every import",
            shown.join("; ")
        )
    }

    /// The component to compile, proven, or every reason in one error. For whoever examined the
    /// module in this process.
    pub fn admit(self) -> Result<Vec<u8>> {
        self.ensure_admitted()?;
        self.component
            .context("was examined in another process, which has its component")
    }
}

/// Examines `wasm`. An error means that it can't even be read as WebAssembly.
pub fn examine(wasm: &[u8]) -> Result<Report> {
    let encoded = match Parser::new(0).parse(wasm, true) {
        Ok(wasmparser::Chunk::Parsed {
            payload: Payload::Version { encoding, .. },
            ..
        }) => match encoding {
            Encoding::Module => Encoded::CoreModule,
            Encoding::Component => Encoded::Component,
        },
        _ => {
            bail!("not a WebAssembly binary; compile for wasm32-wasip1 or give a component")
        }
    };
    let counted = structure::count(wasm).context("refused")?;
    if let Err(error) = Validator::new_with_features(FEATURES).validate_all(wasm) {
        bail!("not valid WebAssembly for this engine: {error}");
    }
    let mut report = match encoded {
        Encoded::CoreModule => examine_core(wasm),
        Encoded::Component => examine_component(wasm, Encoded::Component),
    }?;
    report.structure = counted.parts();
    Ok(report)
}

/// A core module's imports are judged by name first, since the encoder would only say that
/// it can't find an adapter; what passes is adapted and judged again as a component.
fn examine_core(wasm: &[u8]) -> Result<Report> {
    let (imports, exports) = core_imports_and_exports(wasm)?;
    let adapted_functions = preview1_functions()?;
    let mut report = Report {
        encoded: Encoded::CoreModule,
        entry: None,
        imports: imports
            .iter()
            .map(|(module, functions)| judge_core(module, functions, &adapted_functions))
            .collect(),
        structure: BTreeMap::new(),
        problems: Vec::new(),
        component: None,
    };
    let is_command = exports.contains("_start");
    if !report.reasons().is_empty() {
        return Ok(report);
    }
    let adapter_bytes = if is_command {
        adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(wasm)
        .and_then(|encoder| encoder.adapter(PREVIEW1, adapter_bytes))
        .and_then(|mut encoder| encoder.encode());
    match encoded {
        Ok(component) => examine_component(&component, Encoded::CoreModule),
        Err(error) => {
            let hint = if is_command || exports.contains("run") {
                String::new()
            } else {
                " (it exports neither '_start' nor 'run')".to_owned()
            };
            report
                .problems
                .push(format!("can't be turned into a component{hint}: {error:#}"));
            Ok(report)
        }
    }
}

/// What a core module takes from one import module. The verdict on what passes here is the
/// component's, into which it is turned.
fn judge_core(module: &str, functions: &BTreeSet<String>, adapted: &BTreeSet<String>) -> Import {
    let refused = if module == PREVIEW1 {
        let reasons: Vec<String> = functions
            .iter()
            .filter_map(|function| {
                if function.starts_with(PREVIEW1_REFUSED_PREFIX) {
                    Some(format!("import '{PREVIEW1}.{function}' reaches for the network, which is not part of the surface"))
                } else if adapted.contains(function) {
                    None
                } else {
                    Some(format!("import '{PREVIEW1}.{function}' is not a WASI preview 1 function"))
                }
            })
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    } else {
        let verdict = surface::judge(module).err();
        verdict.map(|refused| format!("{refused} (functions: {})", join(functions)))
    };
    let interface = surface::judge(module).ok();
    Import {
        interface: module.to_owned(),
        functions: functions.iter().cloned().collect(),
        permits: match interface {
            Some(interface) => Some(interface.permits().to_owned()),
            None => refused
                .is_none()
                .then(|| "WASI preview 1, adapted to the surface".to_owned()),
        },
        reach: interface.map(Interface::reach),
        refused,
    }
}

fn join(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

type Names = BTreeMap<String, BTreeSet<String>>;

fn core_imports_and_exports(wasm: &[u8]) -> Result<(Names, BTreeSet<String>)> {
    let mut imports = Names::new();
    let mut exports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    imports
                        .entry(import.module.to_owned())
                        .or_default()
                        .insert(import.name.to_owned());
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    exports.insert(export?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// What the adapter offers: read from the adapter itself, so that there is no second list.
fn preview1_functions() -> Result<BTreeSet<String>> {
    let mut functions = BTreeSet::new();
    for payload in Parser::new(0).parse_all(adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                let export = export?;
                if export.kind == ExternalKind::Func {
                    functions.insert(export.name.to_owned());
                }
            }
        }
    }
    Ok(functions)
}

fn examine_component(component: &[u8], encoded: Encoded) -> Result<Report> {
    let decoded = wit_component::decode(component).context("its interface can't be read")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("a WIT package and not a program; compile the program itself");
    };
    let provided = provided_functions()?;
    let mut imports: Vec<Import> = resolve.worlds[world]
        .imports
        .iter()
        .map(|(key, item)| judge(&resolve, key, item, &provided))
        .collect();
    imports.sort_by(|a, b| a.interface.cmp(&b.interface));
    let entry = entry_of(&resolve, world);
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
        component: Some(component.to_owned()),
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
            // A type is written out only where there is one to compare it with.
            match known.and_then(|known| known.get(&function)) {
                Some(known) if signature(resolve, ty).as_ref() == Some(known) => {}
                Some(_) => {
                    return Err(surface::Refused::Type {
                        interface,
                        function,
                    });
                }
                None => {
                    return Err(surface::Refused::Function {
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

/// `run` of a mission, as `signature` writes it.
const RUN_SIGNATURE: &str = "(String) -> result<String, String>";
/// `run` of a WASI program.
const PROGRAM_SIGNATURE: &str = "() -> result<_, _>";

/// Functions with their types, by interface (name without version).
type Signatures = BTreeMap<String, BTreeMap<String, String>>;

/// The functions of every interface the host links, read from the very WIT its bindings are
/// made from.
fn provided_functions() -> Result<Signatures> {
    let mut resolve = Resolve::default();
    for (name, text) in crate::sandbox::WIT {
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
        provided.insert(
            format!("{}:{}/{name}", package.namespace, package.name),
            signatures(&resolve, id),
        );
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

/// A `run` of the right type, else an ordinary program's; `run` of another type is neither.
fn entry_of(resolve: &Resolve, world: WorldId) -> Option<Entry> {
    let exports = &resolve.worlds[world].exports;
    let run = exports.iter().find_map(|(key, item)| match (key, item) {
        (WorldKey::Name(name), WorldItem::Function(function)) if name == "run" => Some(function),
        _ => None,
    });
    if let Some(run) = run {
        return (signature(resolve, run).as_deref() == Some(RUN_SIGNATURE))
            .then_some(Entry::Mission);
    }
    exports.iter().find_map(|(key, item)| match (key, item) {
        (WorldKey::Interface(_), WorldItem::Interface { id, .. }) => {
            let name = resolve.name_world_key(key);
            let run = resolve.interfaces[*id].functions.get("run")?;
            let is_program = name.starts_with("wasi:cli/run@0.2.")
                && signature(resolve, run).as_deref() == Some(PROGRAM_SIGNATURE);
            is_program.then_some(Entry::Command(name))
        }
        _ => None,
    })
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
        // None was left out for its length.
        let written: usize = crate::sandbox::WIT
            .iter()
            .map(|(_, text)| text.matches("func(").count())
            .sum();
        assert!(functions > 50 && functions <= written, "{functions}");
    }
}
