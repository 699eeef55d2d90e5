//! Counts the parts of a module that cost more than their bytes, and compares each with its bound
//! in the kernel. One pass in linear time, before a validator, an encoder or a compiler sees the
//! module. Expands nothing: the parts that instantiation multiplies are multiplied as numbers.
//! Never judges validity: the validator explains a module that can't be read here.

mod function;

use anyhow::{Result, anyhow};
use coo_kernel::module::structure::{Counted, Expansion, Part, TooLarge};
use function::Function;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, CompositeInnerType, ElementItems, Encoding, FunctionBody, Parser, Payload,
    TypeRef,
};

use crate::hint::Hint as _;

/// Name of the custom sections that hold a component describing types; tools parse it as one.
const EMBEDDED_TYPES: &str = "component-type";

/// Elements that one expression counts as, because it is stored as a small program of its own.
const EXPRESSION_WEIGHT: u64 = 8;

/// An instance without its content.
const ONE_INSTANCE: Expansion = Expansion {
    instances: 1,
    items: 1,
};

/// Counts the parts of `wasm`. Returns an error at the first part that is too large.
pub fn count(wasm: &[u8]) -> Result<Counted> {
    let mut pass = Pass::default();
    match pass.file(wasm) {
        Ok(()) | Err(Ended::Unreadable) => Ok(pass.counted),
        Err(Ended::TooLarge(error)) => Err(error.into()),
        Err(Ended::Refused(error)) => Err(error),
    }
}

/// Why the pass did not reach the end of the file.
enum Ended {
    TooLarge(TooLarge),
    Refused(anyhow::Error),
    /// The validator will explain the error.
    Unreadable,
}

impl From<TooLarge> for Ended {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

impl From<wasmparser::Error> for Ended {
    fn from(_: wasmparser::Error) -> Self {
        Self::Unreadable
    }
}

type Step = std::result::Result<(), Ended>;

#[derive(Default)]
struct Pass {
    counted: Counted,
    open: Vec<Unit>,
    /// Number of modules and components begun.
    units: u64,
    custom_sections: u64,
}

/// A core module or component that is being read.
#[derive(Default)]
struct Unit {
    is_component: bool,
    types: u64,
    imports: u64,
    exports: u64,
    // Only for a core module.
    type_values: u64,
    /// Number of parameters and results of each type; (0, 0) for a type that is not a function.
    signatures: Vec<(u64, u64)>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    functions_imported: usize,
    bodies: usize,
    globals: u64,
    tables: u64,
    memories: u64,
    elements: u64,
    // Only for a component.
    /// The expansion of one instance of each component, if it is known.
    components: Vec<Option<Expansion>>,
    expansion: Expansion,
}

impl Pass {
    fn file(&mut self, wasm: &[u8]) -> Step {
        let outer = self.open.len();
        for payload in Parser::new(0).parse_all(wasm) {
            self.payload(payload?)?;
        }
        self.open.truncate(outer);
        Ok(())
    }

    fn payload(&mut self, payload: Payload<'_>) -> Step {
        match payload {
            Payload::Version { encoding, .. } => {
                self.units += 1;
                self.counted.reach(Part::Modules, self.units)?;
                self.open.push(Unit {
                    is_component: encoding == Encoding::Component,
                    ..Unit::default()
                });
                let depth = self.open.iter().filter(|unit| unit.is_component).count();
                self.counted.reach(Part::Nesting, depth as u64)?;
            }
            Payload::CustomSection(section) => {
                self.custom_sections += 1;
                self.counted
                    .reach(Part::CustomSections, self.custom_sections)?;
                if section.name().starts_with(EMBEDDED_TYPES) {
                    match self.file(section.data()) {
                        // The reader of this section reports it.
                        Err(Ended::Unreadable) => {}
                        ended => ended?,
                    }
                }
            }
            Payload::End(_) => self.close()?,
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            payload => {
                let Some(unit) = self.open.last_mut() else {
                    return Err(Ended::Unreadable);
                };
                if unit.is_component {
                    self.component_section(payload)?;
                } else {
                    unit.core_section(payload, &mut self.counted)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the innermost open unit.
    fn close(&mut self) -> Step {
        let Some(unit) = self.open.pop() else {
            return Err(Ended::Unreadable);
        };
        if unit.is_component
            && let Some(outer) = self.open.last_mut()
        {
            outer.components.push(Some(unit.expansion));
        }
        Ok(())
    }

    fn component_section(&mut self, payload: Payload<'_>) -> Step {
        let Some((unit, outer)) = self.open.split_last_mut() else {
            return Err(Ended::Unreadable);
        };
        let counted = &mut self.counted;
        let items = |items: u64| Expansion {
            instances: 0,
            items,
        };
        match payload {
            Payload::CoreTypeSection(section) => {
                unit.add_types(u64::from(section.count()), counted)?;
            }
            Payload::ComponentTypeSection(section) => {
                unit.add_types(u64::from(section.count()), counted)?;
            }
            Payload::ComponentCanonicalSection(section) => {
                unit.expand(items(u64::from(section.count())), counted)?;
            }
            Payload::InstanceSection(section) => {
                let count = u64::from(section.count());
                let instances = Expansion {
                    instances: count,
                    items: count,
                };
                unit.expand(instances, counted)?;
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    unit.expand(ONE_INSTANCE, counted)?;
                    match instance? {
                        ComponentInstance::Instantiate {
                            component_index, ..
                        } => unit.instantiate(component_index, counted)?,
                        ComponentInstance::FromExports(exports) => {
                            unit.expand(items(exports.len() as u64), counted)?;
                        }
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    unit.expand(items(1), counted)?;
                    match alias? {
                        ComponentAlias::InstanceExport {
                            kind: ComponentExternalKind::Component,
                            ..
                        } => unit.components.push(None),
                        ComponentAlias::Outer {
                            kind: ComponentOuterAliasKind::Component,
                            count,
                            index,
                        } => {
                            let from: &Unit = match count as usize {
                                0 => unit,
                                count if count <= outer.len() => &outer[outer.len() - count],
                                _ => return Err(Ended::Unreadable),
                            };
                            let known = from.components.get(index as usize).copied();
                            unit.components.push(known.flatten());
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    unit.expand(items(1), counted)?;
                    unit.add_imports(1, counted)?;
                    if let ComponentTypeRef::Component(_) = import?.ty {
                        unit.components.push(None);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    unit.expand(items(1), counted)?;
                    unit.add_exports(1, counted)?;
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        let known = unit.components.get(export.index as usize).copied();
                        unit.components.push(known.flatten());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Step {
        let Some(unit) = self.open.last_mut() else {
            return Err(Ended::Unreadable);
        };
        let index = unit.functions_imported + unit.bodies;
        unit.bodies += 1;
        match Function::count(unit, index, body, &mut self.counted) {
            Err(Ended::TooLarge(error)) => Err(Ended::TooLarge(TooLarge {
                place: Some(format!("function {index}")),
                ..error
            })),
            ended => ended,
        }
    }
}

impl Unit {
    fn add_types(&mut self, count: u64, counted: &mut Counted) -> Step {
        self.types += count;
        Ok(counted.reach(Part::Types, self.types)?)
    }

    fn add_imports(&mut self, count: u64, counted: &mut Counted) -> Step {
        self.imports += count;
        Ok(counted.reach(Part::Imports, self.imports)?)
    }

    fn add_exports(&mut self, count: u64, counted: &mut Counted) -> Step {
        self.exports += count;
        Ok(counted.reach(Part::Exports, self.exports)?)
    }

    /// Adds to the expansion of one instance of this component.
    fn expand(&mut self, more: Expansion, counted: &mut Counted) -> Step {
        self.expansion.take_in(more);
        counted.reach(Part::Instances, self.expansion.instances)?;
        Ok(counted.reach(Part::InstantiatedItems, self.expansion.items)?)
    }

    fn instantiate(&mut self, component: u32, counted: &mut Counted) -> Step {
        match self.components.get(component as usize) {
            Some(Some(inner)) => self.expand(*inner, counted),
            Some(None) => Err(Ended::Refused(
                anyhow!(
                    "structure: component {component} is instantiated, but comes from \
                     an import or another instance, so that nobody can tell its size \
                     beforehand"
                )
                .hint("compose the program with the component itself"),
            )),
            None => Err(Ended::Unreadable),
        }
    }

    fn core_section(&mut self, payload: Payload<'_>, counted: &mut Counted) -> Step {
        match payload {
            Payload::TypeSection(section) => {
                self.add_types(u64::from(section.count()), counted)?;
                for group in section {
                    for ty in group?.types() {
                        let signature = match &ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => {
                                (ty.params().len() as u64, ty.results().len() as u64)
                            }
                            _ => (0, 0),
                        };
                        self.signatures.push(signature);
                        self.type_values += signature.0 + signature.1;
                        counted.reach(Part::TypeValues, self.type_values)?;
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.add_imports(1, counted)?;
                    match import?.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.functions.push(ty),
                        TypeRef::Table(_) => self.tables += 1,
                        TypeRef::Memory(_) => self.memories += 1,
                        TypeRef::Global(_) => self.globals += 1,
                        TypeRef::Tag(_) => {}
                    }
                }
                self.functions_imported = self.functions.len();
            }
            Payload::FunctionSection(section) => {
                let count = self.functions.len() as u64 + u64::from(section.count());
                counted.reach(Part::Functions, count)?;
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => self.tables += u64::from(section.count()),
            Payload::MemorySection(section) => self.memories += u64::from(section.count()),
            Payload::GlobalSection(section) => self.globals += u64::from(section.count()),
            Payload::ExportSection(section) => {
                self.add_exports(u64::from(section.count()), counted)?;
            }
            Payload::ElementSection(section) => {
                for segment in section {
                    self.elements += match segment?.items {
                        ElementItems::Functions(items) => u64::from(items.count()),
                        ElementItems::Expressions(_, items) => {
                            EXPRESSION_WEIGHT * u64::from(items.count())
                        }
                    };
                    counted.reach(Part::Elements, self.elements)?;
                }
            }
            Payload::DataSection(section) => {
                counted.reach(Part::DataSegments, u64::from(section.count()))?;
            }
            _ => {}
        }
        counted.reach(Part::Tables, self.tables)?;
        counted.reach(Part::Memories, self.memories)?;
        Ok(counted.reach(Part::Globals, self.globals)?)
    }

    /// Returns the number of parameters and results of type `index`.
    fn signature(&self, index: u32) -> (u64, u64) {
        // A module that refers to a missing type is invalid and is never compiled.
        let known = self.signatures.get(index as usize).copied();
        known.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> Counted {
        count(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn what_a_module_has_is_what_is_counted() {
        let counted = counted(
            r#"(module
                 (type (func (param i32 i32) (result i32)))
                 (type (func (result i32 i32 i32)))
                 (import "a" "b" (func (type 1)))
                 (memory (export "memory") 1)
                 (table 3 funcref)
                 (global i32 (i32.const 1))
                 (elem (i32.const 0) func 0 1 1)
                 (func (type 0) (local i64 i64)
                   (loop (block (drop (local.get 0)) (drop (local.get 1)) (drop (local.get 1))))
                   (block (block (br_table 0 1 0 (i32.const 0))))
                   (call 0) drop drop))"#,
        );
        for (part, found) in [
            (Part::Modules, 1),
            (Part::Types, 2),
            (Part::TypeValues, 6),
            (Part::Imports, 1),
            (Part::Exports, 1),
            (Part::Functions, 2),
            (Part::Locals, 4),
            (Part::BlockDepth, 2),
            (Part::BlockWork, 6),
            (Part::BlockValues, 3),
            (Part::LoopLocals, 3),
            (Part::BranchTargets, 3),
            (Part::Globals, 1),
            (Part::Tables, 1),
            (Part::Memories, 1),
            (Part::Elements, 3),
            (Part::Nesting, 0),
            (Part::Instances, 0),
        ] {
            assert_eq!(counted.largest(part), found, "{part:?}");
        }
    }

    #[test]
    fn instances_are_multiplied_level_by_level() {
        let counted = counted(
            r"(component
                 (core module $m)
                 (component $inner
                   (alias outer 1 $m (core module $m))
                   (core instance (instantiate $m))
                   (core instance (instantiate $m)))
                 (component $outer
                   (alias outer 1 $inner (component $inner))
                   (instance (instantiate $inner))
                   (instance (instantiate $inner))
                   (instance (instantiate $inner)))
                 (instance (instantiate $outer))
                 (instance (instantiate $outer)))",
        );
        // Each $outer has three instances with two inside each, and there are two instances of
        // $outer.
        assert_eq!(counted.largest(Part::Instances), 2 * (1 + 3 * (1 + 2)));
        assert_eq!(counted.largest(Part::Nesting), 2);
        assert_eq!(counted.largest(Part::Modules), 4);
    }

    #[test]
    fn what_can_not_be_read_is_no_matter_of_structure() {
        for bytes in [
            &b""[..],
            b"\0asm",
            b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f",
            b"text",
        ] {
            assert!(count(bytes).is_ok());
        }
    }
}
