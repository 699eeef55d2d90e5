//! Every limit of `coo` in one table, built from the constants that the code uses: the table in
//! `docs/limits.md`. Holds no number of its own and enforces nothing.

use std::fmt::Write as _;

use coo_kernel::batch::list;
use coo_kernel::batch::merge::ROOTS_MAX;
use coo_kernel::batch::report::WAITING_BYTES_MAX;
use coo_kernel::credentials::dot_env;
use coo_kernel::effects::artefact::{DEPTH_MAX, PATH_BYTES_MAX};
use coo_kernel::form::path_pattern::PATTERN_BYTES_MAX;
use coo_kernel::mission::descriptor::DESCRIPTOR_BYTES_MAX;
use coo_kernel::mission::failure::Bound;
use coo_kernel::mission::ledger::ITEM_BYTES;
use coo_kernel::mission::limits::Limits;
use coo_kernel::module::structure::{self, BOUNDS, MODULE_BYTES_MAX};
use coo_kernel::pack::{FILES_MAX, PACK_BYTES_MAX};

use crate::effects::world::TRIM_BYTES_MAX;
use crate::effects::world::bounds::{
    BYTES_PER_STEP, MEMORY_BYTES_MAX, MEMORY_SLACK_BYTES, ROWS_BYTES_MAX, SQL_LIMITS,
    STEPS_PER_LOOK, VALUE_BYTES,
};
use crate::machine::WATCHDOG_GRACE;
use crate::machine::input_file::{CONFIG_BYTES_MAX, INPUT_BYTES_MAX, RUN_FILE_BYTES_MAX};
use crate::program::engine::{FUEL_SLICE, HOST_STACK_BYTES, WASM_STACK_BYTES};
use crate::runtime::sandbox::{PARTS_MAX, RESOURCES_MAX};
use crate::state::store::LOG_BYTES_KEPT;

/// One limit.
pub struct Row {
    /// Name that other documents and errors give to the limited quantity.
    pub name: String,
    /// The maximum, or its default if it can be set.
    pub value: u64,
    pub unit: String,
    /// What happens when the limit is exceeded, or the reason for the limit.
    pub effect: String,
}

/// Limits of one part of `coo`.
pub struct Part {
    pub title: &'static str,
    pub rows: Vec<Row>,
}

fn row(name: &str, value: u64, unit: &str, effect: &str) -> Row {
    Row {
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
        effect: effect.to_owned(),
    }
}

const fn wide(number: usize) -> u64 {
    number as u64
}

/// Returns every part, in the order of the page. A test checks that the page matches; a new part
/// must be added here and in the page.
#[must_use]
pub fn parts() -> Vec<Part> {
    vec![
        Part {
            title: "Limits of a descriptor",
            rows: descriptor(),
        },
        Part {
            title: "The sandbox",
            rows: sandbox(),
        },
        Part {
            title: "Statements",
            rows: statements(),
        },
        Part {
            title: "SQLite's own limits",
            rows: sqlite(),
        },
        Part {
            title: "Artefacts and patterns",
            rows: artefacts(),
        },
        Part {
            title: "Files that a command reads",
            rows: files(),
        },
        Part {
            title: "Batches and merges",
            rows: batches(),
        },
        Part {
            title: "The structure of a module",
            rows: structure(),
        },
    ]
}

/// Returns the limits that a descriptor can set, by their names in it; the value is the default.
fn descriptor() -> Vec<Row> {
    let limits = Limits::default();
    let of = |bound: Bound| {
        let (unit, effect) = match bound {
            Bound::ArtefactBytes => ("bytes written through the gateway, whole run", "FAILED"),
            Bound::Artefacts => ("gateway writes, whole run", "FAILED"),
            Bound::DbBytes => (
                "bytes the world's database may grow by, whole run",
                "the guest gets `limit`; FAILED where SQLite rolls the run back",
            ),
            Bound::DbRows => ("rows of one query", "the guest gets `limit`"),
            Bound::DbRowsTotal => ("rows of all queries, whole run", "FAILED"),
            Bound::DbStatements => ("statements, whole run", "FAILED"),
            Bound::DbSteps => (
                "steps of SQLite's virtual machine, one statement",
                "the guest gets `limit`; FAILED where a change was cut off",
            ),
            Bound::Fuel => ("WebAssembly operators of all steps", "FAILED"),
            Bound::HostBytes => (
                "bytes across the calls of llm, db and gateway, whole run",
                "FAILED",
            ),
            Bound::LlmCalls => ("model calls, whole run", "FAILED"),
            Bound::LlmTokens => ("tokens of all model calls, whole run", "FAILED"),
            Bound::MemoryBytes => ("bytes of linear memory of a step", "FAILED"),
            Bound::OutputBytes => (
                "bytes of standard output, standard error, returned text, each",
                "FAILED",
            ),
            Bound::TableElements => ("table elements of a step", "FAILED"),
            Bound::DbMemory | Bound::Resources => ("", ""),
        };
        row(
            bound.name(),
            limits.get(bound).unwrap_or_default(),
            unit,
            effect,
        )
    };
    Bound::ALL.into_iter().map(of).collect()
}

fn sandbox() -> Vec<Row> {
    vec![
        row(
            "resources",
            wide(RESOURCES_MAX),
            "open streams and timers of a step",
            "FAILED",
        ),
        row(
            "parts",
            wide(PARTS_MAX),
            "core instances, memories, tables of a component, each",
            "refused when it is instantiated",
        ),
        row(
            "guest stack",
            wide(WASM_STACK_BYTES),
            "bytes of native stack",
            "trap: FAILED",
        ),
        row(
            "host stack",
            wide(HOST_STACK_BYTES),
            "bytes beyond the guest's, for host calls",
            "nothing that a guest can ask needs an eighth of it",
        ),
        row(
            "item of a list",
            ITEM_BYTES,
            "bytes in `host_bytes`, beside its content",
            "messages, parameters, columns, rows and values are never free",
        ),
        row(
            "fuel slice",
            FUEL_SLICE,
            "fuel between two looks at the clock",
            "`--timeout`: INTERRUPTED",
        ),
        row(
            "watchdog",
            WATCHDOG_GRACE.as_secs(),
            "seconds past `--timeout`",
            "the process says so and exits with status 5; INTERRUPTED",
        ),
    ]
}

fn statements() -> Vec<Row> {
    vec![
        row(
            "db_memory",
            MEMORY_BYTES_MAX,
            "bytes that the statements of a run hold in memory",
            "the guest gets `limit`; FAILED where a change was cut off",
        ),
        row(
            "heap",
            MEMORY_BYTES_MAX + MEMORY_SLACK_BYTES,
            "the same, at which an allocation fails",
            "FAILED (`db_memory`)",
        ),
        row(
            "rows of a query",
            ROWS_BYTES_MAX,
            "bytes",
            "the guest gets `limit`",
        ),
        row(
            "value of a row",
            VALUE_BYTES,
            "bytes in that sum, beside its content",
            "rows of many small values are bounded, too",
        ),
        row(
            "look",
            STEPS_PER_LOOK,
            "steps between two looks at work and memory",
            "part of the record's determinism",
        ),
        row(
            "step over bytes",
            BYTES_PER_STEP,
            "bytes that count as a step in instr, replace and trim",
            "work over texts is work",
        ),
        row(
            "trim(X, Y)",
            wide(TRIM_BYTES_MAX),
            "bytes of Y; so for ltrim and rtrim",
            "the guest gets `failed`",
        ),
        row(
            "log",
            LOG_BYTES_KEPT,
            "bytes of world.db-wal and coo.db-wal after a run",
            "a longer one is emptied into its database",
        ),
    ]
}

fn sqlite() -> Vec<Row> {
    let of = |limit: &crate::effects::world::bounds::SqlLimit| {
        let most = u64::try_from(limit.most).unwrap_or_default();
        row(limit.name, most, limit.unit, limit.why)
    };
    SQL_LIMITS.iter().map(of).collect()
}

fn artefacts() -> Vec<Row> {
    vec![
        row(
            "path of an artefact",
            wide(PATH_BYTES_MAX),
            "bytes",
            "refused; the journal keeps so much of it",
        ),
        row("depth of an artefact", wide(DEPTH_MAX), "names", "refused"),
        row(
            "pattern",
            wide(PATTERN_BYTES_MAX),
            "bytes of a pattern of a scope, ceiling, registry or repository",
            "refused where it is read; a comparison takes pattern times path",
        ),
    ]
}

fn files() -> Vec<Row> {
    let files = [
        ("`.env`", dot_env::BYTES_MAX),
        ("`config.json`", CONFIG_BYTES_MAX),
        #[cfg(feature = "repository")]
        ("`coo.toml`", coo_engines::repository::config::BYTES_MAX),
        ("descriptor", DESCRIPTOR_BYTES_MAX as u64),
        ("module", MODULE_BYTES_MAX),
        ("`--input`", INPUT_BYTES_MAX),
        ("exported run", RUN_FILE_BYTES_MAX),
        #[cfg(feature = "repository")]
        (
            "test results",
            coo_engines::repository::test_results::BYTES_MAX,
        ),
    ];
    let mut rows: Vec<Row> = files
        .map(|(name, bytes_max)| row(name, bytes_max, "bytes", "refused"))
        .into();
    rows.extend([
        row("pack", PACK_BYTES_MAX, "bytes", "not made; refused"),
        row(
            "files of a pack",
            wide(FILES_MAX),
            "files",
            "not made; refused",
        ),
    ]);
    rows
}

fn batches() -> Vec<Row> {
    vec![
        row(
            "line of a list, row, or CSV record",
            wide(list::LINE_BYTES_MAX),
            "bytes",
            "refused, with the whole list",
        ),
        row(
            "list",
            wide(list::LIST_BYTES_MAX),
            "bytes",
            "refused; it stays in memory while the batch begins",
        ),
        row(
            "missions of a list",
            wide(list::MISSIONS_MAX),
            "missions",
            "refused; a longer list can be split",
        ),
        row("label", wide(list::ID_BYTES_MAX), "bytes", "refused"),
        row(
            "shards",
            u64::from(list::SHARDS_MAX),
            "parts of a list",
            "refused",
        ),
        row(
            "results that wait",
            wide(WAITING_BYTES_MAX),
            "bytes of outputs that wait for earlier missions",
            "further ones are read from the record when their turn comes",
        ),
        row(
            "roots of a merge",
            wide(ROOTS_MAX),
            "state roots",
            "refused; merge in groups",
        ),
    ]
}

fn structure() -> Vec<Row> {
    let of = |bound: &structure::Bound| row(bound.name, bound.limit, "in one module", bound.why);
    BOUNDS.iter().map(of).collect()
}

/// Formats a number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the tables of `docs/limits.md`.
#[must_use]
pub fn page() -> String {
    let mut text = String::new();
    for Part { title, rows } in parts() {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "## {title}\n\n| bound | value | of what | effect |\n|---|---:|---|---|\n"
        );
        for row in rows {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                row.name,
                grouped(row.value),
                row.unit,
                row.effect
            );
        }
        text.push('\n');
    }
    text
}
