//! Which key may go to which server. A file in a folder can come from anybody: it may name a
//! server, and a key that the user keeps elsewhere must not reach that server unasked.
//! Invariant: a key of the environment goes to the built-in server or to one that the environment
//! names; a key of `.env` goes to the server that the same file names, or if it names none, to the
//! built-in one or the environment's. Either key also goes to hosts that the environment allows.
//! The author of a file never counts, because it can't be known.

use std::fmt;

/// The variable for the key of live calls.
pub const KEY: &str = "OPENROUTER_API_KEY";
/// Where a setting was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Environment,
    DotEnv,
    Configuration,
    /// In `coo` itself.
    BuiltIn,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "the environment",
            Self::DotEnv => ".env in the working directory",
            Self::Configuration => "config.json of the state root",
            Self::BuiltIn => "the built-in default",
        })
    }
}

/// A server, and the source that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Scheme, host and port in lower case, as in `https://host:8443`.
    pub origin: String,
    pub named_by: Source,
}

/// The keys that were found, by source.
#[derive(Clone, Copy, Default)]
pub struct Keys<'a> {
    pub environment: Option<&'a str>,
    pub dot_env: Option<&'a str>,
}

/// What else the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Origin of the built-in server.
    pub built_in: &'a str,
    /// Origin of the server that `.env` names, even if the call goes to another one.
    pub dot_env: Option<&'a str>,
    /// Hosts that the environment allows.
    pub allowed: &'a Allowed,
}

/// A key exists, but may not go to the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing was sent: the server {origin} is named by {named_by}, and the API key comes from \
     {key}, which does not name it"
)]
pub struct Unpaired {
    /// Origin of the server.
    pub origin: String,
    /// Host and port of the server.
    pub host: String,
    pub named_by: Source,
    /// Source of the key that was withheld.
    pub key: Source,
    /// What to do if the server is not wanted.
    pub next: &'static str,
}

impl Unpaired {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let Self { host, next, .. } = self;
        Some(format!(
            "to send the key there, set {ALLOW_HOST}={host} in the environment; else {next}"
        ))
    }
}

/// The variable of the environment that allows hosts.
pub const ALLOW_HOST: &str = "COO_LLM_ALLOW_HOST";

/// Returns the key that goes to `server`, and its source; none if no key exists.
pub fn key<'a>(
    server: &Server,
    keys: Keys<'a>,
    known: Known<'_>,
) -> Result<Option<(&'a str, Source)>, Unpaired> {
    let environment = keys.environment.map(|key| (key, Source::Environment));
    let dot_env = keys.dot_env.map(|key| (key, Source::DotEnv));
    // A server named by `.env` gets the key of that file first.
    let in_order = if server.named_by == Source::DotEnv {
        [dot_env, environment]
    } else {
        [environment, dot_env]
    };
    let mut found = in_order.into_iter().flatten().peekable();
    let first = found.peek().copied();
    if let Some(key) = found.find(|(_, source)| may(*source, server, known)) {
        return Ok(Some(key));
    }
    match first {
        None => Ok(None),
        Some((_, key)) => Err(Unpaired {
            origin: server.origin.clone(),
            host: host_of(&server.origin).to_owned(),
            named_by: server.named_by,
            key,
            next: match (key, server.named_by) {
                (Source::Environment, Source::DotEnv) => {
                    "put the server's own key into .env, or remove COO_LLM_BASE_URL there"
                }
                (_, Source::Configuration) => {
                    "correct llm.base_url in config.json, or set COO_LLM_BASE_URL in the environment"
                }
                _ => "set OPENROUTER_API_KEY in the environment, too",
            },
        }),
    }
}

fn may(key: Source, server: &Server, known: Known<'_>) -> bool {
    let is = |origin: &str| without_default_port(origin) == without_default_port(&server.origin);
    if known.allowed.contains(&server.origin) {
        return true;
    }
    match key {
        Source::Environment => {
            matches!(server.named_by, Source::Environment | Source::BuiltIn) || is(known.built_in)
        }
        Source::DotEnv => match known.dot_env {
            Some(own) => is(own),
            None => {
                matches!(server.named_by, Source::Environment | Source::BuiltIn)
                    || is(known.built_in)
            }
        },
        // Neither holds keys.
        Source::Configuration | Source::BuiltIn => false,
    }
}

fn host_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

fn without_default_port(origin: &str) -> &str {
    let port = if origin.starts_with("https://") {
        ":443"
    } else {
        ":80"
    };
    origin.strip_suffix(port).unwrap_or(origin)
}

/// Hosts that `COO_LLM_ALLOW_HOST` names, separated by commas: `host` for every port, `host:port`
/// for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(Vec<(String, Option<u16>)>);

/// Text that is not a list of hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ALLOW_HOST}: is not host or host:port")]
pub struct NoHost;

impl NoHost {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        Some("give one like models.example:8443")
    }
}

impl Allowed {
    /// Reads the value of the variable.
    pub fn parse(text: &str) -> Result<Self, NoHost> {
        let hosts = text
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty());
        hosts
            .map(|host| {
                let (name, port) = parts(host);
                let port = port.map(|port| port.parse().map_err(|_| NoHost));
                let name = name.to_ascii_lowercase();
                let is_literal = name.starts_with('[') && name.ends_with(']');
                let is_of_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
                if name.is_empty() || !(is_literal || name.chars().all(is_of_name)) {
                    return Err(NoHost);
                }
                Ok((name, port.transpose()?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn contains(&self, origin: &str) -> bool {
        let (name, port) = parts(host_of(origin));
        let default = if origin.starts_with("https://") {
            443
        } else {
            80
        };
        let port = port.map_or(Some(default), |port| port.parse().ok());
        self.0
            .iter()
            .any(|(host, wanted)| host == name && (wanted.is_none() || *wanted == port))
    }
}

/// Returns name and port; an IPv6 address stands in brackets.
fn parts(host: &str) -> (&str, Option<&str>) {
    let end = host.rfind(']').map_or(0, |end| end + 1);
    match host[end..].rfind(':') {
        Some(colon) => (&host[..end + colon], Some(&host[end + colon + 1..])),
        None => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_IN: &str = "https://openrouter.ai";
    const OTHER: &str = "https://other.example:8443";

    fn paired(
        named_by: Source,
        origin: &str,
        keys: [Option<&'static str>; 2],
        dot_env: Option<&str>,
        allow: &str,
    ) -> Result<Option<&'static str>, Source> {
        let allowed = Allowed::parse(allow).unwrap();
        let server = Server {
            origin: origin.to_owned(),
            named_by,
        };
        let keys = Keys {
            environment: keys[0],
            dot_env: keys[1],
        };
        let known = Known {
            built_in: BUILT_IN,
            dot_env,
            allowed: &allowed,
        };
        key(&server, keys, known)
            .map(|key| key.map(|(key, _)| key))
            .map_err(|unpaired| unpaired.key)
    }

    #[test]
    fn every_key_and_every_server() {
        use Source::{BuiltIn, Configuration, DotEnv, Environment};
        const E: Option<&str> = Some("E");
        const D: Option<&str> = Some("D");
        const KEYS: [[Option<&str>; 2]; 4] = [[E, None], [None, D], [E, D], [None, None]];
        let rows = [
            (Environment, OTHER, None, [Ok(E), Ok(D), Ok(E), Ok(None)]),
            (
                DotEnv,
                OTHER,
                Some(OTHER),
                [Err(Environment), Ok(D), Ok(D), Ok(None)],
            ),
            (
                Configuration,
                OTHER,
                None,
                [Err(Environment), Err(DotEnv), Err(Environment), Ok(None)],
            ),
            (BuiltIn, BUILT_IN, None, [Ok(E), Ok(D), Ok(E), Ok(None)]),
            // The built-in server, whichever source names it.
            (
                DotEnv,
                "https://openrouter.ai:443",
                Some("https://openrouter.ai:443"),
                [Ok(E), Ok(D), Ok(D), Ok(None)],
            ),
            (
                Configuration,
                BUILT_IN,
                None,
                [Ok(E), Ok(D), Ok(E), Ok(None)],
            ),
            // The file's key has a server of its own.
            (
                Environment,
                OTHER,
                Some("https://own.example"),
                [Ok(E), Err(DotEnv), Ok(E), Ok(None)],
            ),
        ];
        for (named_by, origin, dot_env, expected) in rows {
            for (keys, expected) in KEYS.into_iter().zip(expected) {
                let found = paired(named_by, origin, keys, dot_env, "");
                assert_eq!(found, expected, "{named_by} {keys:?}");
                // A host that the environment allows is always allowed.
                let allowed = paired(named_by, origin, keys, dot_env, "x, OTHER.example:8443");
                assert!(origin != OTHER || allowed.is_ok(), "{named_by} {keys:?}");
            }
        }
    }

    #[test]
    fn an_allowed_host_is_that_host_and_no_other() {
        let allows = |text: &str, origin: &str| Allowed::parse(text).unwrap().contains(origin);
        for (text, origin) in [
            ("other.example", OTHER),
            ("a,OTHER.example:8443", OTHER),
            ("other.example:443", "https://other.example"),
            ("other.example:80", "http://other.example"),
            ("[::1]", "http://[::1]:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert!(allows(text, origin), "{text} {origin}");
        }
        for (text, origin) in [
            ("", OTHER),
            ("other.example:443", OTHER),
            ("example", OTHER),
            ("her.example", OTHER),
            ("other.example", "https://other.example.evil"),
            ("other.example", "https://evil.other.example"),
            ("[::1]:8080", "http://[::1]:8081"),
        ] {
            assert!(!allows(text, origin), "{text} {origin}");
        }
        for text in [
            "https://host",
            "host/path",
            "user@host",
            "*",
            "host:port",
            "host:99999",
            ":80",
        ] {
            assert_eq!(Allowed::parse(text), Err(NoHost), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_server_source_and_what_to_do() {
        let server = Server {
            origin: OTHER.to_owned(),
            named_by: Source::DotEnv,
        };
        let keys = Keys {
            environment: Some("sk-secret"),
            dot_env: None,
        };
        let known = Known {
            built_in: BUILT_IN,
            dot_env: Some(OTHER),
            allowed: &Allowed::default(),
        };
        let refused = key(&server, keys, known).unwrap_err();
        let text = format!("{refused}\n{}", refused.hint().unwrap());
        for word in [
            OTHER,
            ".env in the working directory",
            "COO_LLM_ALLOW_HOST=other.example:8443",
            "the environment",
        ] {
            assert!(text.contains(word), "{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
}
