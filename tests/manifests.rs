//! The manifests of a state root: what they hold is what the machine says, two writes give the
//! same bytes, every drift and every damaged file is named, and no secret is in any of them.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::every;
use crate::support::{Ran, World, shown};

const FILES: [&str; 4] = [
    "environment_manifest.json",
    "hardware_manifest.json",
    "sandbox_digest.txt",
    "tools_manifest.json",
];
const WRITE: [&str; 2] = ["manifests", "write"];
const CHECK: [&str; 2] = ["manifests", "check"];

/// A world with a root, and a PATH that holds a git and nothing else.
fn world() -> World {
    let world = World::new();
    let folder = world.path().join("bin");
    let world = world.with("PATH", folder.to_str().unwrap());
    tool(&world, "git", "echo git version 9.1");
    assert_eq!(world.coo(&["init"]).code, 0);
    world
}

fn tool(world: &World, name: &str, script: &str) -> PathBuf {
    let path = world.file(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn written() -> World {
    let world = world();
    let ran = world.coo(&WRITE);
    assert_eq!(ran.code, 0, "{ran:?}");
    world
}

fn place(world: &World, file: &str) -> PathBuf {
    world.root().join("manifests").join(file)
}

fn manifest(world: &World, file: &str) -> Value {
    serde_json::from_slice(&fs::read(place(world, file)).unwrap()).unwrap()
}

/// All four, with the inode of each.
fn all(world: &World) -> Vec<(u64, Vec<u8>)> {
    let one = |file: &str| {
        let path = place(world, file);
        (path.metadata().unwrap().ino(), fs::read(path).unwrap())
    };
    FILES.into_iter().map(one).collect()
}

fn drifts(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.starts_with("ERROR: manifests in ") && ran.stderr.contains("manifests write"),
        "{ran:?}"
    );
    let view: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(view["in_order"], false);
    view["drifts"].as_array().unwrap().clone()
}

fn check(world: &World) -> Vec<Value> {
    drifts(&world.coo(&["manifests", "check", "--json"]))
}

#[test]
fn two_writes_give_the_same_bytes_and_the_second_touches_nothing() {
    let world = world();
    let view = world.json(&WRITE);
    let listed: Vec<(&str, &str)> = view["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|made| {
            assert_eq!(made["changed"], true);
            (
                made["file"].as_str().unwrap(),
                made["sha256"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(listed.len(), FILES.len());
    for (file, sha256) in listed {
        let content = fs::read(world.root().join(file)).unwrap();
        assert_eq!(sha256, Digest::of(&content).to_string());
        if !file.contains("digest") {
            let value: Value = serde_json::from_slice(&content).unwrap();
            let text = canonical::to_string(&value).unwrap() + "\n";
            assert_eq!(content, text.as_bytes(), "{file}");
        }
    }
    let before = all(&world);
    let again = world.coo(&WRITE);
    assert_snapshot!(shown("manifests write", &again), @"
    $ coo manifests write
    <sha256…>  unchanged  manifests/environment_manifest.json
    <sha256…>  unchanged  manifests/hardware_manifest.json
    <sha256…>  unchanged  manifests/tools_manifest.json
    <sha256…>  unchanged  manifests/sandbox_digest.txt
    --- exit 0
    ");
    assert_eq!(all(&world), before);
    let checked = world.coo(&CHECK);
    assert_snapshot!(shown("manifests check", &checked), @"
    $ coo manifests check
    4 manifests, all in order
    --- exit 0
    ");
    assert_eq!(
        world.json(&CHECK),
        json!({"format": "coo-manifests-check/1", "drifts": [], "in_order": true})
    );
    assert_eq!(all(&world), before);
}

#[test]
fn they_hold_what_the_machine_says() {
    let world = written();
    let tools = manifest(&world, "tools_manifest.json");
    let program = fs::read(env!("CARGO_BIN_EXE_coo")).unwrap();
    assert_eq!(tools["format"], "coo-tools-manifest/1");
    assert_eq!(
        tools["coo"]["sha256"],
        Digest::of(program).to_string().as_str()
    );
    assert_eq!(tools["coo"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        tools["coo"]["engine"][0],
        format!("wasmtime={}", tools["build"]["wasmtime"].as_str().unwrap())
    );
    assert!(
        tools["build"]["rustc"]
            .as_str()
            .unwrap()
            .starts_with("rustc 1.")
    );
    assert_eq!(tools["build"]["sqlite"], rusqlite::version());
    let git = &tools["tools"]["git"];
    let path = world.path().join("bin/git");
    assert_eq!(git["version"], "git version 9.1");
    assert_eq!(git["path"], path.to_str().unwrap());
    assert_eq!(
        git["sha256"],
        Digest::of(fs::read(&path).unwrap()).to_string().as_str()
    );
    // What is not there is null and not left out.
    assert_eq!(tools["tools"].get("python3"), Some(&Value::Null));

    let environment = manifest(&world, "environment_manifest.json");
    assert_eq!(environment["locale"]["LC_ALL"], "C.UTF-8");
    assert_eq!(environment["locale"].get("LANG"), Some(&Value::Null));
    assert_eq!(environment["variables"]["TZ"], "UTC");
    assert_eq!(
        environment["path"],
        world.path().join("bin").to_str().unwrap()
    );
    assert_eq!(environment.get("python"), Some(&Value::Null));
    assert_eq!(
        environment["secrets"],
        json!({"OPENROUTER_API_KEY": "absent"})
    );
    if let Ok(release) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        assert_eq!(environment["kernel"]["release"], release.trim());
    }

    let hardware = manifest(&world, "hardware_manifest.json");
    if let Ok(cpuinfo) = fs::read_to_string("/proc/cpuinfo") {
        assert!(hardware["cpu"]["logical"].as_u64().unwrap() > 0);
        for (field, name) in [("vendor", "vendor_id"), ("microcode", "microcode")] {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            let value = line.map(|line| line.split_once(':').unwrap().1.trim());
            if value.is_some() {
                assert_eq!(hardware["cpu"][field].as_str(), value);
            }
        }
    }
    if Path::new("/proc/self/mountinfo").exists() {
        assert!(hardware["file_system"].is_string(), "{hardware}");
    }

    let sandbox = fs::read_to_string(place(&world, "sandbox_digest.txt")).unwrap();
    assert_eq!(sandbox, include_str!("../sandbox_digest.txt"));
    assert_eq!(world.json(&["digest"])["sha256"], sandbox.trim_end());
}

#[test]
fn every_difference_is_named_with_both_values() {
    let world = written();
    let digest = |path: &Path| Digest::of(fs::read(path).unwrap()).to_string();
    let old = digest(&world.path().join("bin/git"));
    let new = digest(&tool(&world, "git", "echo git version 9.2"));
    let changed = |file: &str, field: &str, recorded: Value, found: Value| {
        json!({"drift": "changed", "file": format!("manifests/{file}"), "field": field,
               "recorded": recorded, "found": found})
    };
    let tools = "tools_manifest.json";
    let expected = [
        changed(tools, "tools.git.sha256", json!(old), json!(new)),
        changed(
            tools,
            "tools.git.version",
            json!("git version 9.1"),
            json!("git version 9.2"),
        ),
    ];
    assert_eq!(check(&world), expected);
    let ran = world.coo(&CHECK);
    assert_snapshot!(ran.stderr, @"
    ERROR: manifests in .coo/manifests: out of date, 2 differences
    hint: if this is intended, run 'coo manifests write' to accept the current environment
    ");
    assert_eq!(
        ran.stdout,
        format!(
            "changed     manifests/tools_manifest.json: tools.git.sha256\n  recorded  \"{old}\"\n  found     \"{new}\"\n\
             changed     manifests/tools_manifest.json: tools.git.version\n  recorded  \"git version 9.1\"\n  found     \"git version 9.2\"\n\
             4 manifests, 2 differences\n"
        )
    );
    assert_eq!(world.coo(&WRITE).code, 0);
    fs::remove_file(world.path().join("bin/git")).unwrap();
    let gone = check(&world);
    assert_eq!((gone.len(), &gone[0]["field"]), (1, &json!("tools.git")));
    assert_eq!(gone[0]["found"], Value::Null);

    let world = written();
    let with = |name: &str, value: &str| {
        let ran = world.coo_with(&["manifests", "check", "--json"], name, value);
        let found = drifts(&ran);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["file"], "manifests/environment_manifest.json");
        found[0]["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(with("LANG", "de_DE"), "locale.LANG");
    assert_eq!(with("LC_TIME", "de_DE"), "locale.LC_TIME");
    assert_eq!(with("TZ", "CET"), "variables.TZ");
    assert_eq!(with("http_proxy", "p:1"), "variables.http_proxy");
    assert_eq!(with("COO_LLM_MODEL", "m"), "variables.COO_LLM_MODEL");
    assert_eq!(
        with("OPENROUTER_API_KEY", "k"),
        "secrets.OPENROUTER_API_KEY"
    );
    // What changes nothing is no part of it.
    assert_eq!(world.coo_with(&CHECK, "HOME", "/elsewhere").code, 0);
}

#[test]
fn a_manifest_that_is_none_is_named_and_written_anew() {
    let reference = written();
    for file in FILES {
        let content = String::from_utf8(fs::read(place(&reference, file)).unwrap()).unwrap();
        let forms = [
            ("is not JSON", "{\"format\":".to_owned().into_bytes()),
            ("is not JSON", vec![0xff, 0xfe]),
            ("is not canonical", content.trim_end().into()),
            ("is not canonical", content.replacen(':', ": ", 1).into()),
            (
                "has format",
                content.replace("manifest/1", "manifest/2").into(),
            ),
            ("has format", b"[]\n".into()),
        ];
        for (words, damaged) in forms {
            let world = written();
            fs::write(place(&world, file), &damaged).unwrap();
            if fs::read(place(&reference, file)).unwrap() == damaged {
                continue;
            }
            let found = check(&world);
            assert_eq!(found.len(), 1, "{file}: {found:?}");
            assert_eq!(found[0]["file"], format!("manifests/{file}"));
            if file == "sandbox_digest.txt" {
                assert_eq!(found[0]["field"], "sha256");
            } else {
                assert_eq!(found[0]["drift"], "unreadable");
                let reason = found[0]["reason"].as_str().unwrap();
                assert!(reason.contains(words), "{file}: {reason}, not {words}");
            }
            assert_eq!(world.coo(&WRITE).code, 0);
            assert_eq!(world.coo(&CHECK).code, 0);
        }
        let world = written();
        fs::remove_file(place(&world, file)).unwrap();
        let missing = json!({"drift": "missing", "file": format!("manifests/{file}")});
        assert_eq!(check(&world), [missing]);
    }
}

#[test]
fn no_secret_gets_into_a_manifest_or_out_of_a_command() {
    const KEY: &str = "sk-or-v1-0123456789";
    let world = world()
        .with("OPENROUTER_API_KEY", KEY)
        .with("COO_OTHER_TOKEN", "tok-0123456789")
        .with("PYTHON_PASSWORD", "word-0123456789")
        .with("HTTPS_PROXY", "http://me:hidden1@proxy:3128")
        .with("http_proxy", "me:hidden2@proxy:3128")
        .with(
            "COO_LLM_BASE_URL",
            "https://u:hidden3@host/v1?api_key=hidden4&x=1",
        )
        .with("COO_NOTE", format!("key is {KEY}"));
    let said = [
        world.coo(&["manifests", "write", "--json"]),
        world.coo(&["manifests", "check", "--json"]),
        // Now all of it is drift.
        world.coo_with(&CHECK, "COO_LLM_BASE_URL", "https://u:hidden5@host"),
    ];
    let mut text = format!("{said:?}");
    for (path, content) in world.root_files() {
        let content = String::from_utf8_lossy(&content);
        writeln!(text, "{}: {content}", path.display()).unwrap();
    }
    for secret in [KEY, "0123456789", "hidden"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let environment = manifest(&world, "environment_manifest.json");
    assert_eq!(
        environment["secrets"],
        json!({"COO_OTHER_TOKEN": "set", "OPENROUTER_API_KEY": "set", "PYTHON_PASSWORD": "set"})
    );
    let variables = &environment["variables"];
    assert_eq!(variables["HTTPS_PROXY"], "http://proxy:3128");
    assert_eq!(variables["http_proxy"], "proxy:3128");
    assert_eq!(
        variables["COO_LLM_BASE_URL"],
        "https://host/v1?api_key=[left out]&x=1"
    );
    assert_eq!(variables["COO_NOTE"], "key is [left out]");
}

#[test]
fn a_key_in_dot_env_counts_as_set() {
    let world = world();
    world.file(".env", "OPENROUTER_API_KEY=sk-dot-env-key\nLANG=xx\n");
    assert_eq!(world.coo(&WRITE).code, 0);
    let environment = manifest(&world, "environment_manifest.json");
    assert_eq!(environment["secrets"]["OPENROUTER_API_KEY"], "set");
    assert_eq!(environment["locale"]["LANG"], Value::Null);
    for (path, content) in world.root_files() {
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("sk-dot-env"), "{}", path.display());
    }
}

#[test]
fn the_configuration_names_further_tools() {
    let world = written();
    let path = world.root().join("config.json");
    let plain = fs::read_to_string(&path).unwrap();
    assert!(!plain.contains("tools"), "{plain}");
    let configure = |tools: Value| {
        let mut config: Value = serde_json::from_str(&plain).unwrap();
        config["tools"] = tools;
        fs::write(&path, config.to_string()).unwrap();
    };
    configure(json!(["true-north", "absent-one", "git"]));
    tool(&world, "true-north", "exit 1");
    assert_eq!(world.coo(&WRITE).code, 0);
    let tools = manifest(&world, "tools_manifest.json")["tools"].clone();
    let names: Vec<&String> = tools.as_object().unwrap().keys().collect();
    assert_eq!(names, ["absent-one", "git", "python3", "true-north"]);
    assert_eq!(tools["true-north"]["version"], Value::Null);
    assert!(tools["true-north"]["sha256"].is_string());
    assert_eq!(tools["absent-one"], Value::Null);
    configure(json!(["/bin/sh"]));
    let refused = [WRITE, CHECK].map(|command| shown(&command.join(" "), &world.coo(&command)));
    assert_snapshot!(refused.concat(), @r#"
    $ coo manifests write
    --- standard error
    ERROR: configuration: tool '/bin/sh' must be the plain name of a program in PATH, 1 to 64 of A-Z a-z 0-9 . _ + -
    hint: correct "tools" in config.json
    --- exit 1
    $ coo manifests check
    --- standard error
    ERROR: configuration: tool '/bin/sh' must be the plain name of a program in PATH, 1 to 64 of A-Z a-z 0-9 . _ + -
    hint: correct "tools" in config.json
    --- exit 1
    "#);
}

#[test]
fn without_a_root_nothing_is_made() {
    let world = World::new();
    let refused = [WRITE, CHECK].map(|command| shown(&command.join(" "), &world.coo(&command)));
    assert_snapshot!(refused.concat(), @"
    $ coo manifests write
    --- standard error
    ERROR: no state root at .coo
    hint: 'coo init' makes one
    --- exit 1
    $ coo manifests check
    --- standard error
    ERROR: no state root at .coo
    hint: 'coo init' makes one
    --- exit 1
    ");
    assert!(!world.root().exists());
}

#[test]
fn a_write_stopped_at_any_point_leaves_each_manifest_whole_or_not_there() {
    let list = |world: &World| {
        let file = world.path().join("points");
        let ran = world.coo_with(&WRITE, "COO_FAULT", &format!("list:{}", file.display()));
        assert_eq!(ran.code, 0, "{ran:?}");
        fs::read_to_string(file).unwrap().lines().count()
    };
    let count = list(&world());
    for way in ["kill", "fail"] {
        for n in (1..=count).step_by(every(9)) {
            let world = world();
            let mut command = world.command(&WRITE);
            let output = command.env("COO_FAULT", format!("{way}:{n}")).output();
            assert!(!output.unwrap().status.success(), "{way}:{n}");
            let checked = world.coo(&["manifests", "check", "--json"]);
            let view: Value = serde_json::from_str(&checked.stdout).unwrap();
            for drift in view["drifts"].as_array().unwrap() {
                assert_eq!(drift["drift"], "missing", "{way}:{n}");
            }
            assert_eq!(world.coo(&WRITE).code, 0);
            assert_eq!(world.coo(&CHECK).code, 0);
        }
    }
}
