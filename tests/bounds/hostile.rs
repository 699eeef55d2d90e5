//! A family of hostile statements, made from a seed: huge values, deep nesting, endless
//! recursion, sorts, joins, triggers, schema changes, broken texts. Whatever they are, a mission
//! of them ends in time, and replays; where the clock did not end it, another run of it has the
//! same chain.

use serde_json::json;

use super::{assert_replays, bounded, mission, world};
use crate::support::{every, mission_id};

/// Statements of one mission.
const STATEMENTS: usize = 20;
/// No mission takes longer, with a timeout of five seconds: two more until the process is ended,
/// and what an unoptimised build on a busy machine needs to start.
const SECONDS_MAX: u64 = 15;

/// A stream of choices that follows from its seed (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_of(&mut self, options: &[&str]) -> String {
        options[self.below(options.len())].to_owned()
    }

    fn size(&mut self) -> usize {
        [1, 7, 100, 3_000, 90_000, 1_000_000, 7_000_000, 60_000_000][self.below(8)]
    }

    fn value(&mut self, depth: usize) -> String {
        let size = self.size();
        if depth == 0 {
            return match self.below(8) {
                0 => "NULL".to_owned(),
                1 => self.one_of(&[
                    "9223372036854775807",
                    "-9223372036854775808",
                    "0",
                    "1e308",
                    "-1",
                ]),
                2 => format!("zeroblob({size})"),
                3 => format!("hex(zeroblob({size}))"),
                4 => format!("replace(hex(zeroblob({size})), '00', 'a')"),
                5 => format!("printf('%{size}d', 1)"),
                6 => self.one_of(&["x", "rowid", "a", "last_insert_rowid()", "changes()"]),
                _ => format!("'{}'", "%a".repeat(size.min(400))),
            };
        }
        let (a, b) = (self.value(depth - 1), self.value(depth - 1));
        let two = self.one_of(&[
            "||",
            "+",
            "LIKE",
            "GLOB",
            "=",
            "<",
            "->",
            "->>",
            "%",
            "COLLATE NOCASE <",
        ]);
        let one = self.one_of(&[
            "abs",
            "hex",
            "quote",
            "upper",
            "length",
            "json",
            "jsonb",
            "json_array_length",
            "typeof",
            "soundex",
            "random",
            "date",
            "unhex",
            "zeroblob",
            "char",
            "unicode",
            "json_quote",
            "trim",
            "round",
        ]);
        let many = self.one_of(&[
            "instr",
            "trim",
            "rtrim",
            "json_extract",
            "json_patch",
            "json_array",
            "json_object",
            "max",
            "concat",
            "substr",
            "format",
            "unhex",
            "coalesce",
            "nullif",
            "json_remove",
            "likely",
        ]);
        match self.below(7) {
            0 | 1 => format!("({a} {two} {b})"),
            2 => format!("{one}({a})"),
            3 => format!("{many}({a}, {b})"),
            4 => format!("replace({a}, {b}, {})", self.value(0)),
            5 => format!(
                "CAST({a} AS {})",
                self.one_of(&["TEXT", "BLOB", "INTEGER", "REAL"])
            ),
            _ => format!("CASE WHEN {a} THEN {b} END"),
        }
    }

    fn rows(&mut self) -> String {
        let end = self.size();
        let value = self.value(2);
        let recursion = format!(
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {end})"
        );
        match self.below(8) {
            0 => format!("{recursion} SELECT {value} FROM c"),
            1 => format!(
                "{recursion} SELECT count(*) FROM (SELECT {value} AS b FROM c ORDER BY b COLLATE NOCASE)"
            ),
            2 => format!("{recursion} SELECT group_concat({value}) FROM c"),
            3 => format!("{recursion} SELECT count(DISTINCT {value}) FROM c AS l, c AS r"),
            4 => format!(
                "{recursion} SELECT sum(length(g)) FROM (SELECT json_group_array(x) OVER (ORDER BY x) AS g FROM c)"
            ),
            5 => format!("SELECT count(*) FROM json_tree({value})"),
            6 => {
                let tables = vec!["t"; 1 + self.below(70)].join(", t AS t");
                format!("SELECT count(*) FROM {tables}").replace("AS tt", "AS t0")
            }
            _ => format!("SELECT {}", vec![value; 1 + self.below(250)].join(", ")),
        }
    }

    fn nested(&mut self) -> String {
        let depth = 1 + self.below(3_000);
        let (open, close) = [
            ("(", ")"),
            ("abs(", ")"),
            ("NOT ", ""),
            ("(SELECT ", ")"),
            ("CASE 1 WHEN ", " THEN 2 END"),
            ("", "||'a'"),
            ("json_array(", ")"),
        ][self.below(7)];
        format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
    }

    /// A statement, and whether it goes to `execute`.
    fn statement(&mut self) -> (char, String) {
        let value = self.value(2);
        let name = self.below(3);
        match self.below(14) {
            0..=3 => ('Q', self.rows()),
            4 => ('Q', self.nested()),
            5 => ('Q', format!("SELECT {value} FROM t")),
            6 => ('E', format!("INSERT INTO t(x) VALUES ({value})")),
            7 => (
                'Q',
                format!("INSERT INTO t(x) SELECT {value} FROM t RETURNING id, x"),
            ),
            8 => ('E', format!("INSERT INTO t(x) {}", self.rows())),
            9 => ('E', format!("CREATE TEMP TABLE k{name} AS {}", self.rows())),
            10 => (
                'E',
                format!(
                    "UPDATE OR {} t SET x = {value}",
                    self.one_of(&["IGNORE", "REPLACE", "ABORT", "FAIL"])
                ),
            ),
            11 => (
                'E',
                self.one_of(&[
                    "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO t(x) VALUES (new.x); END",
                    "CREATE VIEW v AS SELECT a.x FROM t AS a, t AS b",
                    "ALTER TABLE t ADD COLUMN a CHECK (a > 0)",
                    "CREATE INDEX i ON t (lower(x))",
                    "DROP TRIGGER g",
                    "INSERT INTO t VALUES (9223372036854775807, 'z')",
                    "ANALYZE",
                    "DELETE FROM t",
                ]),
            ),
            12 => (
                'Q',
                self.one_of(&[
                    "SELECT * FROM v",
                    "PRAGMA integrity_check",
                    "SELECT * FROM pragma_table_info('t')",
                    "EXPLAIN SELECT 1",
                    "VALUES (1), (2)",
                    "SELECT random()",
                    "\u{0}",
                    "SELECT * FROM dbstat",
                ]),
            ),
            _ => {
                let whole = self.rows();
                let cut = whole.floor_char_boundary(self.below(whole.len().max(1)));
                (['Q', 'E'][self.below(2)], whole[..cut].to_owned())
            }
        }
    }
}

/// Runs one mission of the family.
fn one(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut lines = vec!["E1 CREATE TABLE t(id INTEGER PRIMARY KEY, x)".to_owned()];
    for _ in 0..STATEMENTS {
        let (kind, sql) = chance.statement();
        lines.push(format!("{kind}1 {}", sql.replace('\n', " ")));
    }
    let lines = lines.join("\n");
    let limits = json!({"db_steps": 3_000_000, "db_bytes": 64 << 20, "host_bytes": 200 << 20, "memory_bytes": 256 << 20});
    let world = world();
    mission(&world, "sql.json", &lines, &limits);
    let arguments = ["run", "sql.json", "--timeout", "5", "--json"];
    let (ran, took) = bounded(&world, &arguments);
    assert!(
        took.as_secs() < SECONDS_MAX,
        "seed {seed}: {took:?}\n{lines}"
    );
    assert!(
        matches!(ran.code, 0 | 1 | 5),
        "seed {seed}: {ran:?}\n{lines}"
    );
    assert!(
        !ran.stderr.contains("panicked"),
        "seed {seed}: {ran:?}\n{lines}"
    );
    let missions = world.list(&["missions"]);
    let first = &missions[0];
    let id = first["id"].as_str().unwrap();
    if first["status"] == "INTERRUPTED" {
        assert!(
            ran.stderr.contains("still running after 5 s"),
            "seed {seed}: {ran:?}\n{lines}"
        );
    } else {
        assert_replays(&world, id);
        let other = super::world();
        mission(&other, "sql.json", &lines, &limits);
        let (again, _) = bounded(&other, &arguments);
        let head = |ran: &super::Ran| {
            let receipt: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
            (receipt["status"].clone(), receipt["chain_head"].clone())
        };
        // Another run may be the one that the clock ends.
        if !again.stderr.contains("still running") {
            assert_eq!(head(&again), head(&ran), "seed {seed}\n{lines}");
        }
    }
    // The next mission is as if it had not been.
    mission(&world, "next.json", "Q1 SELECT 1", &json!({}));
    let (next, _) = bounded(&world, &["run", "next.json"]);
    assert_eq!(next.code, 0, "seed {seed}: {next:?}");
    assert_eq!(mission_id(&next), "MISSION-000002");
}

#[test]
fn hostile_statements_end_in_time_and_replay() {
    (1..=10).step_by(every(3)).for_each(one);
}

#[test]
#[ignore = "takes minutes; .ci/nightly runs it"]
fn two_thousand_hostile_statements_end_in_time_and_replay() {
    (1_001..=1_100).for_each(one);
}
