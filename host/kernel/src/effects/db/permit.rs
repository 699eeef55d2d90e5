//! What a statement may do: the table that the host's `SQLite` authorizer asks. Only functions
//! listed by name are permitted, so a function that a later `SQLite` adds is refused until it is
//! reviewed. Nothing here opens a database.

/// What a statement is about to do, as far as permission depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    Alter,
    Attach,
    Detach,
    /// `PRAGMA`, as a statement or as a table.
    Pragma(&'a str),
    /// `BEGIN`, `COMMIT`, `ROLLBACK`.
    Transaction,
    /// `SAVEPOINT`, `RELEASE`.
    Savepoint,
    /// `CREATE VIRTUAL TABLE … USING module`.
    VirtualTable(&'a str),
    /// Reading the table or view of this name.
    Read(&'a str),
    /// A call of the SQL function of this name.
    Function(&'a str),
    /// Any other known action, such as changing rows or creating and dropping a table.
    Ordinary,
    /// An action that a later `SQLite` may introduce.
    Unknown,
}

/// Functions that give the same result for the same arguments and the same run, and whose work
/// grows no faster than their arguments. Names are those that `SQLite` gives to its authorizer,
/// in lower case, sorted.
pub const PERMITTED_FUNCTIONS: [&str; 100] = [
    "->",
    "->>",
    "abs",
    "avg",
    "changes",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_insert",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_array_insert",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "lag",
    "last_insert_rowid",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "printf",
    "quote",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "soundex",
    // For SQLite's own use in ALTER TABLE; SQLite lets no statement of a guest call them.
    "sqlite_add_constraint",
    "sqlite_drop_column",
    "sqlite_drop_constraint",
    "sqlite_fail",
    "sqlite_find_constraint",
    "sqlite_rename_column",
    "sqlite_rename_quotefix",
    "sqlite_rename_table",
    "sqlite_rename_test",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "total",
    "total_changes",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unlikely",
    "upper",
    "zeroblob",
];

/// Functions that are refused because they read the clock.
const CLOCKS: [&str; 10] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "julianday",
    "strftime",
    "time",
    "timediff",
    "unixepoch",
];

/// Tables that the database derives from the connection or the file's layout, which differ even if
/// two databases have the same content.
const REFUSED_TABLES: [&str; 6] = [
    "bytecode",
    "dbstat",
    "sqlite_dbpage",
    "sqlite_memstat",
    "sqlite_stmt",
    "tables_used",
];

/// The check that `ALTER TABLE` runs on existing rows when it adds a constraint.
const CHECK_OF_ALTER: &str = "quick_check";

/// Returns whether a mission may call the function `name`; case does not count.
pub fn is_permitted_function(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PERMITTED_FUNCTIONS.binary_search(&name.as_str()).is_ok()
}

/// Judges the actions of one statement, in the order in which `SQLite` names them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judge {
    /// Whether the statement is an `ALTER TABLE`. No expression in it can hold a query of the
    /// guest's, so a check that it runs is `SQLite`'s own.
    alters: bool,
}

impl Judge {
    /// Checks that a mission may do `action`: `Err` says what is refused and what to do instead.
    pub fn permit(&mut self, action: Action<'_>) -> Result<(), String> {
        match action {
            Action::Ordinary => Ok(()),
            Action::Alter => {
                self.alters = true;
                Ok(())
            }
            Action::Attach => Err("ATTACH: a mission sees one database, its world".to_owned()),
            Action::Detach => Err("DETACH: a mission sees one database, its world".to_owned()),
            Action::Pragma(name) if self.alters && name.eq_ignore_ascii_case(CHECK_OF_ALTER) => {
                Ok(())
            }
            Action::Pragma(name) => Err(format!(
                "PRAGMA {name}: it depends on connection and machine"
            )),
            Action::Transaction | Action::Savepoint => Err(
                "transaction control: the whole run is one transaction, committed when it completes"
                    .to_owned(),
            ),
            // Modules that compute only from their tables (fts5, rtree) run PRAGMAs of their own.
            Action::VirtualTable(module) => Err(format!(
                "virtual table module {module}: a mission's tables are ordinary ones"
            )),
            Action::Read(table) => self.read(table),
            Action::Function(name) => function(name),
            Action::Unknown => Err("unknown kind of statement".to_owned()),
        }
    }

    fn read(self, table: &str) -> Result<(), String> {
        let table = table.to_ascii_lowercase();
        if REFUSED_TABLES.contains(&table.as_str()) {
            return Err(format!(
                "table {table}: it shows the file's layout, not the world's content"
            ));
        }
        match table.strip_prefix("pragma_") {
            Some(CHECK_OF_ALTER) if self.alters => Ok(()),
            Some(name) => Err(format!(
                "PRAGMA {name}: it depends on connection and machine"
            )),
            None => Ok(()),
        }
    }
}

fn function(name: &str) -> Result<(), String> {
    if is_permitted_function(name) {
        return Ok(());
    }
    let name = name.to_ascii_lowercase();
    let why = match name.as_str() {
        clock if CLOCKS.contains(&clock) => {
            "it can read the clock; compute it in the guest, whose clock is the run's, and pass it as a parameter"
        }
        "random" | "randomblob" => {
            "its result is not the same on every run; compute it in the guest, whose random numbers are the run's, and pass it as a parameter"
        }
        "json_patch" | "jsonb_patch" => {
            "its work grows with the square of its arguments; use json_set and json_remove, or compute it in the guest"
        }
        _ => "it is not one of the functions that a mission may call (docs/surface.md)",
    };
    Err(format!("{name}(): {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(action: Action<'_>) -> Result<(), String> {
        Judge::default().permit(action)
    }

    #[test]
    fn the_permitted_functions_are_sorted_so_that_each_is_found() {
        assert!(PERMITTED_FUNCTIONS.is_sorted());
        for name in PERMITTED_FUNCTIONS {
            assert!(is_permitted_function(&name.to_ascii_uppercase()), "{name}");
            assert!(!CLOCKS.contains(&name), "{name}");
        }
    }

    #[test]
    fn permissions_name_what_they_refuse() {
        for permitted in [
            Action::Ordinary,
            Action::Alter,
            Action::Function("lower"),
            Action::Function("last_insert_rowid"),
            Action::Read("json_each"),
            Action::Read("pragmatic"),
        ] {
            assert_eq!(permit(permitted), Ok(()), "{permitted:?}");
        }
        for (action, word) in [
            (Action::Function("RANDOM"), "random()"),
            (Action::Function("current_timestamp"), "current_timestamp()"),
            (Action::Function("unixepoch"), "unixepoch()"),
            (Action::Function("json_patch"), "json_patch()"),
            (Action::Function("fts5_locale"), "fts5_locale()"),
            (Action::Function("of_the_future"), "of_the_future()"),
            (Action::Attach, "ATTACH"),
            (Action::Pragma("journal_mode"), "PRAGMA journal_mode"),
            (Action::Pragma("quick_check"), "PRAGMA quick_check"),
            (Action::Read("pragma_table_info"), "PRAGMA table_info"),
            (Action::Read("PRAGMA_QUICK_CHECK"), "PRAGMA quick_check"),
            (Action::VirtualTable("csv"), "csv"),
            (Action::Savepoint, "transaction"),
            (Action::Read("DBSTAT"), "dbstat"),
            (Action::Unknown, "unknown"),
        ] {
            assert!(permit(action).unwrap_err().contains(word), "{action:?}");
        }
    }

    #[test]
    fn the_check_of_an_alter_is_its_own_and_of_no_other_statement() {
        let mut judge = Judge::default();
        assert_eq!(judge.permit(Action::Alter), Ok(()));
        assert_eq!(judge.permit(Action::Read("pragma_quick_check")), Ok(()));
        assert_eq!(judge.permit(Action::Pragma("quick_check")), Ok(()));
        for other in [
            Action::Pragma("integrity_check"),
            Action::Pragma("writable_schema"),
            Action::Read("pragma_table_info"),
            Action::Function("random"),
        ] {
            assert!(judge.permit(other).is_err(), "{other:?}");
        }
    }
}
