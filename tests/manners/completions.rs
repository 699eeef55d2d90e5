//! Completion scripts and manual pages. The bash script is run by bash: what it offers is what a person
//! sees after the key is pressed.

use std::collections::BTreeSet;

use insta::assert_snapshot;

use crate::support::{World, shown};

/// Returns what bash offers for each of these lines, whose last word is being typed.
fn offered(world: &World, lines: &[&[&str]]) -> String {
    let script = world.coo(&["completions", "bash"]);
    assert_eq!((script.code, script.stderr.as_str()), (0, ""));
    world.file("coo.bash", &script.stdout);
    let mut test = "source ./coo.bash\n\
        offer() {\n\
            COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n\
            _coo_with_ids coo \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n\
            echo \"$* => ${COMPREPLY[*]}\"\n\
        }\n"
    .to_owned();
    for line in lines {
        let words: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
        test.extend(["offer ", words.join(" ").as_str(), "\n"]);
    }
    world.file("test.bash", test);
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_coo"));
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let mut bash = world.program("bash", &["--norc", "test.bash"]);
    let output = bash.env("PATH", path).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_offers_the_ids_of_missions_where_a_command_takes_one() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    assert_eq!(world.coo(&["--root", "other root", "run", "demo"]).code, 0);
    let lines: &[&[&str]] = &[
        &["coo", "logs", ""],
        &["coo", "inspect", "MI"],
        &["coo", "inspect", "mi"],
        &["coo", "--root", "other root", "resume", ""],
        // As bash hands it over, with and without the equals sign among its word breaks.
        &["coo", "--root", "=", "other root", "resume", ""],
        &["coo", "--root=other root", "resume", ""],
        &["coo", "--color", "=", "never", "replay", "DEMO"],
        &["coo", "--color=never", "replay", "DEMO"],
        &["coo", "--color", "never", "-q", "replay", "DEMO"],
        &["coo", "--root", "nowhere", "logs", ""],
        &["coo", "logs", "--f"],
        &["coo", "missi"],
        // Nothing of coo's own, so that bash offers files.
        &["coo", "run", ""],
    ];
    assert_snapshot!(offered(&world, lines), @"
    coo logs  => MISSION-000002 DEMO-000001
    coo inspect MI => MISSION-000002
    coo inspect mi => 
    coo --root other root resume  => DEMO-000001
    coo --root = other root resume  => DEMO-000001
    coo --root=other root resume  => DEMO-000001
    coo --color = never replay DEMO => DEMO-000001
    coo --color=never replay DEMO => DEMO-000001
    coo --color never -q replay DEMO => DEMO-000001
    coo --root nowhere logs  => 
    coo logs --f => --follow
    coo missi => missions mission
    coo run  =>
    ");
}

#[test]
fn the_ids_alone_are_for_scripts() {
    let world = World::new();
    let none = world.coo(&["missions", "--ids"]);
    assert_eq!(
        (none.code, none.stdout, none.stderr),
        (0, String::new(), String::new())
    );
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    assert_snapshot!(shown("missions --ids", &world.coo(&["missions", "--ids"])), @"
    $ coo missions --ids
    MISSION-000002
    DEMO-000001
    --- exit 0
    ");
    let both = world.coo(&["missions", "--ids", "--json"]);
    assert_snapshot!(shown("missions --ids --json", &both), @r#"
    $ coo missions --ids --json
    {
      "format": "coo-error/1",
      "code": 2,
      "message": "the argument '--ids' cannot be used with '--json'\n\nUsage: coo missions --ids\n\nFor more information, try '--help'.",
      "hint": null
    }
    --- standard error
    ERROR: the argument '--ids' cannot be used with '--json'

    Usage: coo missions --ids

    For more information, try '--help'.
    --- exit 2
    "#);
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::new();
    let page = world.coo(&["man"]);
    assert_eq!((page.code, page.stderr.as_str()), (0, ""));
    assert!(page.stdout.contains(".TH coo 1"), "{}", page.stdout);
    let nowhere = world.coo(&["man", "man1"]);
    assert_snapshot!(shown("man man1", &nowhere), @"
    $ coo man man1
    --- standard error
    ERROR: file man1/coo.1: can't be written: man1 is not a folder
    hint: create it first
    --- exit 1
    ");
    std::fs::create_dir(world.path().join("man1")).unwrap();
    let first = world.coo(&["man", "man1"]);
    assert_snapshot!(shown("man man1", &first), @"
    $ coo man man1
    --- standard error
    [coo] 73 manual pages written to man1
    --- exit 0
    ");
    // The second time they replace those of the first.
    assert_eq!(world.coo(&["man", "man1"]), first);
    let found: BTreeSet<String> = std::fs::read_dir(world.path().join("man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in ["coo.1", "coo-run.1", "coo-amu0-create.1"] {
        assert!(found.contains(name), "{found:?}");
    }
    // Nothing but pages, and each names the command that it is for.
    for name in found {
        let text = std::fs::read_to_string(world.path().join("man1").join(&name)).unwrap();
        let title = name.strip_suffix(".1").unwrap();
        assert!(text.contains(&format!(".TH {title} 1")), "{name}: {text}");
        assert!(
            text.contains(".SH NAME") && text.contains(".SH OPTIONS"),
            "{name}"
        );
    }
}
