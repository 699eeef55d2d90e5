//! The environment manifest: system, kernel, Python, locale, PATH, and the variables that
//! `coo` or the tools it calls go by. Invariant: of a variable that is secret by its name only
//! whether it is set is recorded, and no other text holds its value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use coo_kernel::baseline::text_of;
use coo_kernel::root::manifest::{is_secret, scrubbed, system};
use serde::Serialize;

use super::{ENVIRONMENT_FORMAT, read_text};
use crate::effects::surroundings::{IN_DOT_ENV, Surroundings};
use crate::machine;

/// Where a system says its release; the first that is there counts.
const RELEASE_FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Variables of the locale.
const LOCALE: [&str; 2] = ["LANG", "LANGUAGE"];
const LOCALE_PREFIX: &str = "LC_";

/// Variables that change what `coo`, `git` or Python do. All of these stand in the manifest,
/// null where they are not set.
const VARIABLES: [&str; 21] = [
    "ALL_PROXY",
    "COO_LLM_BASE_URL",
    "COO_LLM_MODEL",
    "COO_ROOT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "OPENROUTER_API_KEY",
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONPATH",
    "RAYON_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
];
/// Others of these stand there if they are set.
const PREFIXES: [&str; 2] = ["COO_", "PYTHON"];
/// Read by builds for tests alone.
const NOT_OF_A_RELEASE: &str = "COO_FAULT";
/// Names of proxies are written either way.
const PROXY_SUFFIX: &str = "_proxy";

/// `environment_manifest.json`.
#[derive(Serialize)]
pub struct Manifest {
    format: &'static str,
    kernel: Kernel,
    locale: BTreeMap<String, Option<String>>,
    os: Option<system::Release>,
    path: Option<String>,
    python: Option<String>,
    secrets: BTreeMap<String, &'static str>,
    variables: BTreeMap<String, Option<String>>,
}

#[derive(Serialize)]
struct Kernel {
    machine: String,
    name: String,
    release: String,
    version: String,
}

/// Looks at everything but Python, whose version the tools manifest has.
pub fn manifest(surroundings: &Surroundings, python: Option<String>) -> Manifest {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| text_of(part.to_bytes());
    let variables = Variables::read(surroundings);
    Manifest {
        format: ENVIRONMENT_FORMAT,
        kernel: Kernel {
            machine: text(uname.machine()),
            name: text(uname.sysname()),
            release: text(uname.release()),
            version: text(uname.version()),
        },
        locale: variables.take(&LOCALE, |name| name.starts_with(LOCALE_PREFIX)),
        os: RELEASE_FILES
            .into_iter()
            .find_map(read_text)
            .map(|text| system::release(&text)),
        path: variables.value("PATH"),
        python,
        secrets: variables.secrets(),
        variables: variables.take(&VARIABLES, is_relevant),
    }
}

/// Values that may stand in nothing that is written down.
#[must_use]
pub fn secrets(surroundings: &Surroundings) -> Vec<String> {
    Variables::read(surroundings).secrets
}

fn is_relevant(name: &str) -> bool {
    let any = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    (any && name != NOT_OF_A_RELEASE) || name.ends_with(PROXY_SUFFIX)
}

/// What is set: in the environment, and what `coo` reads from `.env` beside it.
struct Variables {
    set: BTreeMap<String, String>,
    /// Values that may stand nowhere.
    secrets: Vec<String>,
}

impl Variables {
    fn read(surroundings: &Surroundings) -> Self {
        let text = |value: &OsString| text_of(value.as_bytes());
        let mut set: BTreeMap<String, String> = machine::environment()
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        for name in IN_DOT_ENV {
            if let Some(value) = surroundings.get(name) {
                set.insert(name.to_owned(), text_of(value.as_bytes()));
            }
        }
        let secrets = set
            .iter()
            .filter(|(name, _)| is_secret(name))
            .map(|(_, value)| value.clone())
            .collect();
        Self { set, secrets }
    }

    fn value(&self, name: &str) -> Option<String> {
        let value = self.set.get(name)?;
        Some(scrubbed(name, value, &self.secrets))
    }

    /// All of `names`, and whatever else is set and `wanted`; nothing that is secret.
    fn take(
        &self,
        names: &[&str],
        wanted: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, Option<String>> {
        let others = self
            .set
            .keys()
            .map(String::as_str)
            .filter(|name| wanted(name));
        names
            .iter()
            .copied()
            .chain(others)
            .filter(|name| !is_secret(name))
            .map(|name| (name.to_owned(), self.value(name)))
            .collect()
    }

    /// What is secret, of all that `take` would take.
    fn secrets(&self) -> BTreeMap<String, &'static str> {
        let others = self
            .set
            .keys()
            .map(String::as_str)
            .filter(|name| is_relevant(name));
        VARIABLES
            .into_iter()
            .chain(others)
            .filter(|name| is_secret(name))
            .map(|name| {
                let is_set = self.set.contains_key(name);
                (name.to_owned(), if is_set { "set" } else { "absent" })
            })
            .collect()
    }
}
