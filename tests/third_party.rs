//! An ordinary WASI program that nobody wrote for `coo`: pulldown-cmark's own binary, from
//! the crate registry, compiled for wasm32-wasip1. Compiling it needs a toolchain that the
//! README's commands do not set up, so the test is run by `.ci/nightly`, which builds the
//! program and names it in `COO_TEST_PROGRAM`.

use crate::support::{World, mission_id};

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the one thing this test is told from outside"
)]
#[ignore = "needs COO_TEST_PROGRAM: pulldown-cmark compiled for wasm32-wasip1; .ci/nightly builds it"]
fn markdown_on_standard_input_becomes_html_on_standard_output_and_replays() {
    let program = std::env::var("COO_TEST_PROGRAM").expect("COO_TEST_PROGRAM names the program");
    let world = World::new();
    let program = world.file("pulldown-cmark.wasm", std::fs::read(program).unwrap());
    let program = program.to_str().unwrap();

    let audit = world.coo(&["audit", program]);
    assert_eq!(audit.code, 0, "{audit:?}");

    let ran = world.coo_with_input(&["run", program, "--input", "-"], b"# Title\n\n*em* text\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, "<h1>Title</h1>\n<p><em>em</em> text</p>\n");
    let replay = world.coo(&["replay", &mission_id(&ran)]);
    assert_eq!(replay.code, 0, "{replay:?}");

    let events = world.coo_with_input(&["run", program, "--input", "-", "--", "-e"], b"# Title\n");
    assert_eq!(events.code, 0, "{events:?}");
    assert!(events.stdout.contains("Start(Heading"), "{events:?}");

    let wrong = world.coo_with_input(&["run", program, "--", "--no-such-option"], b"");
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.stderr.contains("guest exited with status 1"),
        "{wrong:?}"
    );
}
