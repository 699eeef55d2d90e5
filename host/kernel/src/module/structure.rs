//! How large each part of a module may be before anything expensive reads it: one table of named
//! bounds, and the counters that are compared with it. The host counts in one pass over the bytes;
//! this module decides, and never sees the bytes or their encoding.
//! Why these parts: compilers and validators take time or memory for them out of proportion to the
//! file, and a file of a kilobyte can ask for a billion instances. Everything else about a module
//! is bounded by the length of its file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Largest module, in bytes. `CPython` compiled to WebAssembly has 26 MB.
pub const MODULE_BYTES_MAX: u64 = 256 << 20;

/// A part of a module that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Components inside components.
    Nesting,
    /// Core modules and components in one file.
    Modules,
    /// Instances that one instantiation of the whole makes.
    Instances,
    /// Definitions that one instantiation of the whole goes through.
    InstantiatedItems,
    /// Type definitions of one module or component.
    Types,
    /// Parameters and results of all function types of one module.
    TypeValues,
    /// Imports of one module or component.
    Imports,
    /// Exports of one module or component.
    Exports,
    /// Functions of one module.
    Functions,
    /// Bytes of one function's code.
    FunctionBytes,
    /// Parameters and local variables of one function.
    Locals,
    /// Blocks inside blocks, in one function.
    BlockDepth,
    /// Sum of the depths at which one function's blocks end.
    BlockWork,
    /// Values that multi-value blocks, branches and calls of one function move.
    BlockValues,
    /// For every loop of one function, the local variables used in it.
    LoopLocals,
    /// Targets of all branch tables of one function.
    BranchTargets,
    /// Globals of one module.
    Globals,
    /// Tables of one module.
    Tables,
    /// Memories of one module.
    Memories,
    /// Elements of all element segments of one module; one that is an expression counts as eight.
    Elements,
    /// Data segments of one module.
    DataSegments,
    /// Custom sections of one file.
    CustomSections,
}

/// A bound with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub part: Part,
    /// As errors and documents name the part.
    pub name: &'static str,
    /// The most that is permitted.
    pub limit: u64,
    /// Why there is a bound, and what real programs need.
    pub why: &'static str,
}

/// Number of bounds.
pub const COUNT: usize = 22;

const fn bound(part: Part, name: &'static str, limit: u64, why: &'static str) -> Bound {
    Bound {
        part,
        name,
        limit,
        why,
    }
}

/// Every bound, in the order of `Part`.
pub const BOUNDS: [Bound; COUNT] = [
    bound(
        Part::Nesting,
        "nesting of components",
        32,
        "tools that compose components nest three or four",
    ),
    bound(
        Part::Modules,
        "core modules and components in the file",
        1_000,
        "a Python program with native libraries has some fifty",
    ),
    bound(
        Part::Instances,
        "instances after expansion",
        10_000,
        "each is compiled in place, and nested instantiation multiplies; an adapted program has ten",
    ),
    bound(
        Part::InstantiatedItems,
        "definitions after expansion",
        1_000_000,
        "each instance goes through all definitions of its component once more",
    ),
    bound(
        Part::Types,
        "types",
        100_000,
        "each is compared with all others; large programs have some thousands",
    ),
    bound(
        Part::TypeValues,
        "parameters and results of all types",
        1_000_000,
        "a type of 2,000 values costs two bytes wherever it is named",
    ),
    bound(
        Part::Imports,
        "imports",
        100_000,
        "each becomes a slot of every instance and a line of the audit",
    ),
    bound(
        Part::Exports,
        "exports",
        100_000,
        "each becomes an entry of a map in every instance",
    ),
    bound(
        Part::Functions,
        "functions",
        250_000,
        "an empty function of four bytes takes a thousand times that to compile; LLVM has 133,000",
    ),
    bound(
        Part::FunctionBytes,
        "bytes of a function",
        4 << 20,
        "register allocation is dearer than linear; LLVM's largest has 320,000",
    ),
    bound(
        Part::Locals,
        "parameters and locals of a function",
        50_000,
        "a run of locals takes four bytes whatever its length",
    ),
    bound(
        Part::BlockDepth,
        "nested blocks",
        10_000,
        "the cost of compiling is the square of the depth; Go programs come to 3,300",
    ),
    bound(
        Part::BlockWork,
        "sum of the depths of a function's blocks",
        200_000_000,
        "many deep nests one after the other cost as much as one that is deeper",
    ),
    bound(
        Part::BlockValues,
        "values moved by blocks, branches and calls of a function",
        200_000,
        "a block of 1,000 results takes three bytes; compilers give most blocks one result",
    ),
    bound(
        Part::LoopLocals,
        "locals used in loops of a function",
        1_000_000,
        "each loop takes every local used in it as a parameter; LLVM comes to 9,000",
    ),
    bound(
        Part::BranchTargets,
        "branch-table targets of a function",
        250_000,
        "each target is an edge of the control-flow graph; a large Go program has 5,500",
    ),
    bound(
        Part::Globals,
        "globals",
        100_000,
        "each takes sixteen bytes of every instance",
    ),
    bound(
        Part::Tables,
        "tables",
        100,
        "each is laid out while the module is compiled",
    ),
    bound(
        Part::Memories,
        "memories",
        100,
        "each is laid out while the module is compiled",
    ),
    bound(
        Part::Elements,
        "elements of all segments",
        500_000,
        "one of a byte takes a thousand of them to compile; an expression counts as eight; LLVM has 37,000",
    ),
    bound(
        Part::DataSegments,
        "data segments",
        100_000,
        "each is a copy that every instantiation makes; a large Go program has 98,000",
    ),
    bound(
        Part::CustomSections,
        "custom sections",
        10_000,
        "each is looked at by every pass over the file; debug information has some twenty",
    ),
];

/// A module that is larger in one part than the bound on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "structure: {}{name}: {found} found, {limit} is the limit ({why})",
    place.as_ref().map_or(String::new(), |place| format!("{place}: "))
)]
pub struct TooLarge {
    pub part: Part,
    pub name: &'static str,
    /// What was counted up to there; the module may have more.
    pub found: u64,
    pub limit: u64,
    pub why: &'static str,
    /// Where in the module, if it is one place.
    pub place: Option<String>,
}

impl TooLarge {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some("no compiler makes such a module: take it for hostile, or have its generator changed")
    }
}

/// The largest count of each part so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    largest: [u64; COUNT],
}

impl Part {
    /// Returns its row of the table.
    #[must_use]
    pub const fn bound(self) -> &'static Bound {
        &BOUNDS[self as usize]
    }
}

impl Counted {
    /// Records that `part` reached `found` somewhere in the module, and keeps the largest. Fails if
    /// that exceeds the bound.
    pub fn reach(&mut self, part: Part, found: u64) -> Result<(), TooLarge> {
        let largest = &mut self.largest[part as usize];
        *largest = found.max(*largest);
        let bound = part.bound();
        if found <= bound.limit {
            return Ok(());
        }
        Err(TooLarge {
            part,
            name: bound.name,
            found,
            limit: bound.limit,
            why: bound.why,
            place: None,
        })
    }

    /// Returns the largest recorded count of each part.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<Part, u64> {
        let counted = BOUNDS.iter().zip(self.largest);
        counted
            .map(|(bound, largest)| (bound.part, largest))
            .collect()
    }

    /// Returns the largest recorded count of `part`.
    #[must_use]
    pub const fn largest(&self, part: Part) -> u64 {
        self.largest[part as usize]
    }
}

/// What one instantiation of a component amounts to. It saturates, so that an exponential count is
/// compared with its bound without being counted out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expansion {
    pub instances: u64,
    /// Definitions that the instantiation goes through.
    pub items: u64,
}

impl Expansion {
    /// Adds `other`, which is instantiated inside this one.
    pub fn take_in(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.items = self.items.saturating_add(other.items);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_parts_and_every_name_is_its_own() {
        for (number, bound) in BOUNDS.iter().enumerate() {
            assert_eq!(bound.part as usize, number, "{}", bound.name);
            assert_eq!(bound.part.bound(), bound);
            assert!(bound.limit > 0 && !bound.why.is_empty());
            let same = BOUNDS.iter().filter(|other| other.name == bound.name);
            assert_eq!(same.count(), 1, "{}", bound.name);
        }
        assert_eq!(Part::CustomSections as usize, COUNT - 1);
    }

    #[test]
    fn a_bound_holds_to_the_last_one() {
        for bound in BOUNDS {
            let mut counted = Counted::default();
            assert_eq!(counted.reach(bound.part, bound.limit), Ok(()));
            let error = counted.reach(bound.part, bound.limit + 1).unwrap_err();
            assert_eq!((error.part, error.found), (bound.part, bound.limit + 1));
            let text = error.to_string();
            for said in [bound.name, &format!("{} is the limit", bound.limit)] {
                assert!(text.contains(said), "{text}");
            }
        }
    }

    #[test]
    fn eight_tenfold_levels_are_a_hundred_million_instances_and_eighty_saturate() {
        let of = |levels: u32| {
            let mut inner = Expansion {
                instances: 1,
                items: 1,
            };
            for _ in 0..levels {
                let mut outer = Expansion::default();
                for _ in 0..10 {
                    outer.take_in(inner);
                }
                inner = outer;
            }
            inner.instances
        };
        assert_eq!(of(8), 100_000_000);
        assert_eq!(of(80), u64::MAX);
    }

    proptest! {
        #[test]
        fn the_largest_is_kept_whatever_the_order(mut found in prop::collection::vec(0..1_000_u64, 1..20)) {
            let mut counted = Counted::default();
            for one in &found {
                counted.reach(Part::Types, *one).unwrap();
            }
            found.sort_unstable();
            prop_assert_eq!(counted.largest(Part::Types), found[found.len() - 1]);
        }
    }
}
