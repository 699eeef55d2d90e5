//! The complete capability surface: every interface that a module may import, what it permits in
//! plain words, and the verdict on an import outside it. The linker, the admission check and
//! `coo audit` all read this one table; an interface that is not in it can't be linked.

use std::fmt::Write as _;

use crate::form::digest::Digest;

/// An interface that the host provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is described by `permits`")]
pub enum Interface {
    Llm,
    Db,
    Gateway,
    CliEnvironment,
    CliExit,
    CliStderr,
    CliStdin,
    CliStdout,
    CliTerminalInput,
    CliTerminalOutput,
    CliTerminalStderr,
    CliTerminalStdin,
    CliTerminalStdout,
    ClocksMonotonic,
    ClocksWall,
    FilesystemPreopens,
    FilesystemTypes,
    IoError,
    IoPoll,
    IoStreams,
    RandomInsecure,
    RandomInsecureSeed,
    RandomRandom,
}

/// Whether using an interface can change or reveal anything outside the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Calls go through the journal: they are recorded, frozen and replayed.
    World,
    /// Calls stay inside the run and are the same on every machine.
    Sandbox,
}

impl Interface {
    /// The whole surface.
    pub const ALL: [Self; 23] = [
        Self::Llm,
        Self::Db,
        Self::Gateway,
        Self::CliEnvironment,
        Self::CliExit,
        Self::CliStderr,
        Self::CliStdin,
        Self::CliStdout,
        Self::CliTerminalInput,
        Self::CliTerminalOutput,
        Self::CliTerminalStderr,
        Self::CliTerminalStdin,
        Self::CliTerminalStdout,
        Self::ClocksMonotonic,
        Self::ClocksWall,
        Self::FilesystemPreopens,
        Self::FilesystemTypes,
        Self::IoError,
        Self::IoPoll,
        Self::IoStreams,
        Self::RandomInsecure,
        Self::RandomInsecureSeed,
        Self::RandomRandom,
    ];

    /// Returns `package:name/interface`, without the version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llm => "coo:mission/llm",
            Self::Db => "coo:mission/db",
            Self::Gateway => "coo:mission/gateway",
            Self::CliEnvironment => "wasi:cli/environment",
            Self::CliExit => "wasi:cli/exit",
            Self::CliStderr => "wasi:cli/stderr",
            Self::CliStdin => "wasi:cli/stdin",
            Self::CliStdout => "wasi:cli/stdout",
            Self::CliTerminalInput => "wasi:cli/terminal-input",
            Self::CliTerminalOutput => "wasi:cli/terminal-output",
            Self::CliTerminalStderr => "wasi:cli/terminal-stderr",
            Self::CliTerminalStdin => "wasi:cli/terminal-stdin",
            Self::CliTerminalStdout => "wasi:cli/terminal-stdout",
            Self::ClocksMonotonic => "wasi:clocks/monotonic-clock",
            Self::ClocksWall => "wasi:clocks/wall-clock",
            Self::FilesystemPreopens => "wasi:filesystem/preopens",
            Self::FilesystemTypes => "wasi:filesystem/types",
            Self::IoError => "wasi:io/error",
            Self::IoPoll => "wasi:io/poll",
            Self::IoStreams => "wasi:io/streams",
            Self::RandomInsecure => "wasi:random/insecure",
            Self::RandomInsecureSeed => "wasi:random/insecure-seed",
            Self::RandomRandom => "wasi:random/random",
        }
    }

    /// Returns what importing it permits, in plain words.
    pub const fn permits(self) -> &'static str {
        match self {
            Self::Llm => "ask the configured language models; journalled, answers frozen",
            Self::Db => "read and change the mission world's database; nothing else on disk",
            Self::Gateway => "make files below artefacts/ when the mission completes",
            Self::CliEnvironment => {
                "read the arguments and variables its descriptor lists; none of the host's"
            }
            Self::CliExit => "end itself with a status",
            Self::CliStderr | Self::CliStdout => "write to a buffer that the journal keeps",
            Self::CliStdin => "read the input its descriptor gives",
            Self::CliTerminalInput | Self::CliTerminalOutput => "nothing: there is no terminal",
            Self::CliTerminalStderr | Self::CliTerminalStdin | Self::CliTerminalStdout => {
                "learn that there is no terminal"
            }
            Self::ClocksMonotonic => {
                "read a clock that starts at 1 ns and moves only when it sleeps; sleeps take no time"
            }
            Self::ClocksWall => {
                "read a clock that starts at 2025-01-01T00:00:00Z and moves only when it sleeps"
            }
            Self::FilesystemPreopens => "learn that no folder is open to it",
            Self::FilesystemTypes => "nothing: without an open folder no file can be named",
            Self::IoError => "read the text of a stream's error",
            Self::IoPoll => "wait for its own streams and sleeps",
            Self::IoStreams => "use its three standard streams",
            Self::RandomInsecure | Self::RandomInsecureSeed | Self::RandomRandom => {
                "read numbers from a fixed seed: the same in every run, never secret"
            }
        }
    }

    /// Returns whether using it can change or reveal anything outside the sandbox.
    pub const fn reach(self) -> Reach {
        match self {
            Self::Llm | Self::Db | Self::Gateway => Reach::World,
            _ => Reach::Sandbox,
        }
    }

    /// Returns the version that the host provides. An import of the same major version (below 1.0,
    /// the same minor version) is compatible, as in the component model.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Llm => "1.1.0",
            Self::Db | Self::Gateway => "1.0.0",
            _ => "0.2.12",
        }
    }

    fn accepts(self, version: &str) -> bool {
        let family = match self.reach() {
            Reach::World => "1.",
            Reach::Sandbox => "0.2.",
        };
        version.starts_with(family)
    }
}

/// The import module of WASI preview 1. Core modules import from it what components import from
/// the `wasi:` interfaces above.
pub const PREVIEW1: &str = "wasi_snapshot_preview1";

/// What importing it permits, in plain words.
pub const PREVIEW1_PERMITS: &str = "use its descriptor's arguments and variables, three streams, fixed clocks and numbers; no files";

/// Prefix of the functions of preview 1 that use the network.
const PREVIEW1_NETWORK: &str = "sock_";

/// Judges a function that a core module imports from `PREVIEW1`. `is_known`: preview 1 has such a
/// function. `is_typed`: the import has the type that preview 1 gives the function.
pub fn judge_preview1(function: &str, is_known: bool, is_typed: bool) -> Result<(), ImportRefused> {
    let shown = || function.escape_debug().take(200).collect();
    if function.starts_with(PREVIEW1_NETWORK) {
        return Err(ImportRefused::Network(shown()));
    }
    if !is_known {
        return Err(ImportRefused::Preview1(shown()));
    }
    if !is_typed {
        return Err(ImportRefused::Type {
            interface: PREVIEW1.to_owned(),
            function: shown(),
        });
    }
    Ok(())
}

/// Returns the SHA-256 of the whole surface.
pub fn digest() -> Digest {
    let full = |interface: Interface| format!("{}@{}", interface.name(), interface.version());
    digest_of(Interface::ALL.into_iter().map(full))
}

/// Returns the SHA-256 of the interfaces that a module imports, by their full names; the first event
/// of every journal carries it. An interface that the module doesn't import never changes it.
pub fn digest_of(imports: impl IntoIterator<Item = impl Into<String>>) -> Digest {
    let mut names: Vec<String> = imports.into_iter().map(Into::into).collect();
    names.sort();
    names.dedup();
    Digest::of(names.iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "{name}");
        text
    }))
}

/// Why an import is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefused {
    /// Not in the table.
    #[error("import '{0}' is not part of the surface")]
    Unknown(String),
    /// In the table, but with an incompatible version.
    #[error("import '{name}' has version {found}, provided is {provided}")]
    Version {
        /// The interface, without version.
        name: String,
        /// The version that the import asks for.
        found: String,
        provided: &'static str,
    },
    /// The interface is provided, but has no such function.
    #[error("import '{interface}' has no function '{function}'")]
    Function {
        interface: String,
        /// The function that does not exist.
        function: String,
    },
    /// A function of WASI preview 1 that uses the network.
    #[error("import '{module}.{0}' reaches for the network, which is not part of the surface", module = PREVIEW1)]
    Network(String),
    /// Not a function of WASI preview 1.
    #[error("import '{module}.{0}' is not a WASI preview 1 function", module = PREVIEW1)]
    Preview1(String),
    /// The function exists, with other parameters or another result.
    #[error("import '{interface}' has a function '{function}', but of another type")]
    Type {
        interface: String,
        /// The function whose type differs.
        function: String,
    },
}

/// Judges the full name of an imported interface, such as `wasi:io/poll@0.2.6`.
pub fn judge(import: &str) -> Result<Interface, ImportRefused> {
    let (name, version) = match import.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (import, None),
    };
    let interface = Interface::ALL
        .into_iter()
        .find(|interface| interface.name() == name)
        .ok_or_else(|| ImportRefused::Unknown(import.escape_debug().take(200).collect()))?;
    match version {
        Some(version) if interface.accepts(version) => Ok(interface),
        found => Err(ImportRefused::Version {
            name: name.to_owned(),
            found: found.unwrap_or("none").escape_debug().take(40).collect(),
            provided: interface.version(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preview_1_is_judged_function_by_function() {
        assert_eq!(judge_preview1("fd_write", true, true), Ok(()));
        for (function, is_known, is_typed, said) in [
            ("sock_send", true, true, "reaches for the network"),
            (
                "fd_teleport",
                false,
                false,
                "is not a WASI preview 1 function",
            ),
            ("fd_write", true, false, "but of another type"),
        ] {
            let refused = judge_preview1(function, is_known, is_typed).unwrap_err();
            assert!(refused.to_string().contains(said), "{refused}");
        }
    }

    #[test]
    fn a_digest_names_what_is_imported_in_any_order() {
        let one = digest_of(["b@1", "a@1"]);
        assert_eq!(one, digest_of(["a@1", "b@1", "a@1"]));
        assert_eq!(one, Digest::of("a@1\nb@1\n"));
        for other in [&["a@1"][..], &["a@1", "b@2"], &["a@1b@1"], &[]] {
            assert_ne!(one, digest_of(other.iter().copied()));
        }
    }

    #[test]
    fn the_surface_and_nothing_else_is_admitted() {
        for interface in Interface::ALL {
            let full = format!("{}@{}", interface.name(), interface.version());
            assert_eq!(judge(&full), Ok(interface));
        }
        assert_eq!(judge("wasi:io/poll@0.2.0"), Ok(Interface::IoPoll));
        for bad in [
            "wasi:sockets/tcp@0.2.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll",
            "coo:mission/llm@2.0.0",
            "coo:mission/shell@1.0.0",
            "env",
            "",
        ] {
            assert!(judge(bad).is_err(), "{bad}");
        }
    }
}
