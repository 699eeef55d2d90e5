//! Core modules: which run unchanged, which are converted to components, and what each needs.
//! Decides only by the names and types of imports and exports.
//!
//! A program (`_start`) that imports WASI preview 1 or nothing runs unchanged and keeps its memory
//! for itself. A mission must be converted to a component, because the surface beyond preview 1
//! exists only in that form. If a mission also imports preview 1, it gets an adapter, which lives
//! in the guest's memory and needs room from the guest's own allocator.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use coo_kernel::module::surface::{self, Interface, PREVIEW1, PREVIEW1_PERMITS, Reach};
use wasi_preview1_component_adapter_provider as adapter;
use wasmparser::types::{EntityType, Types};
use wasmparser::{FuncType, Parser, Payload, ValType, Validator};
use wit_component::ComponentEncoder;

use super::{Encoded, EntryPoint, Import, Report, examine_component};

/// The export that makes a core module a program.
const START: &str = "_start";
/// The export that initialises a module, called before any other.
const INITIALIZE: &str = "_initialize";
/// The export that is a mission's entry.
const RUN: &str = "run";
/// The guest's own allocator, named by the canonical ABI: (old, old size, alignment, new size) to
/// address.
const REALLOC: &str = "cabi_realloc";
/// Prefix of the custom sections in which a module carries the types of its interfaces.
const INTERFACE_TYPES: &str = "component-type";

/// Prefixes of preview 1's functions. The adapter also exports others, for its own use.
const PREVIEW1_FAMILIES: [&str; 10] = [
    "args_", "clock_", "environ_", "fd_", "path_", "poll_", "proc_", "random_", "sched_", "sock_",
];

/// Functions with their types.
type Functions = BTreeMap<String, FuncType>;

/// The imports and exports of a core module.
struct Core {
    /// By module and name; the type is `None` if the import is not a function.
    imports: BTreeMap<String, BTreeMap<String, Option<FuncType>>>,
    exports: Functions,
    has_interface_types: bool,
}

/// Examines a core module. Its imports are judged by name and type first, because neither linker
/// nor encoder would name every error. A module that becomes a component is then judged again as a
/// component.
pub fn examine(wasm: &[u8], types: &Types) -> Result<Report> {
    let core = Core::read(wasm, types)?;
    // A mission is linked with the adapter, and may import everything that it exports.
    let known = if core.is_mission() {
        adapter_functions()?
    } else {
        preview1_functions()?
    };
    let imports = core.imports.iter();
    let mut report = Report {
        encoded: Encoded::CoreModule,
        entry: None,
        imports: imports
            .map(|(module, functions)| judge(module, functions, &known))
            .collect(),
        structure: BTreeMap::new(),
        problems: Vec::new(),
        component: None,
    };
    if core.is_mission() {
        let imports_preview1 = core.imports.contains_key(PREVIEW1);
        report.encoded = if imports_preview1 {
            Encoded::AdaptedModule
        } else {
            Encoded::LiftedModule
        };
        if imports_preview1 && !core.has_realloc() {
            report.problems.push(format!(
                "imports '{PREVIEW1}' beside a mission's interfaces, which needs an adapter in the module's memory, and exports no '{REALLOC}: (i32, i32, i32, i32) -> i32' to give it room; build it with coo-guest or wit-bindgen, which export it, or leave out WASI"
            ));
        }
        if report.reasons().is_empty() {
            return lifted(wasm, report, &core);
        }
    } else {
        match core.program() {
            Ok(entry) => report.entry = Some(entry),
            Err(problem) => report.problems.push(problem),
        }
    }
    Ok(report)
}

/// Converts the module to a component, and examines that.
fn lifted(wasm: &[u8], mut report: Report, core: &Core) -> Result<Report> {
    let is_program = core.exports.contains_key(START);
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(wasm)
        .and_then(|encoder| match (report.encoded, is_program) {
            (Encoded::AdaptedModule, true) => {
                encoder.adapter(PREVIEW1, adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)
            }
            (Encoded::AdaptedModule, false) => {
                encoder.adapter(PREVIEW1, adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
            }
            _ => Ok(encoder),
        })
        .and_then(|mut encoder| encoder.encode());
    match encoded {
        Ok(component) => examine_component(&component, report.encoded),
        Err(error) => {
            report
                .problems
                .push(format!("can't be turned into a component: {error:#}"));
            Ok(report)
        }
    }
}

impl Core {
    fn read(wasm: &[u8], types: &Types) -> Result<Self> {
        let types = types.as_ref();
        let function = |ty: Option<EntityType>| match ty {
            Some(EntityType::Func(id) | EntityType::FuncExact(id)) => {
                Some(types[id].unwrap_func().clone())
            }
            _ => None,
        };
        let mut core = Self {
            imports: BTreeMap::new(),
            exports: Functions::new(),
            has_interface_types: false,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        core.imports
                            .entry(import.module.to_owned())
                            .or_default()
                            .insert(
                                import.name.to_owned(),
                                function(types.entity_type_from_import(&import)),
                            );
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if let Some(ty) = function(types.entity_type_from_export(&export)) {
                            core.exports.insert(export.name.to_owned(), ty);
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    core.has_interface_types |= section.name().starts_with(INTERFACE_TYPES);
                }
                _ => {}
            }
        }
        Ok(core)
    }

    /// Returns whether the module can only run as a component: it imports interfaces, or exports
    /// `run` without being a program, or was built for a world that exports `run`.
    fn is_mission(&self) -> bool {
        // Modules such as `env` are refused by name; importing one does not make a program a
        // mission.
        let imports_interfaces = self.imports.keys().any(|module| module.contains(':'));
        let exports_run = self.exports.contains_key(RUN);
        let is_program = self.exports.contains_key(START);
        imports_interfaces || exports_run && (self.has_interface_types || !is_program)
    }

    fn has_realloc(&self) -> bool {
        self.exports
            .get(REALLOC)
            .is_some_and(|ty| ty.params() == [ValType::I32; 4] && ty.results() == [ValType::I32])
    }

    /// Returns the functions that start the module, in the order in which the wasmtime command
    /// calls them.
    fn program(&self) -> Result<EntryPoint, String> {
        let entries = [INITIALIZE, START].into_iter();
        let entries: Vec<&str> = entries
            .filter(|name| self.exports.contains_key(*name))
            .collect();
        if entries.is_empty() {
            let exports: Vec<&str> = self.exports.keys().map(String::as_str).collect();
            return Err(format!(
                "nothing to start: it exports [{}], needed is '{START}' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission",
                exports.join(", ")
            ));
        }
        for name in &entries {
            let ty = &self.exports[*name];
            if !ty.params().is_empty() || !ty.results().is_empty() {
                return Err(format!(
                    "nothing to start: '{name}' takes parameters or gives results, and a program's takes and gives none"
                ));
            }
        }
        Ok(EntryPoint::Program(
            entries.into_iter().map(str::to_owned).collect(),
        ))
    }
}

/// Judges the functions that a core module imports from one module. Imports other than preview 1
/// get their final verdict when the converted component is examined.
fn judge(
    module: &str,
    functions: &BTreeMap<String, Option<FuncType>>,
    known: &Functions,
) -> Import {
    let names: BTreeSet<&str> = functions.keys().map(String::as_str).collect();
    let (permits, reach, refused) = if module == PREVIEW1 {
        let reasons: Vec<String> = functions
            .iter()
            .filter_map(|(function, ty)| {
                let known = known.get(function);
                surface::judge_preview1(function, known.is_some(), ty.as_ref() == known).err()
            })
            .map(|refused| refused.to_string())
            .collect();
        let refused = (!reasons.is_empty()).then(|| reasons.join("; "));
        (
            Some(PREVIEW1_PERMITS.to_owned()),
            Some(Reach::Sandbox),
            refused,
        )
    } else {
        let judged = surface::judge(module);
        let shown = names.iter().copied().collect::<Vec<_>>().join(", ");
        (
            judged
                .as_ref()
                .ok()
                .map(|interface| interface.permits().to_owned()),
            judged
                .as_ref()
                .ok()
                .map(|interface: &Interface| interface.reach()),
            judged
                .err()
                .map(|refused| format!("{refused} (functions: {shown})")),
        )
    };
    Import {
        interface: module.to_owned(),
        functions: names.into_iter().map(str::to_owned).collect(),
        permits: permits.filter(|_| refused.is_none()),
        reach: reach.filter(|_| refused.is_none()),
        refused,
    }
}

/// Returns the functions of preview 1, read from the adapter, which exports all of them. This
/// avoids a second list.
pub fn preview1_functions() -> Result<Functions> {
    let mut functions = adapter_functions()?;
    functions.retain(|name, _| {
        PREVIEW1_FAMILIES
            .iter()
            .any(|family| name.starts_with(family))
    });
    Ok(functions)
}

fn adapter_functions() -> Result<Functions> {
    let wasm = adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER;
    let types = Validator::new().validate_all(wasm);
    let core = Core::read(wasm, &types.context("the preview 1 adapter")?)?;
    Ok(core.exports)
}
