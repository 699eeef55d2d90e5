//! The user's cache of compiled code, attacked: files that somebody else made, damaged or moved
//! are never executed; nothing of it is in a state root; a folder that is not the user's alone is
//! not used.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::support::{World, copy_folder, mission_id};

const HELLO: &str = r#"(data (i32.const 1024) "hello\n") (func (export "_start") (call $write (i32.const 1024) (i32.const 6)))"#;
const OTHER: &str = r#"(data (i32.const 1024) "other\n") (func (export "_start") (call $write (i32.const 1024) (i32.const 6)))"#;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

/// Compiled code in a cache.
fn codes(folder: &Path) -> Vec<PathBuf> {
    let mut codes = files(folder);
    codes.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "code")
    });
    codes
}

fn assert_hello(world: &World) {
    let ran = world.run_guest(HELLO, &json!({}));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
}

/// The tag of a file of compiled code.
fn tag(code: &[u8]) -> &[u8] {
    &code[code.len() - 32..]
}

/// Runs until the only code has a seal, and returns both files. A seal is put on a file that is a moment
/// old.
fn sealed(world: &World) -> (PathBuf, PathBuf) {
    for _ in 0..1_000 {
        assert_hello(world);
        let all = files(&world.cache());
        let seal = all
            .iter()
            .find(|path| path.extension().is_some_and(|of| of == "seal"));
        if let Some(seal) = seal {
            return (codes(&world.cache())[0].clone(), seal.clone());
        }
    }
    panic!("no seal: {:?}", files(&world.cache()));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a time is put back here")]
fn a_sealed_file_is_used_until_anything_of_it_changes() {
    let world = World::with_own_cache();
    let (code, seal) = sealed(&world);
    assert_eq!(mode(&seal), 0o600);
    let (made, put) = (fs::metadata(&code).unwrap().ino(), fs::read(&seal).unwrap());
    assert_hello(&world);
    assert_eq!(
        fs::metadata(&code).unwrap().ino(),
        made,
        "not compiled again"
    );
    assert_eq!(fs::read(&seal).unwrap(), put);
    // A changed byte, with the time and the size that the file had.
    let before = fs::metadata(&code).unwrap();
    let mut bytes = fs::read(&code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&code, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&code).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    drop(file);
    assert_eq!(
        fs::metadata(&code).unwrap().modified().unwrap(),
        before.modified().unwrap()
    );
    assert_hello(&world);
    assert_ne!(fs::read(&code).unwrap(), bytes, "replaced");
}

#[test]
fn a_seal_that_is_wrong_or_of_another_file_is_not_believed() {
    let world = World::with_own_cache();
    let (code, seal) = sealed(&world);
    let (good, other) = (fs::read(&code).unwrap(), fs::read(&seal).unwrap());
    for spoilt in [
        Vec::new(),
        b"c".to_vec(),
        [b"m", &other[1..]].concat(),
        vec![b'c'; 33],
        vec![b'c'; 99],
    ] {
        fs::write(&seal, &spoilt).unwrap();
        assert_hello(&world);
        assert_eq!(fs::read(&code).unwrap(), good, "the tag is right");
    }
    // Another file in its place, with the seal of the one before.
    fs::write(&seal, &other).unwrap();
    let mut bytes = good.clone();
    bytes[40] ^= 1;
    fs::remove_file(&code).unwrap();
    fs::write(&code, &bytes).unwrap();
    assert_hello(&world);
    assert_ne!(fs::read(&code).unwrap(), bytes, "replaced");
}

#[test]
fn code_and_key_are_the_users_own_and_in_no_state_root() {
    let world = World::with_own_cache();
    // Whatever the mask of the process.
    let ran = world
        .program(
            "sh",
            &["-c", "umask 0; exec \"$0\" init", env!("CARGO_BIN_EXE_coo")],
        )
        .status()
        .unwrap();
    assert!(ran.success());
    world.guest("guest.wasm", HELLO);
    let run = "umask 0; exec \"$0\" run guest.wasm";
    let ran = world
        .program("sh", &["-c", run, env!("CARGO_BIN_EXE_coo")])
        .output()
        .unwrap();
    assert_eq!(ran.stdout, b"hello\n", "{ran:?}");
    let folder = world.cache();
    assert_eq!(mode(&folder), 0o700);
    let [code, key] = &files(&folder)[..] else {
        panic!("{:?}", files(&folder))
    };
    assert!(key.ends_with("key") && codes(&folder) == [code.clone()]);
    assert_eq!((mode(key), mode(code)), (0o600, 0o600));
    let (key, code) = (fs::read(key).unwrap(), fs::read(code).unwrap());
    assert_eq!(key.len(), 64);
    let contains = |content: &[u8], part: &[u8]| content.windows(part.len()).any(|w| w == part);
    for (path, content) in world.root_files() {
        assert!(
            !contains(&content, &key[..16]),
            "the key is in {}",
            path.display()
        );
        assert!(
            !contains(&content, tag(&code)),
            "a tag is in {}",
            path.display()
        );
        assert!(
            !contains(&content, b"\x7fELF"),
            "code is in {}",
            path.display()
        );
    }
    assert!(!contains(&code, &key[..16]));
}

#[test]
fn a_tampered_file_is_not_executed_and_is_replaced() {
    let world = World::with_own_cache();
    assert_hello(&world);
    let [file] = &codes(&world.cache())[..] else {
        panic!("one file")
    };
    let good = fs::read(file).unwrap();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    for bad in [
        changed(0),
        changed(31),
        changed(32),
        changed(33),
        changed(good.len() / 2),
        changed(good.len() - 1),
        good[..good.len() / 2].to_vec(),
        good[..33].to_vec(),
        good[..7].to_vec(),
        Vec::new(),
        [&good[..], b"more"].concat(),
    ] {
        fs::write(file, &bad).unwrap();
        assert_hello(&world);
        assert_eq!(fs::read(file).unwrap().len(), good.len(), "replaced");
        assert_ne!(fs::read(file).unwrap(), bad, "replaced");
    }
    // What is in the file's place is replaced, too, and followed nowhere.
    let outside = tempfile::TempDir::new().unwrap();
    let target = outside.path().join("code");
    fs::rename(file, &target).unwrap();
    symlink(&target, file).unwrap();
    assert_hello(&world);
    assert!(!file.is_symlink());
    assert!(target.exists());
}

#[test]
fn code_of_another_module_or_another_user_is_not_executed() {
    let world = World::with_own_cache();
    assert_eq!(world.run_guest(OTHER, &json!({})).stdout, "other\n");
    let other = fs::read(&codes(&world.cache())[0]).unwrap();
    assert_hello(&world);
    for file in codes(&world.cache()) {
        fs::write(file, &other).unwrap();
    }
    assert_hello(&world);
    for file in codes(&world.cache()) {
        fs::write(file, &other).unwrap();
    }
    // Nor by a replay or a verification.
    let ran = world.coo(&["run", "guest.json"]);
    for file in codes(&world.cache()) {
        fs::write(file, &other).unwrap();
    }
    assert_eq!(world.coo(&["replay", &mission_id(&ran)]).code, 0);
    assert_eq!(world.coo(&["verify", "guest.json", "--runs", "2"]).code, 0);

    // The right name, made with somebody else's key.
    let foreign = World::with_own_cache();
    assert_hello(&foreign);
    let [planted] = &codes(&foreign.cache())[..] else {
        panic!("one file")
    };
    let place = world.cache().join(planted.file_name().unwrap());
    let planted = fs::read(planted).unwrap();
    fs::write(&place, &planted).unwrap();
    assert_hello(&world);
    let now = fs::read(&place).unwrap();
    assert_ne!(tag(&now), tag(&planted), "compiled again");
}

#[test]
fn a_root_from_elsewhere_brings_no_code_and_is_compiled_anew() {
    let elsewhere = World::with_own_cache();
    let ran = elsewhere.run_guest(HELLO, &json!({}));
    let here = World::with_own_cache();
    copy_folder(&elsewhere.root(), &here.root());
    // As an older release left it, with code that nobody vouches for.
    let module = fs::read(elsewhere.path().join("guest.wasm")).unwrap();
    let module = coo_kernel::form::digest::Digest::of(module).to_string();
    let old = format!("cache/{}-0123456789abcdef.cwasm", &module[..32]);
    let planted = fs::read(&codes(&elsewhere.cache())[0]).unwrap();
    here.file(&format!(".coo/{old}"), &planted);
    assert_eq!(codes(&here.cache()), [] as [PathBuf; 0]);
    assert_eq!(here.coo(&["replay", &mission_id(&ran)]).code, 0);
    assert_eq!(codes(&here.cache()).len(), 1);
    let now = fs::read(&codes(&here.cache())[0]).unwrap();
    assert_ne!(tag(&now), tag(&planted), "of its own making");
}

#[test]
fn all_roots_of_a_user_and_the_files_he_gets_share_it() {
    let world = World::with_own_cache();
    assert_hello(&world);
    let made = || fs::metadata(&codes(&world.cache())[0]).unwrap().ino();
    let first = made();
    for root in ["one", "two"] {
        let ran = world.coo(&["--root", root, "run", "guest.json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(world.coo(&["verify", "guest.json", "--runs", "3"]).code, 0);
    let exported = world.coo(&["export", "MISSION-000001", "--output", "run.coorun"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let replayed = world.coo(&["--root", "three", "replay", "run.coorun"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    // A verification can have its memories' digest taken, which is another engine or none.
    assert!(codes(&world.cache()).len() <= 2);
    assert_eq!(made(), first, "not compiled again");
}

#[test]
fn a_folder_that_others_may_write_to_is_not_used() {
    for bad in [0o770, 0o707, 0o777, 0o1777] {
        let world = World::with_own_cache();
        fs::create_dir(world.cache()).unwrap();
        fs::set_permissions(world.cache(), Permissions::from_mode(bad)).unwrap();
        assert_hello(&world);
        assert_eq!(files(&world.cache()), [] as [PathBuf; 0], "{bad:o}");
        assert_eq!(mode(&world.cache()), bad, "left as it is");
    }
    // A link, a file, another user's folder.
    let world = World::with_own_cache();
    let outside = tempfile::TempDir::new().unwrap();
    symlink(outside.path(), world.cache()).unwrap();
    assert_hello(&world);
    assert_eq!(files(outside.path()), [] as [PathBuf; 0]);
    let world = World::with_own_cache();
    fs::write(world.cache(), "a file").unwrap();
    assert_hello(&world);
    if rustix_uid_is_root(world.path()) {
        let world = World::with_own_cache();
        fs::create_dir(world.cache()).unwrap();
        fs::set_permissions(world.cache(), Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(world.cache(), Some(12_345), None).unwrap();
        assert_hello(&world);
        assert_eq!(files(&world.cache()), [] as [PathBuf; 0]);
    }
}

/// Whether files made here are the superuser's, who alone can give them away.
fn rustix_uid_is_root(folder: &Path) -> bool {
    fs::metadata(folder).unwrap().uid() == 0
}

#[test]
fn a_key_that_others_may_know_is_made_anew_and_its_code_with_it() {
    type Spoil = fn(&Path);
    let spoil: [(&str, Spoil); 4] = [
        ("readable", |key| {
            fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
        }),
        ("short", |key| fs::write(key, "short").unwrap()),
        ("long", |key| fs::write(key, [7; 65]).unwrap()),
        ("a link", |key| {
            let target = key.parent().unwrap().parent().unwrap().join("target");
            fs::rename(key, &target).unwrap();
            symlink(&target, key).unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        let world = World::with_own_cache();
        assert_hello(&world);
        let key = world.cache().join("key");
        let before = fs::read(&key).unwrap();
        let code = fs::read(&codes(&world.cache())[0]).unwrap();
        spoil(&key);
        assert_hello(&world);
        let after = fs::read(&key).unwrap();
        assert_ne!(after, before, "{what}");
        assert_eq!((after.len(), mode(&key)), (64, 0o600), "{what}");
        let now = fs::read(&codes(&world.cache())[0]).unwrap();
        assert_ne!(tag(&now), tag(&code), "{what}");
        assert!(!key.is_symlink(), "{what}");
    }
}

#[test]
fn where_it_is_and_that_it_need_not_be() {
    let world = World::without_cache();
    let home = world.path().join("home");
    let set = |name: &str, value: &Path| {
        let world = world.coo_with(&["run", "guest.wasm"], name, value.to_str().unwrap());
        assert_eq!(world.stdout, "hello\n", "{world:?}");
    };
    world.guest("guest.wasm", HELLO);
    // Nowhere: it runs, and leaves nothing but its root.
    let before = files(world.path());
    let ran = world.coo(&["run", "guest.wasm"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
    assert_eq!(world.coo(&["verify", "guest.wasm", "--runs", "2"]).code, 0);
    let mut now = files(world.path());
    now.retain(|path| !before.contains(path));
    assert_eq!(now, [world.root()]);
    set("HOME", &home);
    assert_eq!(codes(&home.join(".cache/coo")).len(), 1);
    set("XDG_CACHE_HOME", &world.path().join("xdg"));
    assert_eq!(codes(&world.path().join("xdg/coo")).len(), 1);
    // A relative one would be another in each folder, and one that a stranger may have filled.
    for name in ["COO_CACHE_DIR", "XDG_CACHE_HOME", "HOME"] {
        set(name, Path::new("relative"));
        assert!(!world.path().join("relative").exists(), "{name}");
    }
    // Not from a file of the working directory.
    world.file(
        ".env",
        format!("COO_CACHE_DIR={}/planted\n", world.path().display()),
    );
    assert_eq!(world.coo(&["run", "guest.wasm"]).code, 0);
    assert!(!world.path().join("planted").exists());
}

#[test]
fn processes_that_begin_it_together_have_one_key_and_one_code() {
    let world = World::with_own_cache();
    world.guest("guest.wasm", HELLO);
    let roots: Vec<String> = (0..8).map(|number| format!("root-{number}")).collect();
    let children: Vec<_> = roots
        .iter()
        .map(|root| world.start(&["--root", root, "run", "guest.wasm"]))
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"hello\n", "{output:?}");
    }
    let mut all = files(&world.cache());
    all.retain(|path| path.extension().is_none_or(|of| of != "seal"));
    assert_eq!(all.len(), 2, "{all:?}");
    let made = fs::metadata(&codes(&world.cache())[0]).unwrap().ino();
    assert_hello(&world);
    assert_eq!(codes(&world.cache()).len(), 1);
    let now = fs::metadata(&codes(&world.cache())[0]).unwrap().ino();
    assert_eq!(now, made, "not compiled again");
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "files that are some hours old are made here"
)]
fn what_was_used_longest_ago_makes_room() {
    let world = World::with_own_cache();
    assert_eq!(world.run_guest(OTHER, &json!({})).stdout, "other\n");
    let hours = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3_600);
    // Holes: as large as they say, and nowhere on the disk.
    let old = |name: &str, at| {
        let file = fs::File::create(world.cache().join(name)).unwrap();
        file.set_len(3 << 30).unwrap();
        file.set_modified(at).unwrap();
    };
    old("older.code", hours(3));
    old("old.code", hours(2));
    old("tmp-1-left-behind", hours(100));
    old("tmp-2-at-work", hours(0));
    assert_hello(&world);
    let names: Vec<_> = files(&world.cache())
        .into_iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    assert!(!has("older.code") && has("old.code"), "{names:?}");
    assert!(
        !has("tmp-1-left-behind") && has("tmp-2-at-work"),
        "{names:?}"
    );
    assert_eq!(codes(&world.cache()).len(), 3, "{names:?}");
}
