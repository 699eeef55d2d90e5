//! The write gateway against names and things that were put in its way: each is refused with
//! a reason of its own and nothing is written anywhere; and the INDEX, which agrees with the
//! disk or says where it does not.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::{Ran, World};

/// A world with a program that writes an empty artefact under the name it is given, and one
/// that writes the name itself.
fn world() -> World {
    let world = World::new();
    let text = include_str!("fixtures/writer.wat");
    world.wasm("empty.wasm", text);
    let named = "(local.get $path) (local.get $length) (i32.const 64)";
    let empty = "(i32.const 0) (i32.const 0) (i32.const 64)";
    assert!(text.contains(empty));
    world.wasm("named.wasm", &text.replace(empty, named));
    assert_eq!(world.coo(&["init"]).code, 0);
    world
}

/// Runs a mission that writes each of `paths`.
fn write(world: &World, module: &str, paths: &[&str]) -> Ran {
    let steps: Vec<Value> = paths
        .iter()
        .enumerate()
        .map(|(i, path)| json!({"id": format!("write-{i}"), "input": path}))
        .collect();
    world.descriptor(
        "write.json",
        &json!({"file": module}),
        &json!({"steps": steps}),
    );
    world.coo(&["run", "write.json"])
}

/// The gateway's words to the guest.
fn refusal(ran: &Ran) -> String {
    assert_eq!(ran.code, 1, "{ran:?}");
    let (_, words) = ran
        .stderr
        .split_once("guest error: ")
        .unwrap_or_else(|| panic!("{ran:?}"));
    words.split("; 'coo logs").next().unwrap().to_owned()
}

/// Everything below `folder`, folders with a slash.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.symlink_metadata().unwrap().is_dir() {
                found.push(name + "/");
                folders.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_hostile_name_is_refused_with_its_own_reason() {
    let world = world();
    let before = listing(&world.root().join("artefacts"));
    let long = format!("{}_v1.0.md", "a".repeat(240));
    let deep = format!("{}A_v1.0.md", "a/".repeat(8));
    println!("{:<34} reason", "name");
    for (path, reason) in [
        ("", "path is empty"),
        ("../A_v1.0.md", "'..' component"),
        ("a/../../A_v1.0.md", "'..' component"),
        ("a/./A_v1.0.md", "'.'"),
        ("a//A_v1.0.md", "empty"),
        ("A_v1.0.md/", "empty"),
        ("/etc/A_v1.0.md", "absolute"),
        ("//host/A_v1.0.md", "absolute"),
        ("C:/A_v1.0.md", "drive letter"),
        ("C:A_v1.0.md", "drive letter"),
        ("\\\\host\\share\\A_v1.0.md", "a backslash (U+005C)"),
        ("a\\..\\A_v1.0.md", "a backslash (U+005C)"),
        ("A\0_v1.0.md", "a NUL (U+0000)"),
        ("A\n_v1.0.md", "a control character (U+000A)"),
        ("A\u{1b}[31m_v1.0.md", "a control character (U+001B)"),
        ("A\u{7f}_v1.0.md", "a control character (U+007F)"),
        ("A_v1.0.md ", "a space (U+0020)"),
        (" A_v1.0.md", "a space (U+0020)"),
        ("A_v1.0.md.", "ends with a dot"),
        ("a./A_v1.0.md", "ends with a dot"),
        (".hidden/A_v1.0.md", "starts with a dot"),
        // Cyrillic А, full-width A, e with a combining accent, right-to-left override.
        ("\u{410}_v1.0.md", "a character beyond ASCII (U+0410)"),
        ("\u{ff21}_v1.0.md", "a character beyond ASCII (U+FF21)"),
        ("e\u{301}_v1.0.md", "a combining mark (U+0301)"),
        ("A_v1.0\u{202e}dm.exe", "an invisible character (U+202E)"),
        ("A_v1.0.md:stream", "a colon (U+003A)"),
        ("A?_v1.0.md", "a special character (U+003F)"),
        ("con/A_v1.0.md", "reserved"),
        ("NUL.x/A_v1.0.md", "reserved"),
        ("lpt1/A_v1.0.md", "reserved"),
        ("A.md", "not of the form"),
        ("INDEX.json", "not of the form"),
        ("A_v1.0.md/B_v1.0.md", "form of an artefact's name"),
        ("INDEX.md", "not of the form"),
        (long.as_str(), "limit 240"),
        (deep.as_str(), "9 deep, limit 8"),
    ] {
        let words = refusal(&write(&world, "empty.wasm", &[path]));
        assert!(words.contains(reason), "{path:?}: {words}");
        let shown: String = format!("{path:?}").chars().take(33).collect();
        println!("{shown:<34} {words}");
    }
    assert_eq!(listing(&world.root().join("artefacts")), before);
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
}

/// Puts something where the folder of an artefact should be.
type Plant<'a> = &'a dyn Fn(&Path);

#[test]
fn what_stands_in_the_way_is_named_and_left_alone() {
    let outside = World::new();
    let victim = outside.file("victim", "untouched");
    let away = outside.path().to_owned();
    let path = "sub/A_v1.0.md";
    let plants: [(&str, Plant<'_>, &str); 10] = [
        (
            "link to a folder outside",
            &|sub| symlink(&away, sub).unwrap(),
            "a symbolic link is in the way",
        ),
        (
            "link to a folder of the root",
            &|sub| symlink("../modules", sub).unwrap(),
            "a symbolic link is in the way",
        ),
        (
            "file where a folder should be",
            &|sub| fs::write(sub, "").unwrap(),
            "a file where a folder should be is in the way",
        ),
        (
            "link to a file outside",
            &|sub| {
                fs::create_dir(sub).unwrap();
                symlink(&victim, sub.join("A_v1.0.md")).unwrap();
            },
            "a symbolic link is in the way",
        ),
        (
            "link to nothing",
            &|sub| {
                fs::create_dir(sub).unwrap();
                symlink("nowhere", sub.join("A_v1.0.md")).unwrap();
            },
            "a symbolic link is in the way",
        ),
        (
            "hard link to a file outside",
            &|sub| {
                fs::create_dir(sub).unwrap();
                fs::hard_link(&victim, sub.join("A_v1.0.md")).unwrap();
            },
            "a hard link is in the way",
        ),
        (
            "pipe",
            &|sub| {
                fs::create_dir(sub).unwrap();
                let made = Command::new("mkfifo").arg(sub.join("A_v1.0.md")).status();
                assert!(made.unwrap().success());
            },
            "a pipe is in the way",
        ),
        (
            "socket",
            &|sub| {
                fs::create_dir(sub).unwrap();
                drop(UnixListener::bind(sub.join("A_v1.0.md")).unwrap());
            },
            "a socket is in the way",
        ),
        (
            // The one device that everybody may make.
            "device",
            &|sub| {
                fs::create_dir(sub).unwrap();
                let mut mknod = Command::new("mknod");
                let made = mknod
                    .arg(sub.join("A_v1.0.md"))
                    .args(["c", "0", "0"])
                    .status();
                assert!(made.unwrap().success());
            },
            "a device is in the way",
        ),
        (
            "folder",
            &|sub| fs::create_dir_all(sub.join("A_v1.0.md")).unwrap(),
            "a folder is in the way",
        ),
    ];
    for (what, plant, reason) in plants {
        let world = world();
        plant(&world.root().join("artefacts/sub"));
        let before = listing(&world.root().join("artefacts"));
        let words = refusal(&write(&world, "named.wasm", &[path]));
        println!("{what:<30} {words}");
        assert!(words.contains(reason), "{what}: {words}");
        assert_eq!(listing(&world.root().join("artefacts")), before, "{what}");
        assert!(!away.join("A_v1.0.md").exists(), "{what}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }
}

/// Whoever has the other name could change an artefact, and a freeze would change the
/// permissions of a file that lies elsewhere.
#[test]
fn a_hard_link_is_no_artefact_even_with_the_same_content() {
    let world = world();
    let outside = world.file("outside", "a/A_v1.0.md");
    let mode = || fs::metadata(&outside).unwrap().permissions();
    let before = mode();
    let artefacts = world.root().join("artefacts");
    fs::create_dir(artefacts.join("a")).unwrap();
    fs::hard_link(&outside, artefacts.join("a/A_v1.0.md")).unwrap();
    let words = refusal(&write(&world, "named.wasm", &["a/A_v1.0.md"]));
    println!("{words}");
    assert!(words.contains("a hard link is in the way"), "{words}");

    // Put there after the artefact was made: found, and neither frozen nor left there.
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();
    assert_eq!(write(&world, "named.wasm", &["a/A_v1.0.md"]).code, 0);
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();
    fs::hard_link(&outside, artefacts.join("a/A_v1.0.md")).unwrap();
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    let freeze = world.coo(&["freeze"]);
    println!("{}", freeze.stderr.trim_end());
    assert_eq!(freeze.code, 1, "{freeze:?}");
    assert!(
        freeze
            .stderr
            .contains(".coo/artefacts/a/A_v1.0.md: its permissions can't be set: is a hard link"),
        "{freeze:?}"
    );
    assert_eq!(world.json(&["freeze", "status"])["is_frozen"], json!(false));
    let check = world.coo(&["artefacts", "check"]);
    assert_eq!(
        check.stdout.lines().next(),
        Some("replaced  a/A_v1.0.md (a hard link is there)")
    );
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!(repair.code, 0, "{repair:?}");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    assert_eq!(world.coo(&["freeze"]).code, 0);
    assert_eq!(mode(), before);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "a/A_v1.0.md");
}

#[test]
fn names_that_differ_only_in_case_clash_in_a_run_and_between_runs() {
    let world = world();
    let words = refusal(&write(
        &world,
        "empty.wasm",
        &["a/A_v1.0.md", "a/a_v1.0.md"],
    ));
    assert!(
        words.contains("differs from 'a/A_v1.0.md' only in case"),
        "{words}"
    );
    assert_eq!(write(&world, "empty.wasm", &["a/A_v1.0.md"]).code, 0);
    let words = refusal(&write(&world, "empty.wasm", &["A/A_v1.0.md"]));
    assert!(
        words.contains("differs from 'a/A_v1.0.md' only in case"),
        "{words}"
    );
}

/// Another process swaps a folder for a link, there and back, all the time; whatever the
/// gateway meets, nothing ever lands where the link leads.
#[test]
fn a_folder_that_is_swapped_for_a_link_while_writes_go_on_leads_nowhere() {
    let world = world();
    let outside = World::new();
    let artefacts = world.root().join("artefacts");
    let (sub, kept, link) = (
        artefacts.join("sub"),
        artefacts.join("kept"),
        artefacts.join("link"),
    );
    fs::create_dir(&sub).unwrap();
    symlink(outside.path(), &link).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Set however this ends: the other thread is waited for.
        let _stop = Stop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(&sub, &kept);
                let _ = fs::rename(&link, &sub);
                let _ = fs::rename(&sub, &link);
                let _ = fs::rename(&kept, &sub);
            }
        });
        for number in 0..60 {
            let ran = write(&world, "named.wasm", &[&format!("sub/A_v1.{number}.md")]);
            assert!(!ran.stderr.contains("panicked"), "{ran:?}");
            assert_eq!(listing(outside.path()), Vec::<String>::new(), "{ran:?}");
        }
    });
    // Whatever was promised in between can be had once nobody is in the way any more.
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!(repair.code, 0, "{repair:?}");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    assert_eq!(listing(outside.path()), Vec::<String>::new());
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_index_is_written_with_the_artefacts_and_names_who_wrote_them_first() {
    let world = world();
    assert_eq!(
        write(&world, "named.wasm", &["b/B_v1.0.md", "A_v1.0.md"]).code,
        0
    );
    assert_eq!(
        write(&world, "named.wasm", &["A_v1.0.md", "A_v1.1.md"]).code,
        0
    );
    let index = fs::read(world.root().join("artefacts/INDEX.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["artefacts"], world.json(&["artefacts"]));
    let entries: Vec<(&str, &str)> = index["artefacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["path"].as_str().unwrap(),
                entry["mission"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("A_v1.0.md", "MISSION-000001"),
            ("A_v1.1.md", "MISSION-000002"),
            ("b/B_v1.0.md", "MISSION-000001"),
        ]
    );
    let text = fs::read_to_string(world.root().join("artefacts/INDEX.md")).unwrap();
    assert!(
        text.contains("| b/B_v1.0.md | 11 | MISSION-000001 | "),
        "{text}"
    );
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    // A mission that fails promises nothing.
    refusal(&write(&world, "empty.wasm", &["C_v1.0.md", "bad"]));
    assert_eq!(world.json(&["artefacts"]), index["artefacts"]);
}

#[test]
fn a_version_is_taken_even_if_its_file_is_gone() {
    let world = world();
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    let file = world.root().join("artefacts/A_v1.0.md");
    fs::remove_file(&file).unwrap();
    let words = refusal(&write(&world, "empty.wasm", &["A_v1.0.md"]));
    assert!(
        words.contains("exists with other content; raise its version"),
        "{words}"
    );
    // The same content is no new version: it is made again.
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "A_v1.0.md");
}

#[test]
fn every_drift_is_named_and_repaired_and_nothing_is_lost() {
    let world = world();
    let paths = ["a/A_v1.0.md", "a/B_v1.0.md", "C_v1.0.md", "D_v1.0.md"];
    assert_eq!(write(&world, "named.wasm", &paths).code, 0);
    let artefacts = world.root().join("artefacts");
    let in_order = listing(&artefacts);
    fs::write(artefacts.join("a/A_v1.0.md"), "changed by hand").unwrap();
    fs::remove_file(artefacts.join("a/B_v1.0.md")).unwrap();
    fs::remove_file(artefacts.join("C_v1.0.md")).unwrap();
    symlink("D_v1.0.md", artefacts.join("C_v1.0.md")).unwrap();
    fs::write(artefacts.join("notes.txt"), "mine").unwrap();
    fs::write(artefacts.join("INDEX.md"), "mine too").unwrap();

    let check = world.coo(&["artefacts", "check"]);
    assert_eq!(check.code, 1, "{check:?}");
    let lines: Vec<&str> = check.stdout.lines().collect();
    assert_eq!(
        [lines[0], lines[1], lines[3], lines[4], lines[5]],
        [
            "replaced  C_v1.0.md (a symbolic link is there)",
            "stale     INDEX.md",
            "missing   a/B_v1.0.md",
            "extra     notes.txt",
            "4 artefacts on record, 5 differences",
        ]
    );
    assert!(
        lines[2].starts_with("changed   a/A_v1.0.md (recorded "),
        "{check:?}"
    );

    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!((repair.code, repair.stderr.as_str()), (0, ""), "{repair:?}");
    assert_eq!(listing(&artefacts), in_order);
    for path in paths {
        assert_eq!(fs::read_to_string(artefacts.join(path)).unwrap(), path);
    }
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    let aside = world.root().join("set-aside");
    assert_eq!(
        listing(&aside)
            .into_iter()
            .filter(|name| !name.ends_with('/'))
            .map(|name| name.split_once('/').unwrap().1.to_owned())
            .collect::<Vec<_>>(),
        ["C_v1.0.md", "INDEX.md", "A_v1.0.md", "notes.txt"]
    );
    let kept = |name: &str| fs::read_to_string(aside.join(name)).unwrap();
    assert_eq!(kept("000002/INDEX.md"), "mine too");
    assert_eq!(kept("000003/A_v1.0.md"), "changed by hand");
}

#[test]
fn a_root_of_format_1_gets_its_record_from_what_was_promised() {
    let world = world();
    assert_eq!(
        write(&world, "named.wasm", &["a/A_v1.0.md", "B_v1.0.md"]).code,
        0
    );
    let record = world.json(&["artefacts"]);
    world
        .database("coo.db")
        .execute_batch("DROP TABLE artefacts; DROP TABLE rollbacks; DROP TABLE freezes; DROP TABLE changes; DROP TABLE change_events; DROP TABLE change_facts; DROP TABLE reports; PRAGMA user_version = 1;")
        .unwrap();
    fs::remove_file(world.root().join("artefacts/INDEX.json")).unwrap();
    assert_eq!(world.json(&["artefacts"]), record);
    assert_eq!(write(&world, "named.wasm", &["C_v1.0.md"]).code, 0);
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_moved_away_with_all_that_is_in_it() {
    let world = world();
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    let artefacts = world.root().join("artefacts");
    for name in ["A_v1.0.md", "INDEX.json"] {
        fs::remove_file(artefacts.join(name)).unwrap();
        fs::create_dir(artefacts.join(name)).unwrap();
        fs::write(artefacts.join(name).join("inner"), "kept").unwrap();
    }
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!(repair.code, 0, "{repair:?}");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    let aside = world.root().join("set-aside");
    assert_eq!(
        fs::read_to_string(aside.join("000001/A_v1.0.md/inner")).unwrap(),
        "kept"
    );
}

#[test]
fn a_name_that_is_not_utf_8_is_one_more_extra() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let world = world();
    assert_eq!(write(&world, "named.wasm", &["a/A_v1.0.md"]).code, 0);
    let artefacts = world.root().join("artefacts");
    let in_order = listing(&artefacts);
    let (file, folder) = (OsStr::from_bytes(b"a\xff"), OsStr::from_bytes(b"\xfe%"));
    fs::write(artefacts.join("a").join(file), "mine").unwrap();
    fs::create_dir(artefacts.join(folder)).unwrap();
    fs::write(artefacts.join(folder).join("100%"), "mine too").unwrap();
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();

    let check = world.coo(&["artefacts", "check"]);
    print!("{}", check.stdout);
    assert_eq!(check.code, 1, "{check:?}");
    assert_eq!(
        check.stdout,
        "extra     %FE%25/100%25\nmissing   a/A_v1.0.md\nextra     a/a%FF\n1 artefacts on record, 3 differences\n"
    );
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!((repair.code, repair.stderr.as_str()), (0, ""), "{repair:?}");
    let aside = world.root().join("set-aside");
    let kept =
        |place: &str, name: &OsStr| fs::read_to_string(aside.join(place).join(name)).unwrap();
    assert_eq!(kept("000001", OsStr::new("100%")), "mine too");
    assert_eq!(kept("000002", file), "mine");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    fs::remove_dir(artefacts.join(folder)).unwrap();
    assert_eq!(listing(&artefacts), in_order);
}

/// A promise that can't be kept just now stops nobody from looking, and is kept by a repair.
#[test]
fn a_promise_that_can_not_be_kept_yet_is_told_and_kept_later() {
    let world = world();
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    let index = world.root().join("artefacts/INDEX.json");
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    fs::write(index.join("inner"), "").unwrap();
    let ran = write(&world, "named.wasm", &["B_v1.0.md"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("its changes are promised"), "{ran:?}");
    let missions = world.coo(&["missions"]);
    assert_eq!(missions.code, 0, "{missions:?}");
    assert!(
        missions.stderr.starts_with("[coo] not finished yet: "),
        "{missions:?}"
    );
    assert_eq!(write(&world, "named.wasm", &["C_v1.0.md"]).code, 1);
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!(repair.code, 0, "{repair:?}");
    assert_eq!(write(&world, "named.wasm", &["C_v1.0.md"]).code, 0);
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
}

#[test]
fn artefacts_that_are_a_link_are_refused_before_anything_is_promised() {
    let world = world();
    fs::remove_dir(world.root().join("artefacts")).unwrap();
    symlink("demo", world.root().join("artefacts")).unwrap();
    let ran = write(&world, "named.wasm", &["A_v1.0.md"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr
            .contains("folder .coo/artefacts: is a symbolic link; remove it"),
        "{ran:?}"
    );
    assert_eq!(world.coo(&["missions"]).stdout, "");
}

/// A link in the root would have `coo` clear away, or write over, what lies where it leads.
#[test]
fn no_folder_of_the_root_is_a_link() {
    for folder in [
        "tmp",
        "demo",
        "cache",
        "modules",
        "manifests",
        "amu0",
        "set-aside",
        "demo/DEMO-000002",
        "amu0/objects",
    ] {
        let world = world();
        assert_eq!(write(&world, "named.wasm", &["a/A_v1.0.md"]).code, 0);
        let artefacts = world.root().join("artefacts");
        let link = world.root().join(folder);
        let _ = fs::remove_dir_all(&link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let up = "../".repeat(folder.matches('/').count());
        symlink(format!("{up}artefacts"), &link).unwrap();
        fs::write(artefacts.join("extra"), "").unwrap();
        let before = listing(&artefacts);
        let command: &[&str] = match folder {
            "amu0" | "amu0/objects" => &["amu0", "create"],
            "manifests" => &["manifests", "write"],
            "set-aside" => &["artefacts", "check", "--repair"],
            _ => &["run-demo"],
        };
        let ran = world.coo(command);
        println!("{folder:<18} {}", ran.stderr.trim_end());
        assert_eq!(ran.code, 1, "{folder}: {ran:?}");
        let words = format!("folder .coo/{folder}: is a symbolic link; remove it");
        assert!(ran.stderr.contains(&words), "{folder}: {ran:?}");
        assert_eq!(listing(&artefacts), before, "{folder}");
        fs::remove_file(&link).unwrap();
        assert_eq!(world.coo(command).code, 0, "{folder}");
    }
}
