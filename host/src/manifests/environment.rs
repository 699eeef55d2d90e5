//! The environment manifest: system, kernel, Python, locale, PATH, and the variables that affect
//! `coo` or the tools it calls. Invariant: for a variable with a secret name, only whether it is
//! set is recorded, and its value is removed from every other text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use coo_kernel::baseline::text_of;
use coo_kernel::state::manifest::{is_secret, scrubbed, system};
use serde::Serialize;

use super::{ENVIRONMENT_FORMAT, read_text};
use crate::effects::environment::{Environment, IN_DOT_ENV};
use crate::machine;

/// Files that name the system's release; the first that exists counts.
const RELEASE_FILES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Variables of the locale.
const LOCALE: [&str; 2] = ["LANG", "LANGUAGE"];
const LOCALE_PREFIX: &str = "LC_";

/// Variables that affect `coo`, `git` or Python. The manifest lists all of them, with null for
/// those that are not set.
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
/// The manifest also lists set variables whose names start like this.
const PREFIXES: [&str; 2] = ["COO_", "PYTHON"];
/// Only test builds read this variable.
const NOT_OF_A_RELEASE: &str = "COO_FAULT";
/// Proxy variables exist in upper and lower case.
const PROXY_SUFFIX: &str = "_proxy";

/// The content of `environment_manifest.json`.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct EnvironmentManifest {
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
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Kernel {
    machine: String,
    name: String,
    release: String,
    version: String,
}

/// Reads everything except the version of Python, which comes from the tools manifest.
pub fn manifest(environment: &Environment, python: Option<String>) -> EnvironmentManifest {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| text_of(part.to_bytes());
    let variables = Variables::read(environment);
    EnvironmentManifest {
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

/// Returns the values that must not be written anywhere.
#[cfg(feature = "repository")]
#[must_use]
pub fn secrets(environment: &Environment) -> Vec<String> {
    Variables::read(environment).secrets
}

fn is_relevant(name: &str) -> bool {
    let any = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    (any && name != NOT_OF_A_RELEASE) || name.ends_with(PROXY_SUFFIX)
}

/// The variables that are set, in the environment or in the part of `.env` that `coo` reads.
struct Variables {
    set: BTreeMap<String, String>,
    /// Values that must not be written anywhere.
    secrets: Vec<String>,
}

impl Variables {
    fn read(environment: &Environment) -> Self {
        let text = |value: &OsString| text_of(value.as_bytes());
        let mut set: BTreeMap<String, String> = machine::environment()
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (text(name), text(value)))
            .collect();
        for name in IN_DOT_ENV {
            if let Some(value) = environment.get(name) {
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

    /// Returns all of `names` and every other set variable for which `wanted` holds, without
    /// secrets.
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

    /// Returns whether each secret variable is set, among all that the manifest would list.
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
