//! What one statement may take: `SQLite`'s own limits with a reason each, and the bounds that
//! this module counts itself. Holds numbers, sets them, and runs nothing.

use rusqlite::Connection;
use rusqlite::limits::Limit;

/// Steps of `SQLite`'s virtual machine between two looks at work, memory and time. Part of the
/// record's determinism: another granularity would interrupt a statement elsewhere.
pub const STEPS_PER_LOOK: u64 = 250;
/// Bytes of work over texts and blobs that count as one step.
pub const BYTES_PER_STEP: u64 = 64;
/// Bytes of rows that one query may return, places of values included.
pub const ROWS_BYTES_MAX: u64 = 64 << 20;
/// Bytes that a value of a row counts for in `ROWS_BYTES_MAX` beside its content: what it takes
/// here, in the host.
pub const VALUE_BYTES: u64 = 32;
/// Memory that the statements of a run may hold at any time: sorted rows, temporary tables,
/// values. A run that needs more sorts too much at once.
pub const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Beyond `MEMORY_BYTES_MAX`, before an allocation fails. As much once more, since what grows
/// doubles: whoever is refused here has more than the first half, and so a failure at this limit
/// is never taken for one of the machine.
pub const MEMORY_SLACK_BYTES: u64 = MEMORY_BYTES_MAX;
/// Free space on the disk from which on `SQLite`'s "full" can't be the disk's.
pub const FREE_BYTES_MIN: u64 = 64 << 20;

/// One of `SQLite`'s own limits.
pub struct SqlLimit {
    /// For `sqlite3_limit`.
    pub limit: Limit,
    /// The name that documents give it.
    pub name: &'static str,
    /// The most there may be.
    pub most: i32,
    /// Of what.
    pub unit: &'static str,
    /// Why so many.
    pub why: &'static str,
}

/// Every limit there is. What recurses in `SQLite` uses less than a megabyte of stack at these
/// depths (tests/bounds), an eighth of what a host call has (`engine::HOST_STACK_BYTES`).
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

/// Sets them all.
pub fn apply(connection: &Connection) -> rusqlite::Result<()> {
    for SqlLimit { limit, most, .. } in SQL_LIMITS {
        connection.set_limit(limit, most)?;
    }
    Ok(())
}
