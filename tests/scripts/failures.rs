//! What a script in JavaScript does wrong is a failed mission whose reason has type, text, file, line and
//! source line, and never a trap.

use crate::support::{Ran, World};

fn failed(world: &World, text: &str) -> Ran {
    world.file("script.js", text);
    let ran = world.coo(&["run", "script.js"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.stderr.contains("trap"), "{ran:?}");
    ran
}

#[test]
fn an_uncaught_error_is_a_reason_with_its_place() {
    let world = World::new();
    for (text, reason) in [
        (
            "function total(row) {\n  return row.price.amount;\n}\ntotal({});",
            "TypeError: cannot read property 'amount' of undefined, at script.js:2 in total: return row.price.amount;",
        ),
        (
            "async function go() {\n  await null;\n  throw new RangeError('late');\n}\ngo();\nawait new Promise(() => {});",
            "RangeError: late, at script.js:3 in go: throw new RangeError('late');",
        ),
        (
            "class MyError extends Error {}\nsetTimeout(() => { throw new MyError('two\\nlines'); }, 10);",
            "MyError: two lines, at script.js:2: setTimeout(() => { throw new MyError('two\\nlines'); }, 10);",
        ),
        (
            "const a = 1;\nconst b = ;",
            "SyntaxError: unexpected token in expression: ';', at script.js:2: const b = ;",
        ),
        ("throw 'text';", "Uncaught \"text\""),
        ("throw null;", "Uncaught null"),
        ("throw { a: [1] };", "Uncaught {\"a\":[1]}"),
        ("process.exit(3);", "exit status 3"),
        (
            "try { process.exit(4) } finally { console.log('never') }",
            "exit status 4",
        ),
        ("process.exitCode = 5;", "exit status 5"),
        (
            "await new Promise(() => {});",
            "Error: deadlock: the script waits for a promise",
        ),
        (
            "await fetch('https://example.org');",
            "fetch can't be used: a mission has no network",
        ),
        (
            "import fs from 'fs';\nfs.readFileSync('data.csv');",
            "a mission has no files, open 'data.csv'",
        ),
        (
            "import cp from 'child_process';",
            "a mission starts no other programs; do the work in the script itself, at script.js:1: import cp from 'child_process';",
        ),
        (
            "\nconst z = require('left-pad');",
            "a mission has no node_modules",
        ),
        ("import './missing.js';", "missing.js"),
        ("JSON.parse('{');", "SyntaxError"),
        (
            "export default () => () => 1;",
            "the output is a function, which has no JSON text",
        ),
    ] {
        let ran = failed(&world, text);
        assert!(ran.error().contains(reason), "{text}\n{}", ran.error());
    }
}

#[test]
fn recursion_without_end_is_an_error_that_a_script_can_catch() {
    let world = World::new();
    let cases = [
        "function f() { f() } f()",
        "JSON.parse('['.repeat(200000))",
        "let o = {}; for (let i = 0; i < 100000; i++) o = { o }; JSON.stringify(o)",
        "eval('('.repeat(20000))",
        "eval('['.repeat(20000))",
        "eval('`${'.repeat(5000))",
        "eval('f('.repeat(20000))",
        "eval('({a:'.repeat(20000))",
        "eval('a=>'.repeat(20000))",
        "let p = new Proxy({}, {}); for (let i = 0; i < 20000; i++) p = new Proxy(p, {}); p.x",
        "let a = []; for (let i = 0; i < 20000; i++) a = [a]; String(a)",
        "const v = { valueOf() { return v + 1 } }; v + 1",
        "function s() { [2, 1].sort(s) } s()",
        "function m() { [1].map(m) } m()",
        "new RegExp('(?:'.repeat(20000))",
        "async function as() { await as() } await as()",
        "let f = () => 1; for (let i = 0; i < 20000; i++) { const g = f; f = () => g() } f()",
    ];
    let tries = cases.iter().enumerate().map(|(number, case)| {
        format!(
            "try {{ {case}; console.log({number}, 'no error') }} catch (e) {{ if (!/^(Range|Syntax)Error$/.test(e.name)) console.log({number}, e.name, e.message) }}\n"
        )
    });
    let text = tries.collect::<String>() + "console.log('survived');";
    world.file("deep.js", text);
    let ran = world.coo(&["run", "deep.js"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "survived\n"),
        "{ran:?}"
    );
}

#[test]
fn a_traceback_goes_to_standard_error_without_the_runners_own_frames() {
    let world = World::new();
    let ran = failed(
        &world,
        "import { db } from 'coo';\nfunction load() {\n  return db.query('SELECT * FROM nowhere');\n}\nload();",
    );
    let shown = "script.js:3\n  return db.query('SELECT * FROM nowhere');\n            ^\n\nDbError: no such table: nowhere\n    at load (script.js:3:13)\n    at script.js:5:1\n";
    assert!(ran.stderr.contains(shown), "{}", ran.stderr);
}
