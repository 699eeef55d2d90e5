//! The server that is asked, and the key: the settings as given, and their checked form.
//! Invariants: an `ApiKey` never prints itself, and a `Target` never lets a key leave this machine
//! unencrypted. Never reads the environment and never opens a connection.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use coo_kernel::credentials::secret;
use coo_kernel::llm::protocol::Failure;
use http::Uri;
use reqwest::Url;

/// An answer of a few hundred tokens takes seconds; a queue at the provider takes a minute.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(2);
/// Longer than anyone waits for one answer.
const TIMEOUT_MAX: Duration = Duration::from_hours(1);
/// Enough to survive a dropped connection or a short overload.
const DEFAULT_ATTEMPTS: u32 = 4;
/// With more attempts, a server that is down would be asked for minutes.
const ATTEMPTS_MAX: u32 = 10;
/// The two names in use for the field that bounds the answer's length.
const MAX_TOKENS_FIELDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];
/// Path that is appended to the base URL.
const COMPLETIONS: &str = "/chat/completions";

/// A secret key of the model's server. Prints as `<redacted>`; can't be serialised.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key from a setting and trims white space around it. `Client::new` refuses a key
    /// that can't be sent.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// Returns the secret itself, for the `Authorization` header and for finding it in texts.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    fn check(&self) -> Result<(), Failure> {
        let found = if self.0.is_empty() {
            "it is blank"
        } else if !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            "it has white space or characters outside ASCII"
        } else {
            return Ok(());
        };
        let next = "set the key exactly as the provider issued it";
        Err(refuse("API key", found, next))
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A server that speaks the chat-completions protocol, as the settings name it.
#[derive(Clone)]
pub struct Endpoint {
    /// URL to which `/chat/completions` is appended: `http` or `https`, without user, query or
    /// fragment.
    pub base_url: String,
    /// Sent as a bearer token; `None` for servers that need none.
    pub api_key: Option<ApiKey>,
    /// `max_tokens`, or `max_completion_tokens` if the provider requires it.
    pub max_tokens_field: String,
    /// Limit of one attempt, from the connection to the last byte of the answer; at most an hour.
    pub timeout: Duration,
    /// Number of attempts before giving up: 1 to 10.
    pub attempts: u32,
}

impl Endpoint {
    /// Returns an endpoint with the default field name, timeout (120 s) and attempts (4).
    pub fn new(base_url: impl Into<String>, api_key: Option<ApiKey>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            max_tokens_field: MAX_TOKENS_FIELDS[0].to_owned(),
            timeout: DEFAULT_TIMEOUT,
            attempts: DEFAULT_ATTEMPTS,
        }
    }

    /// Checks every setting. Connects to nothing.
    pub fn check(&self) -> Result<(), Failure> {
        Target::parse(self).map(drop)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A base URL that does not parse may contain a password or a key.
        let server = Target::parse(self).map_or_else(|_| "<invalid>".into(), |t| t.server);
        f.debug_struct("Endpoint")
            .field("server", &server)
            .field("api_key", &self.api_key)
            .field("max_tokens_field", &self.max_tokens_field)
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// Returns scheme, host and port of a base URL, in lower case.
pub fn server_of(base_url: &str) -> Result<String, Failure> {
    parse_url(base_url).map(|target| target.server)
}

/// An endpoint whose settings have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// URL of the requests.
    pub url: String,
    /// Scheme and authority, for messages and provenance.
    pub server: String,
    /// Whether the server is `OpenRouter`, which accepts routing preferences that other servers
    /// refuse.
    pub openrouter: bool,
    pub encrypted: bool,
    /// Whether the server runs on this machine.
    pub loopback: bool,
}

impl Target {
    /// Returns host and port as in the URL, in lower case.
    pub(super) fn authority(&self) -> &str {
        let server = self.server.as_str();
        server.split_once("://").map_or(server, |(_, rest)| rest)
    }

    /// Returns the host as in the URL, in lower case; an IPv6 address with its brackets.
    pub(super) fn host(&self) -> &str {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => authority,
        }
    }

    /// Returns the URL of the requests as the HTTP library reads it. Refuses a host that the library
    /// would read otherwise, because the key belongs to the host as it is written.
    pub(super) fn request_url(&self) -> Result<Url, Failure> {
        let url = Url::parse(&self.url)
            .map_err(|_| refuse("base URL", "its host or port is not valid", EXAMPLE))?;
        let address = |host: &str| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<IpAddr>().ok()
        };
        let read = url.host_str().unwrap_or_default();
        let is_same =
            read == self.host() || address(read).is_some_and(|ip| address(self.host()) == Some(ip));
        if !is_same {
            return Err(refuse(
                "base URL",
                "its host has more than one spelling",
                EXAMPLE,
            ));
        }
        Ok(url)
    }

    /// Checks every setting of `endpoint`.
    pub(super) fn parse(endpoint: &Endpoint) -> Result<Self, Failure> {
        check_bounds(endpoint)?;
        let target = parse_url(&endpoint.base_url)?;
        let Some(key) = &endpoint.api_key else {
            return Ok(target);
        };
        key.check()?;
        if secret::occurs_in(endpoint.base_url.as_bytes(), key.reveal()) {
            return Err(refuse(
                "base URL",
                "it contains the API key",
                "give the key by its own setting only",
            ));
        }
        if !target.encrypted && !target.loopback {
            return Err(refuse(
                &format!("base URL on {}", target.server),
                "it would send the API key unencrypted to another machine",
                "use https, or leave the key out",
            ));
        }
        Ok(target)
    }
}

/// Returns the refusal of a setting: what is wrong with it, and what to do.
pub(super) fn refuse(what: &str, found: &str, next: &'static str) -> Failure {
    Failure::Setting {
        what: what.to_owned(),
        found: found.to_owned(),
        next,
    }
}

fn check_bounds(endpoint: &Endpoint) -> Result<(), Failure> {
    if !MAX_TOKENS_FIELDS.contains(&endpoint.max_tokens_field.as_str()) {
        return Err(refuse(
            "field for the answer's length",
            &format!("it is {:?}", endpoint.max_tokens_field),
            "use max_tokens or max_completion_tokens",
        ));
    }
    if !(1..=ATTEMPTS_MAX).contains(&endpoint.attempts) {
        return Err(refuse(
            "number of attempts",
            &format!("it is {}", endpoint.attempts),
            "use 1 to 10",
        ));
    }
    if endpoint.timeout.is_zero() || endpoint.timeout > TIMEOUT_MAX {
        return Err(refuse(
            "timeout",
            &format!("it is {} s", endpoint.timeout.as_secs_f64()),
            "use more than 0 and at most 3600 s",
        ));
    }
    Ok(())
}

const EXAMPLE: &str = "give one like https://openrouter.ai/api/v1";

/// Parses a base URL. Errors never show it, because it may contain a secret.
fn parse_url(base: &str) -> Result<Target, Failure> {
    let refuse_url = |found: &str, next| Err(refuse("base URL", found, next));
    // `Uri` silently drops a fragment.
    if base.contains('#') {
        return refuse_url("it has a fragment (#)", EXAMPLE);
    }
    let Ok(uri) = base.parse::<Uri>() else {
        return refuse_url("it is not a URL", EXAMPLE);
    };
    let encrypted = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return refuse_url("its scheme is neither http nor https", EXAMPLE),
    };
    let Some(authority) = uri.authority() else {
        return refuse_url("it names no host", EXAMPLE);
    };
    if authority.as_str().contains('@') {
        return refuse_url(
            "it has a user name or password",
            "give the key by its own setting only",
        );
    }
    if uri.query().is_some() {
        return refuse_url("it has a query (?)", EXAMPLE);
    }
    let host = authority.host();
    let port = &authority.as_str()[host.len()..];
    let port_is_valid = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.parse::<u16>().is_ok_and(|port| port > 0));
    if host.is_empty() || !port_is_valid {
        return refuse_url("its host or port is not valid", EXAMPLE);
    }
    let path = uri.path().trim_end_matches('/');
    if path.ends_with(COMPLETIONS) {
        return refuse_url(
            "it ends with /chat/completions",
            "leave that part out; it is added",
        );
    }
    let scheme = if encrypted { "https" } else { "http" };
    let server = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
    let host = host.to_ascii_lowercase();
    Ok(Target {
        url: format!("{server}{path}{COMPLETIONS}"),
        openrouter: host == "openrouter.ai" || host.ends_with(".openrouter.ai"),
        loopback: is_loopback(&host),
        encrypted,
        server,
    })
}

/// Returns whether `host`, in lower case, is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-0123456789abcdef";

    fn flat(failure: Failure) -> String {
        crate::hint::flat(&failure.into())
    }

    fn parse(base_url: &str, key: Option<&str>) -> Result<Target, String> {
        let key = key.map(ApiKey::new);
        Target::parse(&Endpoint::new(base_url, key)).map_err(flat)
    }

    #[test]
    fn the_path_is_appended_with_or_without_a_trailing_slash() {
        for base in [
            "https://Host.example:8443/v1",
            "https://host.example:8443/v1//",
        ] {
            let target = parse(base, Some(KEY)).unwrap();
            assert_eq!(target.url, "https://host.example:8443/v1/chat/completions");
            assert_eq!(target.server, "https://host.example:8443");
        }
        assert_eq!(
            parse("http://[::1]:80", None).unwrap().url,
            "http://[::1]:80/chat/completions"
        );
    }

    #[test]
    fn the_host_that_is_asked_is_the_one_that_is_written() {
        for (base, host) in [
            ("https://Host.example:8443/v1", "host.example"),
            ("https://host.example", "host.example"),
            ("http://[::1]:80", "[::1]"),
            ("http://[0:0:0:0:0:0:0:1]", "[0:0:0:0:0:0:0:1]"),
            ("http://127.0.0.1:8080/v1", "127.0.0.1"),
        ] {
            let target = parse(base, None).unwrap();
            assert_eq!(target.host(), host);
            assert!(target.request_url().is_ok(), "{base}");
        }
        for base in ["http://0x7f.1/v1", "https://2130706433"] {
            let target = parse(base, None).unwrap();
            let text = flat(target.request_url().unwrap_err());
            assert!(text.contains("more than one spelling"), "{text}");
        }
    }

    #[test]
    fn urls_that_hold_more_than_a_place_are_refused_without_being_shown() {
        for (base, word) in [
            ("https://user:secret@host/v1", "user name"),
            ("https://secret@host/v1", "user name"),
            ("https://host/v1?key=secret", "query"),
            ("https://host/v1#secret", "fragment"),
            ("ftp://host/secret", "neither http nor https"),
            ("host/secret", "URL"),
            ("/secret", "neither http nor https"),
            ("https://host:99999/secret", "port"),
            ("https://host:0/secret", "port"),
            ("https://host:/secret", "port"),
            ("https://ho st/secret", "not a URL"),
            ("", "not a URL"),
            (
                "https://host/secret/chat/completions/",
                "leave that part out",
            ),
        ] {
            let text = parse(base, None).unwrap_err();
            assert!(text.contains(word), "{base}: {text}");
            assert!(!text.contains("secret"), "{base}: {text}");
        }
    }

    #[test]
    fn a_key_goes_unencrypted_only_to_this_machine() {
        for local in [
            "http://127.0.0.1:1/v1",
            "http://localhost/v1",
            "http://[::1]/v1",
        ] {
            parse(local, Some(KEY)).unwrap();
        }
        parse("http://models.example/v1", None).unwrap();
        for remote in [
            "http://models.example/v1",
            "http://10.0.0.1/v1",
            "http://127.0.0.1.example/v1",
            "http://localhost.example/v1",
        ] {
            let text = parse(remote, Some(KEY)).unwrap_err();
            assert!(text.contains("unencrypted"), "{text}");
        }
        let text = parse(&format!("https://host/{KEY}/v1"), Some(KEY)).unwrap_err();
        assert!(
            text.contains("contains the API key") && !text.contains(KEY),
            "{text}"
        );
    }

    #[test]
    fn only_openrouter_itself_is_taken_for_it() {
        assert!(
            parse("https://openrouter.ai/api/v1", None)
                .unwrap()
                .openrouter
        );
        assert!(
            parse("https://eu.OpenRouter.ai/api/v1", None)
                .unwrap()
                .openrouter
        );
        assert!(
            !parse("https://notopenrouter.ai/api/v1", None)
                .unwrap()
                .openrouter
        );
    }

    #[test]
    fn settings_out_of_bounds_are_refused_with_the_bounds() {
        let base = || Endpoint::new("http://127.0.0.1:1", None);
        for (endpoint, words) in [
            (
                Endpoint {
                    attempts: 0,
                    ..base()
                },
                "1 to 10",
            ),
            (
                Endpoint {
                    attempts: 11,
                    ..base()
                },
                "1 to 10",
            ),
            (
                Endpoint {
                    timeout: Duration::ZERO,
                    ..base()
                },
                "3600",
            ),
            (
                Endpoint {
                    timeout: Duration::MAX,
                    ..base()
                },
                "3600",
            ),
            (
                Endpoint {
                    max_tokens_field: "model".into(),
                    ..base()
                },
                "max_completion_tokens",
            ),
        ] {
            let text = flat(Target::parse(&endpoint).unwrap_err());
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_key_never_prints_itself_and_must_fit_a_header() {
        let key = ApiKey::new(format!(" {KEY}\n"));
        assert_eq!(key.reveal(), KEY);
        let endpoint = Endpoint::new(format!("https://user:{KEY}@host"), Some(key.clone()));
        let printed = format!("{key} {key:?} {endpoint:?}");
        assert!(
            !printed.contains(KEY) && printed.contains("<redacted>"),
            "{printed}"
        );
        for bad in ["", " ", "secret two", "secret\r\nX: y", "sécret"] {
            let text = parse("https://host", Some(bad)).unwrap_err();
            assert!(text.starts_with("API key refused"), "{text}");
            assert!(!text.contains("cret"), "{text}");
        }
    }
}
