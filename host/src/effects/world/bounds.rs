//! The bounds of one statement: `SQLite`'s own limits, each with a reason, and the bounds that this
//! module counts itself. Holds and sets numbers; runs no statement.

use rusqlite::Connection;
use rusqlite::limits::Limit;

/// Steps of `SQLite`'s virtual machine between two checks of work, memory and time. Determinism
/// depends on it: another value would interrupt a statement at another place.
pub const STEPS_PER_LOOK: u64 = 250;
/// Bytes of text and blobs processed that count as one step.
pub const BYTES_PER_STEP: u64 = 64;
/// Most bytes of rows that one query may return, including `VALUE_BYTES` for each value.
pub const ROWS_BYTES_MAX: u64 = 64 << 20;
/// Bytes that each value of a row counts in `ROWS_BYTES_MAX` in addition to its content: its memory
/// in the host.
pub const VALUE_BYTES: u64 = 32;
/// Most bytes of memory that the statements of a run may hold at any time, for sorted rows,
/// temporary tables and values. A run that needs more sorts too much at once.
pub const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Bytes above `MEMORY_BYTES_MAX` at which an allocation fails. As large as that bound, because
/// growing buffers double: a statement whose allocation fails here already holds more than
/// `MEMORY_BYTES_MAX`, so this failure is never mistaken for a lack of memory in the machine.
pub const MEMORY_SLACK_BYTES: u64 = MEMORY_BYTES_MAX;
/// Free bytes on the disk from which on "full" from `SQLite` can't mean the disk.
pub const FREE_BYTES_MIN: u64 = 64 << 20;

/// One of `SQLite`'s own limits.
pub struct SqlLimit {
    pub limit: Limit,
    /// The name in the documentation.
    pub name: &'static str,
    pub most: i32,
    pub unit: &'static str,
    pub why: &'static str,
}

/// Every limit of `SQLite`. At these depths, recursion in `SQLite` uses less than a megabyte of
/// stack (tests/bounds), an eighth of the stack of a host call (`engine::HOST_STACK_BYTES`).
pub const SQL_LIMITS: [SqlLimit; 15] = [
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_LENGTH,
        name: "LENGTH",
        most: 8 << 20,
        unit: "bytes of a value or a row",
        why: "one step may copy a value: this bounds its time and memory",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_SQL_LENGTH,
        name: "SQL_LENGTH",
        most: 1_000_000,
        unit: "bytes of a statement",
        why: "preparing takes memory and time by its length; values belong in parameters",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_COLUMN,
        name: "COLUMN",
        most: 200,
        unit: "columns of a table, an index, a result or an ORDER BY",
        why: "each may hold a value of full length while a row is made",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_EXPR_DEPTH,
        name: "EXPR_DEPTH",
        most: 1_000,
        unit: "nested expressions, subqueries and views",
        why: "recursion in the host's stack",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_PARSER_DEPTH,
        name: "PARSER_DEPTH",
        most: 1_000,
        unit: "nested constructs of a statement's text",
        why: "recursion in what follows the parser",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_COMPOUND_SELECT,
        name: "COMPOUND_SELECT",
        most: 100,
        unit: "SELECTs of a UNION, EXCEPT or INTERSECT",
        why: "recursion, and planning time",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_VDBE_OP,
        name: "VDBE_OP",
        most: 250_000_000,
        unit: "instructions of a prepared statement",
        why: "SQLite's own; the bound on memory comes long before",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_FUNCTION_ARG,
        name: "FUNCTION_ARG",
        most: 100,
        unit: "arguments of a function",
        why: "some functions read a whole value for each of them",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_ATTACHED,
        name: "ATTACHED",
        most: 0,
        unit: "other databases",
        why: "a mission sees one database",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
        name: "LIKE_PATTERN_LENGTH",
        most: 256,
        unit: "bytes of a pattern of LIKE or GLOB",
        why: "recursion, and time: one comparison takes up to its length times the value's",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_VARIABLE_NUMBER,
        name: "VARIABLE_NUMBER",
        most: 32_766,
        unit: "parameters",
        why: "SQLite's own; memory of a prepared statement",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_TRIGGER_DEPTH,
        name: "TRIGGER_DEPTH",
        most: 1_000,
        unit: "triggers and cascades within one another",
        why: "recursion when a statement is prepared",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_TRIGGER_STEPS,
        name: "TRIGGER_STEPS",
        most: 1_000,
        unit: "statements of a trigger",
        why: "memory of a prepared statement",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_SCHEMA,
        name: "SCHEMA",
        most: 10_000,
        unit: "tables, indexes, views and triggers of the world",
        why: "all of them are read and held in memory by every run",
    },
    SqlLimit {
        limit: Limit::SQLITE_LIMIT_WORKER_THREADS,
        name: "WORKER_THREADS",
        most: 0,
        unit: "threads of a statement",
        why: "threads have no order",
    },
];

/// Sets all limits on `connection`.
pub fn apply(connection: &Connection) -> rusqlite::Result<()> {
    for SqlLimit { limit, most, .. } in SQL_LIMITS {
        connection.set_limit(limit, most)?;
    }
    Ok(())
}
