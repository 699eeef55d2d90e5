//! The list of a batch: reads the files that the command line names. The kernel says what a line means
//! (`coo_kernel::batch::list`). Runs nothing, and stores nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::batch::list::{
    Entry, InputRefused, LIST_BYTES_MAX, List as Entries, ListError, Shard, What, with_input,
};
use coo_kernel::form::digest::Digest;

use super::Options;
use crate::hint::{self, Hint as _};
use crate::machine::input_file::read as read_file;
use crate::mission::batch::Item;
use crate::mission::source::Source;

/// A list that was read.
pub struct List {
    /// As the user named it.
    pub name: String,
    pub sha256: Digest,
    entries: Vec<Entry>,
    /// The mission that takes rows.
    rows_of: Option<Source>,
    /// The folder of the list.
    folder: PathBuf,
}

/// Reads the list.
pub fn read(options: &Options) -> Result<List> {
    let (name, entries, rows_of) = match (&options.glob, &options.list, &options.inputs) {
        (Some(pattern), _, _) => (pattern.clone(), of_pattern(pattern)?, None),
        (None, Some(mission), Some(inputs)) => {
            let mission = Source::named(mission)?;
            let name = inputs.display().to_string();
            let bytes = read_file(inputs, LIST_BYTES_MAX as u64).context("list")?;
            let is_csv = inputs
                .extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
            let entries = if is_csv {
                Entries::of_csv(&bytes, &mission.descriptor)
            } else {
                Entries::of_rows(&bytes, &mission.descriptor)
            };
            (
                name.clone(),
                entries.map_err(|error| refused(&name, &error))?,
                Some(mission),
            )
        }
        (None, Some(list), None) => {
            let bytes = read_file(Path::new(list), LIST_BYTES_MAX as u64).context("list")?;
            let entries = Entries::of_missions(&bytes);
            (
                list.clone(),
                entries.map_err(|error| refused(list, &error))?,
                None,
            )
        }
        (None, None, _) => bail!(anyhow!("list: none named").hint("name one, or give --glob")),
    };
    let folder = Path::new(&name).parent().unwrap_or(Path::new("."));
    Ok(List {
        folder: folder.to_owned(),
        name,
        sha256: entries.sha256,
        entries: entries.entries,
        rows_of,
    })
}

/// Returns the files that match, in the order of their paths.
fn of_pattern(pattern: &str) -> Result<Entries> {
    let shown = || format!("pattern {pattern}");
    let mut paths = Vec::new();
    for found in glob::glob(pattern).with_context(shown)? {
        let path = found.with_context(shown)?;
        if path.is_file() {
            let path = path.into_os_string().into_string();
            let path = path.map_err(|path| anyhow!("path {}: not UTF-8", path.display()))?;
            paths.push(path);
        }
    }
    match Entries::of_paths(paths) {
        Err(ListError::Empty) => {
            bail!(
                anyhow!("pattern {pattern}: no file matches")
                    .hint("quote it, so that coo expands it and not the shell")
            )
        }
        entries => entries.map_err(|error| refused(pattern, &error)),
    }
}

fn refused(name: &str, error: &ListError) -> anyhow::Error {
    hint::with_all(anyhow!("list {name}: {error}"), error.hints())
}

impl List {
    /// Returns how many missions the shard has.
    pub fn count(&self, shard: Shard) -> usize {
        (0..self.entries.len())
            .filter(|position| shard.takes(*position))
            .count()
    }

    /// Returns the missions of the shard, each read when it is asked for.
    pub fn items(&self, shard: Shard) -> impl Iterator<Item = Result<Item>> {
        let mut named: BTreeMap<&str, Source> = BTreeMap::new();
        let entries = self.entries.iter().enumerate();
        entries
            .filter(move |(position, _)| shard.takes(*position))
            .map(move |(_, entry)| {
                let source = self.source(entry, &mut named);
                let source = source.with_context(|| match entry.line {
                    0 => format!("pattern {}", self.name),
                    line => format!("list {}: line {line}", self.name),
                })?;
                Ok(Item {
                    label: entry.id.clone(),
                    source,
                })
            })
    }

    fn source<'a>(
        &'a self,
        entry: &'a Entry,
        named: &mut BTreeMap<&'a str, Source>,
    ) -> Result<Source> {
        let (source, input) = match &entry.mission {
            What::Inline(descriptor) => {
                let name = format!("{}:{}", self.name, entry.line);
                return Source::inline(&name, (**descriptor).clone(), &self.folder);
            }
            What::Named { mission, input } => {
                let source = if let Some(known) = named.get(mission.as_str()) {
                    known.clone()
                } else {
                    let mut source = Source::named(mission)?;
                    // Many descriptors of one module share its bytes.
                    let known = named.values().find(|known| known.module == source.module);
                    if let Some(known) = known {
                        source.wasm = known.wasm.clone();
                    }
                    named.insert(mission, source.clone());
                    source
                };
                (source, input.as_ref())
            }
            What::Row(row) => {
                let mission = self
                    .rows_of
                    .as_ref()
                    .context("list: a row without a mission")?;
                (mission.clone(), Some(row))
            }
        };
        let Some(input) = input else {
            return Ok(source);
        };
        let descriptor =
            with_input(&source.descriptor, input).map_err(|refused: InputRefused| {
                hint::with_all(
                    anyhow!("descriptor {}: {refused}", source.name),
                    refused.hint().map(str::to_owned),
                )
            })?;
        Ok(Source {
            descriptor,
            ..source
        })
    }
}
