//! Names and things that were put in the gateway's way: each is refused with a reason of its own,
//! and nothing is written anywhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use insta::assert_snapshot;
use serde_json::json;

use super::{listing, refusal, world, write};
use crate::support::{World, shown, steady};

#[test]
fn every_hostile_name_is_refused_with_its_own_reason() {
    let world = world();
    let before = listing(&world.root().join("artefacts"));
    let long = format!("{}_v1.0.md", "a".repeat(240));
    let deep = format!("{}A_v1.0.md", "a/".repeat(8));
    let mut told = Vec::new();
    for path in [
        "",
        "../A_v1.0.md",
        "a/../../A_v1.0.md",
        "a/./A_v1.0.md",
        "a//A_v1.0.md",
        "A_v1.0.md/",
        "/etc/A_v1.0.md",
        "//host/A_v1.0.md",
        "C:/A_v1.0.md",
        "C:A_v1.0.md",
        "\\\\host\\share\\A_v1.0.md",
        "a\\..\\A_v1.0.md",
        "A\0_v1.0.md",
        "A\n_v1.0.md",
        "A\u{1b}[31m_v1.0.md",
        "A\u{7f}_v1.0.md",
        "A_v1.0.md ",
        " A_v1.0.md",
        "A_v1.0.md.",
        "a./A_v1.0.md",
        ".hidden/A_v1.0.md",
        // Cyrillic А, full-width A, e with a combining accent, right-to-left override.
        "\u{410}_v1.0.md",
        "\u{ff21}_v1.0.md",
        "e\u{301}_v1.0.md",
        "A_v1.0\u{202e}dm.exe",
        "A_v1.0.md:stream",
        "A?_v1.0.md",
        "con/A_v1.0.md",
        "NUL.x/A_v1.0.md",
        "lpt1/A_v1.0.md",
        "A.md",
        "INDEX.json",
        "A_v1.0.md/B_v1.0.md",
        "INDEX.md",
        long.as_str(),
        deep.as_str(),
    ] {
        let words = refusal(&write(&world, "empty.wasm", &[path]));
        told.push(format!("{path:?}: {words}\n"));
    }
    assert_snapshot!(steady(&told.concat()), @"");
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
    let plants: [(&str, Plant<'_>); 10] = [
        ("link to a folder outside", &|sub| {
            symlink(&away, sub).unwrap();
        }),
        ("link to a folder of the root", &|sub| {
            symlink("../modules", sub).unwrap();
        }),
        ("file where a folder should be", &|sub| {
            fs::write(sub, "").unwrap();
        }),
        ("link to a file outside", &|sub| {
            fs::create_dir(sub).unwrap();
            symlink(&victim, sub.join("A_v1.0.md")).unwrap();
        }),
        ("link to nothing", &|sub| {
            fs::create_dir(sub).unwrap();
            symlink("nowhere", sub.join("A_v1.0.md")).unwrap();
        }),
        ("hard link to a file outside", &|sub| {
            fs::create_dir(sub).unwrap();
            fs::hard_link(&victim, sub.join("A_v1.0.md")).unwrap();
        }),
        ("pipe", &|sub| {
            fs::create_dir(sub).unwrap();
            let made = Command::new("mkfifo").arg(sub.join("A_v1.0.md")).status();
            assert!(made.unwrap().success());
        }),
        ("socket", &|sub| {
            fs::create_dir(sub).unwrap();
            drop(UnixListener::bind(sub.join("A_v1.0.md")).unwrap());
        }),
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
        ),
        ("folder", &|sub| {
            fs::create_dir_all(sub.join("A_v1.0.md")).unwrap();
        }),
    ];
    let mut told = Vec::new();
    for (what, plant) in plants {
        let world = world();
        plant(&world.root().join("artefacts/sub"));
        let before = listing(&world.root().join("artefacts"));
        let words = refusal(&write(&world, "named.wasm", &[path]));
        told.push(format!("{what}: {words}\n"));
        assert_eq!(listing(&world.root().join("artefacts")), before, "{what}");
        assert!(!away.join("A_v1.0.md").exists(), "{what}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }
    assert_snapshot!(steady(&told.concat()), @"");
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
    assert_snapshot!(steady(&words), @"");

    // Put there after the artefact was made: found, and neither frozen nor left there.
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();
    assert_eq!(write(&world, "named.wasm", &["a/A_v1.0.md"]).code, 0);
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();
    fs::hard_link(&outside, artefacts.join("a/A_v1.0.md")).unwrap();
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    let freeze = world.coo(&["freeze"]);
    assert_snapshot!(shown("freeze", &freeze), @"");
    assert_eq!(world.json(&["freeze", "status"])["is_frozen"], json!(false));
    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"");
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
    assert_snapshot!(steady(&words), @"");
    assert_eq!(write(&world, "empty.wasm", &["a/A_v1.0.md"]).code, 0);
    let words = refusal(&write(&world, "empty.wasm", &["A/A_v1.0.md"]));
    assert_snapshot!(steady(&words), @"");
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
    assert_snapshot!(shown("run write.json", &ran), @"");
    let missions = world.coo(&["missions"]);
    assert_snapshot!(shown("missions", &missions), @"");
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
    assert_snapshot!(shown("run write.json", &ran), @"");
    assert_eq!(world.coo(&["missions"]).stdout, "");
}

/// A link in the root would have `coo` clear away, or write over, what lies where it leads.
#[test]
fn no_folder_of_the_root_is_a_link() {
    let mut told = String::new();
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
        told += &shown(&command.join(" "), &ran);
        assert_eq!(listing(&artefacts), before, "{folder}");
        fs::remove_file(&link).unwrap();
        assert_eq!(world.coo(command).code, 0, "{folder}");
    }
    assert_snapshot!(told, @"");
}
