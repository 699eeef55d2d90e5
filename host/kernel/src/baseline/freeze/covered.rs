//! What a freeze covers besides the governed state and the ends of the journals: every table of
//! `coo.db` and every module. It holds nothing of one machine. This module states which rows a
//! table may gain during a freeze, and how a later state differs. It never reads a table itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Difference, FreezeError, OTHER_CONTENT};
use crate::baseline::{self, Mode, TreeEntry};
use crate::form::canonical;
use crate::form::digest::Digest;

/// The folder of the state root with every module that ever ran.
pub const MODULES: &str = "modules";
/// The name under which the definitions of tables and triggers are digested.
pub const SCHEMA: &str = "sqlite_schema";

/// Everything that a freeze covers besides the governed state and the journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// Identity of the executable on its file system, in a manifest of an earlier build. It is kept so
    /// that the manifest keeps its bytes, and never written now: it says nothing about the state.
    pub coo_stamp: Option<Stamp>,
    /// Files that are locked but not part of the governed state (the missions' database, if it
    /// exists), with the permissions that lifting the freeze restores.
    pub locked: BTreeMap<String, Mode>,
    /// The folder `modules`, as a tree.
    pub modules: baseline::Manifest,
    /// `coo.db`.
    pub store: Tables,
}

/// Evidence that a file is unchanged: device, inode and size, then seconds and nanoseconds of the
/// last change of its content (mtime) and of anything (ctime). No program can set the ctime.
pub type Stamp = [i64; 7];

/// What must not change in `coo.db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// The rows that may be added.
    pub bounds: Bounds,
    /// Digest of each table over its rows in key order, as far as `bounds` includes them.
    pub digests: BTreeMap<String, Digest>,
    /// Format of the database. Another format has other table definitions.
    pub format: i32,
}

/// The last rows of those tables that may gain rows during a freeze.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Number of the last freeze before this one.
    pub last_freeze: u32,
    /// Number of the last rollback request. A governed change requests its rollback before it lifts
    /// its freeze.
    pub last_rollback: u32,
    /// Governed changes in progress, with the number of their last event: they may continue.
    pub open_changes: BTreeMap<u32, u32>,
}

impl Bounds {
    /// Returns whether the freeze covers the event `seq` of the governed change `change`: every
    /// event of a change that was not in progress, else those up to the last one recorded.
    pub fn has_event(&self, change: u32, seq: u32) -> bool {
        let last = self.open_changes.get(&change);
        last.is_none_or(|last| seq <= *last)
    }
}

/// The text form.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coo_stamp: Option<Stamp>,
    locked: BTreeMap<String, String>,
    #[cfg_attr(feature = "schemas", schemars(with = "baseline::Form"))]
    modules: serde_json::Value,
    store: Tables,
}

impl Covered {
    pub(super) fn form(&self) -> Form {
        let locked = self.locked.iter();
        let locked = locked.map(|(file, mode)| (file.clone(), mode.text()));
        Form {
            coo_stamp: self.coo_stamp,
            locked: locked.collect(),
            modules: serde_json::from_str(&self.modules.to_text()).unwrap_or_default(),
            store: self.store.clone(),
        }
    }

    pub(super) fn of(form: Form) -> Result<Self, FreezeError> {
        let modules = canonical::to_string(&form.modules)
            .map_err(|error| FreezeError::Form(error.to_string()))?;
        let locked = form.locked.into_iter();
        let locked = locked.map(|(file, mode)| Ok((file, Mode::from_text(&mode)?)));
        Ok(Self {
            coo_stamp: form.coo_stamp,
            locked: locked.collect::<Result<_, FreezeError>>()?,
            modules: baseline::Manifest::parse(modules.as_bytes())?,
            store: form.store,
        })
    }

    /// Returns how the modules found differ; `found` must be sorted.
    pub fn differences_of_modules(&self, found: &[TreeEntry]) -> Vec<Difference> {
        let differences = baseline::differences(&self.modules, found).into_iter();
        differences.map(Difference::from).collect()
    }
}

impl Tables {
    /// Returns how `found` differs: digests within the same bounds, of a database of the format
    /// `format`.
    pub fn differences(&self, found: &BTreeMap<String, Digest>, format: i32) -> Vec<Difference> {
        let recorded = self.digests.iter();
        let changed = recorded.filter(|(table, digest)| {
            // A database migrated to another format has other definitions, as it should, and
            // lacks the tables that the new format dropped.
            let is_gone = !found.contains_key(*table);
            let is_other = format != self.format && (table.as_str() == SCHEMA || is_gone);
            !is_other && found.get(*table) != Some(*digest)
        });
        changed
            .map(|(table, _)| Difference {
                change: OTHER_CONTENT,
                what: format!("table {table} of coo.db"),
            })
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::baseline::{Node, TreePath};

    pub fn covered() -> Covered {
        let folder = TreeEntry {
            path: TreePath::from_text(MODULES).unwrap(),
            node: Node::Folder {
                mode: Mode::of(0o755),
            },
        };
        let module = TreeEntry {
            path: TreePath::from_text("modules/a.wasm").unwrap(),
            node: Node::File {
                mode: Mode::of(0o644),
                sha256: Digest::of("a"),
                size: 1,
            },
        };
        Covered {
            coo_stamp: Some([1, 2, 3, 4, 5, 6, 7]),
            locked: [("world.db".to_owned(), Mode::of(0o644))].into(),
            modules: baseline::Manifest::new(vec![folder, module]).unwrap(),
            store: Tables {
                bounds: Bounds {
                    last_freeze: 1,
                    last_rollback: 2,
                    open_changes: [(3, 4)].into(),
                },
                digests: [SCHEMA, "blobs", "missions"]
                    .map(|table| (table.to_owned(), Digest::of(table)))
                    .into(),
                format: 4,
            },
        }
    }

    #[test]
    fn every_table_and_module_counts() {
        let covered = covered();
        let store = &covered.store;
        assert_eq!(store.differences(&store.digests, 4), []);
        for table in store.digests.keys() {
            let mut found = store.digests.clone();
            found.insert(table.clone(), Digest::of("other"));
            let named = format!("table {table} of coo.db");
            let differences = store.differences(&found, 4);
            assert_eq!(differences.len(), 1);
            assert_eq!(differences[0].what, named);
            // Another format has another schema and may lack a table.
            let is_schema = table == SCHEMA;
            assert_eq!(store.differences(&found, 5).is_empty(), is_schema);
            found.remove(table);
            assert_eq!(store.differences(&found, 4).len(), 1);
            assert_eq!(store.differences(&found, 5), []);
        }
        let modules = covered.modules.entries();
        assert_eq!(covered.differences_of_modules(modules), []);
        let differences = covered.differences_of_modules(&modules[..1]);
        assert_eq!(differences[0].what, "modules/a.wasm");
        assert_eq!(differences[0].change, "missing");
    }

    #[test]
    fn only_changes_under_way_get_events() {
        let bounds = covered().store.bounds;
        assert!(bounds.has_event(3, 4) && !bounds.has_event(3, 5));
        assert!(bounds.has_event(2, 9));
    }
}
