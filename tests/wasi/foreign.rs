//! Programs of other people and other toolchains, as they are: each gives what it gives in plain
//! wasmtime, three times, and replays. `.ci/wasi-programs` builds or fetches them; a program's
//! arguments and input stand beside it.

use std::path::Path;

use super::support::World;
use super::{Given, same_as_plain, same_as_plain_in};

/// What `NAME.given` says: a JSON object of `arguments`, `environment` and `input`, each
/// optional.
fn given(program: &Path) -> Given {
    let Ok(text) = std::fs::read_to_string(program.with_extension("given")) else {
        return Given::default();
    };
    let given: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    Given {
        arguments: given["arguments"]
            .as_array()
            .map(|all| all.iter().map(text).collect())
            .unwrap_or_default(),
        environment: given["environment"]
            .as_object()
            .map(|all| {
                all.iter()
                    .map(|(name, value)| (name.clone(), text(value)))
                    .collect()
            })
            .unwrap_or_default(),
        input: given["input"].as_str().unwrap_or_default().to_owned(),
    }
}

#[test]
#[ignore = "needs COO_TEST_WASI_PROGRAMS: a folder of programs; .ci/wasi-programs makes one"]
fn foreign_programs_give_what_they_give_in_plain_wasmtime() {
    let folder = coo::machine::env_text("COO_TEST_WASI_PROGRAMS").expect("COO_TEST_WASI_PROGRAMS");
    let mut programs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    programs.sort();
    let mut refused = Vec::new();
    let mut ran = 0;
    for program in &programs {
        let name = program.file_name().unwrap().to_string_lossy().into_owned();
        let wasm = std::fs::read(program).unwrap();
        let given = given(program);
        let world = World::new();
        world.file("program.wasm", &wasm);
        let audit = world.coo(&["audit", "program.wasm"]);
        if audit.code != 0 {
            // By name: the only reason there may be is the network.
            assert!(
                audit.stdout.contains("reaches for the network"),
                "{name}: {audit:?}"
            );
            refused.push(name);
            continue;
        }
        let first = same_as_plain_in(&world, &name, &wasm, &given);
        let second = same_as_plain(&name, &wasm, &given);
        assert_eq!(
            (&first.code, &first.stdout),
            (&second.code, &second.stdout),
            "{name}"
        );
        // From compiled code.
        let third = world.coo(&["run", "program.json"]);
        assert_eq!(
            (&first.code, &first.stdout),
            (&third.code, &third.stdout),
            "{name}"
        );
        println!("{name}: exit {}, {} bytes", first.code, first.stdout.len());
        ran += 1;
    }
    println!(
        "{ran} of {} programs ran; refused by name: {refused:?}",
        programs.len()
    );
    assert!(ran >= 1, "no program in the folder");
}
