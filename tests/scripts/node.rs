//! The surface of Node.js that scripts in JavaScript find: values are shown, encoded and ordered as
//! Node.js does it, and time and chance are the sandbox's.

use crate::support::World;

fn output(text: &str) -> String {
    let world = World::new();
    world.file("script.mjs", text);
    let ran = world.coo(&["run", "script.mjs"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

#[test]
fn values_are_shown_as_node_shows_them() {
    let shown = output(
        "class Foo { constructor() { this.a = 1 } }
const circular = { name: 'c' }; circular.self = circular;
console.log(-0, 1n, \"it's\", [1, , 3], [[1, [2, [3, [4]]]]], { a: { b: { c: { d: 1 } } } });
console.log(new Foo(), Foo, () => {}, new Map([['a', { x: 1 }]]), new Set([1]), circular, [new Date(0), /x/g]);
console.log(Array.from({ length: 27 }, (_, i) => i * i * 1000), Buffer.from('hi'), new Uint8Array(2));
console.log('%s is %d, %j %o%%', 'Bob', 42.5, { a: 1 }, 'x', 'rest');",
    );
    insta::assert_snapshot!(shown, @r#"
-0 1n it's [ 1, <1 empty item>, 3 ] [ [ 1, [ 2, [Array] ] ] ] { a: { b: { c: [Object] } } }
Foo { a: 1 } [class Foo] [Function (anonymous)] Map(1) { 'a' => { x: 1 } } Set(1) { 1 } <ref *1> { name: 'c', self: [Circular *1] } [ 1970-01-01T00:00:00.000Z, /x/g ]
[
       0,   1000,   4000,   9000,
   16000,  25000,  36000,  49000,
   64000,  81000, 100000, 121000,
  144000, 169000, 196000, 225000,
  256000, 289000, 324000, 361000,
  400000, 441000, 484000, 529000,
  576000, 625000, 676000
] <Buffer 68 69> Uint8Array(2) [ 0, 0 ]
Bob is 42.5, {"a":1} 'x'% rest
"#);
}

#[test]
fn time_moves_by_sleeping_alone_and_timers_fire_in_order() {
    let shown = output(
        "const order = [];
setTimeout(() => order.push('20'), 20); setTimeout(() => order.push('10a'), 10); setTimeout(() => order.push('10b'), 10);
queueMicrotask(() => order.push('job'));
let n = 0; const every = setInterval(() => { if (++n === 3) clearInterval(every) }, 1000);
await new Promise((done) => setTimeout(done, 3600_000));
console.log(order, n, new Date().toISOString(), performance.now());",
    );
    assert_eq!(
        shown,
        "[ 'job', '10a', '10b', '20' ] 3 2025-01-01T01:00:00.000Z 3600000\n"
    );
}

#[test]
fn chance_repeats_with_every_run() {
    let text = "console.log(Math.random(), crypto.randomUUID(), crypto.getRandomValues(new Uint8Array(3)), Math.random() !== Math.random());";
    let first = output(text);
    assert!(first.ends_with("true\n"));
    assert_eq!(first, output(text));
}

#[test]
fn bytes_digests_and_addresses_are_those_of_node() {
    let shown = output(
        "import { createHash, createHmac } from 'node:crypto';
console.log(createHash('sha256').update('abc').digest('hex'), createHash('md5').update('abc').digest('base64'));
console.log(createHmac('sha256', 'key').update('data').digest('hex'));
console.log(Buffer.from('héllo').toString('base64'), Buffer.from('6869', 'hex').toString(), atob(btoa('x')), new TextDecoder().decode(new TextEncoder().encode('é🎉')));
const url = new URL('https://user@Example.com:443/a/../b c?q=1&q=2#f'); url.searchParams.append('é', 'ü&');
console.log(url.href, url.host, url.searchParams.getAll('q'), URL.canParse('nope'));
console.log((1234567.891).toLocaleString(), (0.256).toLocaleString('en-US', { style: 'percent' }), new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(-1234.5));",
    );
    insta::assert_snapshot!(shown, @r#"
ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad kAFQmDzST7DWlj99KOF/cg==
5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0
aMOpbGxv hi x é🎉
https://user@example.com/b%20c?q=1&q=2&%C3%A9=%C3%BC%26#f example.com [ '1', '2' ] false
1,234,567.891 26% -$1,234.50
"#);
}

#[test]
fn an_output_is_a_text_as_it_is_or_canonical_json() {
    for (text, expected) in [
        ("console.log('only this')", "only this\n"),
        ("export default (input) => `got ${input.length}`", "got 0"),
        (
            "console.log('log'); export default async () => ({ b: 1, a: [new Date(0), 'é'], 10: 0, 9: 0 })",
            "{\"10\":0,\"9\":0,\"a\":[\"1970-01-01T00:00:00.000Z\",\"é\"],\"b\":1}",
        ),
        (
            "import { output } from 'coo'; output('first'); output(null); process.exit(0)",
            "null",
        ),
        ("export const x = 1; console.log('no entry')", "no entry\n"),
    ] {
        assert_eq!(output(text), expected, "{text}");
    }
}
