//! The files of a new project, from `guest-sdk/template` and the SDK, which this binary contains: an
//! installed `coo` needs no checkout and no registry for them. Puts in the name of the mission, and
//! writes nothing.

use coo_kernel::project::name::MissionName;

/// Words of the template that stand for the name of the mission, and for the release.
const NAME: &str = "my-mission";
const TYPE: &str = "MY_MISSION";
const RELEASE: &str = "COO_VERSION";

/// What git leaves out of the state root of a project: what belongs to one machine.
pub const STATE_ROOT_IGNORES: &str = "cache/\nchanges/*/normalized/\nlock\n*-shm\ntmp/\n";
/// The file of a project that keeps keys out of git.
pub const GITIGNORE: &str = ".gitignore";
/// Lines of that file, each of which leaves out `.env`.
const LEAVES_OUT_ENV: [&str; 9] = [
    ".env", "/.env", "**/.env", ".env*", "/.env*", "*.env", ".*", "*", "/*",
];

/// Tells whether a `.gitignore` leaves out the file with the key.
#[must_use]
pub fn leaves_out_env(gitignore: &str) -> bool {
    let mut lines = gitignore.lines().map(str::trim_end);
    lines.any(|line| LEAVES_OUT_ENV.contains(&line))
}

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path from the top of the project.
    pub path: String,
    pub content: String,
    /// What it is for, in a few words; empty for a file that belongs to the one before it.
    pub about: &'static str,
    /// Whether the project works with another file in its place.
    pub is_replaceable: bool,
}

/// Path, content, what it is for, and whether another file may be in its place.
type Source = (&'static str, &'static str, &'static str, bool);

const MISSION: [Source; 3] = [
    (
        "my-mission.json",
        include_str!("../../../guest-sdk/template/my-mission.json"),
        "descriptor: steps, input, limits",
        false,
    ),
    (
        "missions/my-mission/Cargo.toml",
        include_str!("../../../guest-sdk/template/missions/my-mission/Cargo.toml"),
        "crate of the mission",
        false,
    ),
    (
        "missions/my-mission/src/lib.rs",
        include_str!("../../../guest-sdk/template/missions/my-mission/src/lib.rs"),
        "its code, to be changed",
        false,
    ),
];

const WORKSPACE: [Source; 4] = [
    (
        "Cargo.toml",
        include_str!("../../../guest-sdk/template/Cargo.toml"),
        "workspace, and how modules are compiled",
        false,
    ),
    (
        ".env.example",
        include_str!("../../../guest-sdk/template/env.example"),
        "model and key of live calls; copy it to .env",
        true,
    ),
    (
        GITIGNORE,
        include_str!("../../../guest-sdk/template/gitignore"),
        "what git leaves out",
        true,
    ),
    (
        ".github/workflows/coo.yml",
        include_str!("../../../guest-sdk/template/workflow.yml"),
        "replays every recorded run on every push",
        true,
    ),
];

const SDK: [Source; 10] = [
    (
        "vendor/coo-guest/Cargo.toml",
        include_str!("../../../guest-sdk/Cargo.toml"),
        "the SDK of this release, 10 files",
        false,
    ),
    (
        "vendor/coo-guest/src/bindings.rs",
        include_str!("../../../guest-sdk/src/bindings.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/src/chat.rs",
        include_str!("../../../guest-sdk/src/chat.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/src/db.rs",
        include_str!("../../../guest-sdk/src/db.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/src/error.rs",
        include_str!("../../../guest-sdk/src/error.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/src/gateway.rs",
        include_str!("../../../guest-sdk/src/gateway.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/src/lib.rs",
        include_str!("../../../guest-sdk/src/lib.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/src/llm.rs",
        include_str!("../../../guest-sdk/src/llm.rs"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/wit/mission.wit",
        include_str!("../../../guest-sdk/wit/mission.wit"),
        "",
        false,
    ),
    (
        "vendor/coo-guest/wit/v1.1/mission.wit",
        include_str!("../../../guest-sdk/wit/v1.1/mission.wit"),
        "",
        false,
    ),
];

/// The lock file of the bundled missions, which have the same dependencies: a new project begins
/// with versions that are known to work together.
const LOCK: &str = include_str!("../../../missions/Cargo.lock");
/// The packages of that file that are missions.
const BUNDLED: [&str; 2] = ["demo", "triage"];

/// Returns all files of a project with one mission.
#[must_use]
pub fn project(name: &MissionName) -> Vec<File> {
    let mut files = mission(name);
    files.extend(WORKSPACE.iter().map(|source| file(source, name)));
    files.push(File {
        path: "Cargo.lock".to_owned(),
        content: lock(name),
        about: "versions of all dependencies",
        is_replaceable: true,
    });
    files.extend(SDK.iter().map(|source| file(source, name)));
    files
}

/// Returns the files that one more mission adds to a project.
#[must_use]
pub fn mission(name: &MissionName) -> Vec<File> {
    MISSION.iter().map(|source| file(source, name)).collect()
}

fn file(&(path, content, about, is_replaceable): &Source, name: &MissionName) -> File {
    File {
        path: path.replace(NAME, name.as_str()),
        // The release first, then the name, which has no capitals: none of these words is ever found
        // in what was put in before.
        content: content
            .replace(RELEASE, env!("CARGO_PKG_VERSION"))
            .replace(NAME, name.as_str())
            .replace(TYPE, &name.mission_type()),
        about,
        is_replaceable,
    }
}

/// Returns the lock file for a workspace that has this mission in place of the bundled ones.
fn lock(name: &MissionName) -> String {
    const START: &str = "\n[[package]]\n";
    let mut blocks = LOCK.split(START);
    let mut text = blocks.next().unwrap_or_default().to_owned();
    let of = |block: &str| {
        let line = block.lines().next().unwrap_or_default();
        line.trim_start_matches("name = ")
            .trim_matches('"')
            .to_owned()
    };
    let mut packages: Vec<(String, String)> = blocks
        .map(|block| (of(block), block.trim_end().to_owned() + "\n"))
        .filter(|(package, _)| !BUNDLED.contains(&package.as_str()))
        .collect();
    let own = format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"coo-guest\",\n \"serde\",\n \"serde_json\",\n]\n"
    );
    packages.push((name.as_str().to_owned(), own));
    packages.sort();
    for (_, block) in packages {
        text.push_str(START);
        text.push_str(&block);
    }
    text
}

#[cfg(test)]
mod tests {
    use coo_kernel::mission::descriptor::Descriptor;

    use super::*;

    fn name() -> MissionName {
        MissionName::parse("mail-sort").unwrap()
    }

    #[test]
    fn no_word_of_the_template_is_left() {
        for file in project(&name()) {
            for word in [NAME, "my_mission", TYPE, RELEASE] {
                assert!(!file.path.contains(word), "{}: {word}", file.path);
                assert!(!file.content.contains(word), "{}: {word}", file.path);
            }
        }
    }

    #[test]
    fn a_name_that_is_a_word_of_the_template_stays_as_it_is() {
        for (name, mission_type) in [
            ("coo-version", "COO_VERSION"),
            ("my-mission", "MY_MISSION"),
            ("not-my-mission", "NOT_MY_MISSION"),
        ] {
            let files = mission(&MissionName::parse(name).unwrap());
            assert_eq!(files[0].path, format!("{name}.json"));
            let descriptor = Descriptor::parse(files[0].content.as_bytes()).unwrap();
            assert_eq!(descriptor.mission_type, mission_type);
            let module = format!("missions/dist/{name}.wasm");
            assert_eq!(descriptor.module.file, Some(module));
        }
    }

    #[test]
    fn no_mission_has_the_name_of_a_package_in_the_lock_file() {
        let names = LOCK.lines().filter_map(|line| line.strip_prefix("name = "));
        let names = names.map(|name| name.trim_matches('"').replace('_', "-"));
        for name in names.filter(|name| !BUNDLED.contains(&name.as_str())) {
            assert!(MissionName::parse(&name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_gitignore_leaves_out_the_key_by_a_line_of_its_own() {
        assert!(leaves_out_env(include_str!(
            "../../../guest-sdk/template/gitignore"
        )));
        assert!(leaves_out_env("*.log\r\n/.env\r\n"));
        for other in ["", "# .env\n", "!.env\n", ".env.example\n", "*.log\n"] {
            assert!(!leaves_out_env(other), "{other}");
        }
    }

    #[test]
    fn every_file_of_the_sdk_is_in_the_binary() {
        let sdk = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
        let mut found = vec!["vendor/coo-guest/Cargo.toml".to_owned()];
        for folder in ["src", "wit", "wit/v1.1"] {
            for entry in std::fs::read_dir(sdk.join(folder)).unwrap() {
                let entry = entry.unwrap();
                let file = entry.file_name().into_string().unwrap();
                if entry.file_type().unwrap().is_file() {
                    found.push(format!("vendor/coo-guest/{folder}/{file}"));
                }
            }
        }
        found.sort();
        assert_eq!(found, SDK.map(|(path, ..)| path));
        assert!(SDK[0].2.contains(&format!("{} files", SDK.len())));
    }

    #[test]
    fn the_descriptor_is_one() {
        let files = mission(&name());
        let descriptor = files.iter().find(|file| file.path == "mail-sort.json");
        let descriptor = Descriptor::parse(descriptor.unwrap().content.as_bytes()).unwrap();
        assert_eq!(descriptor.mission_type, "MAIL_SORT");
        assert_eq!(
            descriptor.module.file.as_deref(),
            Some("missions/dist/mail-sort.wasm")
        );
    }

    #[test]
    fn the_lock_file_has_the_mission_in_place_of_the_bundled_ones() {
        let text = lock(&name());
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("name = "))
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.contains(&"\"mail-sort\"") && names.contains(&"\"wit-bindgen\""));
        assert!(!names.contains(&"\"demo\"") && !names.contains(&"\"triage\""));
        assert_eq!(names.len(), LOCK.matches("[[package]]").count() - 1);
    }
}
