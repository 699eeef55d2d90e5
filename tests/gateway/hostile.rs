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
#[expect(clippy::unicode_not_nfc, reason = "such a name is one of the cases")]
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
    assert_snapshot!(steady(&told.concat()), @r#"
    "": path is empty; name a file like report/Report_v1.0.md
    hint: 'coo logs MISSION-000001' shows how it got there

    "../A_v1.0.md": path '../A_v1.0.md' has a '..' component, which leads out of its folder; name each folder
    hint: 'coo logs MISSION-000002' shows how it got there

    "a/../../A_v1.0.md": path 'a/../../A_v1.0.md' has a '..' component, which leads out of its folder; name each folder
    hint: 'coo logs MISSION-000003' shows how it got there

    "a/./A_v1.0.md": path 'a/./A_v1.0.md' has a '.' component; name each folder once
    hint: 'coo logs MISSION-000004' shows how it got there

    "a//A_v1.0.md": path 'a//A_v1.0.md' has an empty component; put one '/' between names and none at the end
    hint: 'coo logs MISSION-000005' shows how it got there

    "A_v1.0.md/": path 'A_v1.0.md/' has an empty component; put one '/' between names and none at the end
    hint: 'coo logs MISSION-000006' shows how it got there

    "/etc/A_v1.0.md": path '/etc/A_v1.0.md' is absolute; artefacts are named relative to artefacts/
    hint: 'coo logs MISSION-000007' shows how it got there

    "//host/A_v1.0.md": path '//host/A_v1.0.md' is absolute; artefacts are named relative to artefacts/
    hint: 'coo logs MISSION-000008' shows how it got there

    "C:/A_v1.0.md": path 'C:/A_v1.0.md' begins with a drive letter; artefacts are named relative to artefacts/
    hint: 'coo logs MISSION-000009' shows how it got there

    "C:A_v1.0.md": path 'C:A_v1.0.md' begins with a drive letter; artefacts are named relative to artefacts/
    hint: 'coo logs MISSION-000010' shows how it got there

    "\\\\host\\share\\A_v1.0.md": path '\\\\host\\share\\A_v1.0.md' has a backslash (U+005C), which separates folders on Windows; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000011' shows how it got there

    "a\\..\\A_v1.0.md": path 'a\\..\\A_v1.0.md' has a backslash (U+005C), which separates folders on Windows; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000012' shows how it got there

    "A\0_v1.0.md": path 'A\0_v1.0.md' has a NUL (U+0000), where many programs end a name; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000013' shows how it got there

    "A\n_v1.0.md": path 'A\n_v1.0.md' has a control character (U+000A), which a terminal obeys; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000014' shows how it got there

    "A\u{1b}[31m_v1.0.md": path 'A\u{1b}[31m_v1.0.md' has a control character (U+001B), which a terminal obeys; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000015' shows how it got there

    "A\u{7f}_v1.0.md": path 'A\u{7f}_v1.0.md' has a control character (U+007F), which a terminal obeys; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000016' shows how it got there

    "A_v1.0.md ": path 'A_v1.0.md ' has a space (U+0020), which Windows takes away at the end and shells split at; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000017' shows how it got there

    " A_v1.0.md": path ' A_v1.0.md' has a space (U+0020), which Windows takes away at the end and shells split at; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000018' shows how it got there

    "A_v1.0.md.": component 'A_v1.0.md.' ends with a dot, which Windows takes away; end it otherwise
    hint: 'coo logs MISSION-000019' shows how it got there

    "a./A_v1.0.md": component 'a.' ends with a dot, which Windows takes away; end it otherwise
    hint: 'coo logs MISSION-000020' shows how it got there

    ".hidden/A_v1.0.md": component '.hidden' starts with a dot, which hides it; begin it otherwise
    hint: 'coo logs MISSION-000021' shows how it got there

    "А_v1.0.md": path 'А_v1.0.md' has a character beyond ASCII (U+0410), which can look like another or be spelt in two ways; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000022' shows how it got there

    "Ａ_v1.0.md": path 'Ａ_v1.0.md' has a character beyond ASCII (U+FF21), which can look like another or be spelt in two ways; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000023' shows how it got there

    "e\u{301}_v1.0.md": path 'é_v1.0.md' has a combining mark (U+0301), so the name could be spelt in two ways; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000024' shows how it got there

    "A_v1.0\u{202e}dm.exe": path 'A_v1.0\u{202e}dm.exe' has an invisible character (U+202E), so the name is not what is shown; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000025' shows how it got there

    "A_v1.0.md:stream": path 'A_v1.0.md:stream' has a colon (U+003A), after which Windows names a stream of the file; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000026' shows how it got there

    "A?_v1.0.md": path 'A?_v1.0.md' has a special character (U+003F), which some shell or file system reads in its own way; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000027' shows how it got there

    "con/A_v1.0.md": component 'con' is a reserved device name; choose another
    hint: 'coo logs MISSION-000028' shows how it got there

    "NUL.x/A_v1.0.md": component 'NUL.x' is a reserved device name; choose another
    hint: 'coo logs MISSION-000029' shows how it got there

    "lpt1/A_v1.0.md": component 'lpt1' is a reserved device name; choose another
    hint: 'coo logs MISSION-000030' shows how it got there

    "A.md": name 'A.md' is not of the form Name_vMAJOR.MINOR[.PATCH].ext; for example Report_v1.0.md
    hint: 'coo logs MISSION-000031' shows how it got there

    "INDEX.json": name 'INDEX.json' is not of the form Name_vMAJOR.MINOR[.PATCH].ext; for example Report_v1.0.md
    hint: 'coo logs MISSION-000032' shows how it got there

    "A_v1.0.md/B_v1.0.md": folder 'A_v1.0.md' has the form of an artefact's name; name folders without a version
    hint: 'coo logs MISSION-000033' shows how it got there

    "INDEX.md": name 'INDEX.md' is not of the form Name_vMAJOR.MINOR[.PATCH].ext; for example Report_v1.0.md
    hint: 'coo logs MISSION-000034' shows how it got there

    "<sha256><sha256><sha256><sha256…><sha256…><sha256…><sha256…>_v1.0.md": path has 248 bytes, limit 240; shorten it
    hint: 'coo logs MISSION-000035' shows how it got there

    "a/a/a/a/a/a/a/a/A_v1.0.md": path 'a/a/a/a/a/a/a/a/A_v1.0.md' is 9 deep, limit 8; flatten it
    hint: 'coo logs MISSION-000036' shows how it got there
    "#);
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
    assert_snapshot!(steady(&told.concat()), @"
    link to a folder outside: 'sub/A_v1.0.md': a symbolic link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    link to a folder of the root: 'sub/A_v1.0.md': a symbolic link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    file where a folder should be: 'sub/A_v1.0.md': a file where a folder should be is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    link to a file outside: 'sub/A_v1.0.md': a symbolic link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    link to nothing: 'sub/A_v1.0.md': a symbolic link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    hard link to a file outside: 'sub/A_v1.0.md': a hard link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    pipe: 'sub/A_v1.0.md': a pipe is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    socket: 'sub/A_v1.0.md': a socket is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    device: 'sub/A_v1.0.md': a device is in the way
    hint: 'coo logs MISSION-000001' shows how it got there

    folder: 'sub/A_v1.0.md': a folder is in the way
    hint: 'coo logs MISSION-000001' shows how it got there
    ");
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
    assert_snapshot!(steady(&words), @"
    'a/A_v1.0.md': a hard link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there
    ");

    // Put there after the artefact was made: found, and neither frozen nor left there.
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();
    assert_eq!(write(&world, "named.wasm", &["a/A_v1.0.md"]).code, 0);
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();
    fs::hard_link(&outside, artefacts.join("a/A_v1.0.md")).unwrap();
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    let freeze = world.coo(&["freeze"]);
    assert_snapshot!(shown("freeze", &freeze), @"
    $ coo freeze
    --- standard error
    ERROR: .coo/artefacts/a/A_v1.0.md: its permissions can't be set: is a hard link, so they are another file's too
    hint: put a copy in its place
    --- exit 1
    ");
    assert_eq!(world.json(&["freeze", "status"])["is_frozen"], json!(false));
    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"
    $ coo artefacts check
    replaced  a/A_v1.0.md (a hard link is there)
    1 artefact on record, 1 difference
    --- standard error
    ERROR: artefacts/ does not match the record
    hint: 'coo artefacts check --repair' corrects that and keeps the files that it removes
    --- exit 3
    ");
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
    assert_snapshot!(steady(&words), @"
    'a/a_v1.0.md' differs from 'a/A_v1.0.md' only in case; choose another name
    hint: 'coo logs MISSION-000001' shows how it got there
    ");
    assert_eq!(write(&world, "empty.wasm", &["a/A_v1.0.md"]).code, 0);
    let words = refusal(&write(&world, "empty.wasm", &["A/A_v1.0.md"]));
    assert_snapshot!(steady(&words), @"
    'A/A_v1.0.md' differs from 'a/A_v1.0.md' only in case; choose another name
    hint: 'coo logs MISSION-000003' shows how it got there
    ");
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
    assert_snapshot!(shown("run write.json", &ran), @"
    $ coo run write.json
    --- standard error
    ERROR: mission MISSION-000002: it is complete and its changes are recorded, but they could not be applied yet: file .coo/artefacts/INDEX.json: can't be written: Is a directory (os error 21)
    hint: the next coo command applies them
    --- exit 1
    ");
    let missions = world.coo(&["missions"]);
    assert_snapshot!(shown("missions", &missions), @"
    $ coo missions
    ID              TYPE  STATUS   STARTED (UTC)     DURATION  NAME
    MISSION-000002  TEST  SUCCESS  <time>  <took>  write.json
    MISSION-000001  TEST  SUCCESS  <time>  <took>  write.json
    --- standard error
    [coo] not finished yet: file .coo/artefacts/INDEX.json: can't be written: Is a directory (os error 21)
    --- exit 0
    ");
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
    assert_snapshot!(shown("run write.json", &ran), @"
    $ coo run write.json
    --- standard error
    ERROR: state root: artefacts/ can't be opened: folder .coo/artefacts: is a symbolic link
    hint: remove it
    --- exit 1
    ");
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
        "amu0/packs",
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
            "amu0" | "amu0/packs" => &["amu0", "create"],
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
    assert_snapshot!(told, @"
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: state root .coo: folder .coo/tmp: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: state root .coo: folder .coo/demo: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: state root .coo: folder .coo/cache: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: state root .coo: folder .coo/modules: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo manifests write
    --- standard error
    ERROR: file .coo/manifests/environment_manifest.json: can't be written: folder .coo/manifests: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo amu0 create
    --- standard error
    [coo] manifests/ lacks tools_manifest.json, environment_manifest.json, hardware_manifest.json, sandbox_digest.txt: the baseline lacks them, too; 'coo manifests write' makes them
    ERROR: folder .coo/amu0/packs: can't be written: folder .coo/amu0: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo artefacts check --repair
    --- standard error
    ERROR: folder .coo/set-aside: can't be made: folder .coo/set-aside: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: file .coo/demo/DEMO-000002/demo_report.txt: can't be written: folder .coo/demo/DEMO-000002: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo amu0 create
    --- standard error
    [coo] manifests/ lacks tools_manifest.json, environment_manifest.json, hardware_manifest.json, sandbox_digest.txt: the baseline lacks them, too; 'coo manifests write' makes them
    ERROR: folder .coo/amu0/packs: can't be written: folder .coo/amu0/packs: is a symbolic link
    hint: remove it
    --- exit 1
    ");
}
