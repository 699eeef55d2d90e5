//! Selects the proxy of the environment for a call, if any. Invariants: an unencrypted call, or one
//! to this machine, never uses a proxy; a SOCKS proxy is refused, never silently bypassed. Never
//! shows a proxy's credentials.

use std::fmt;

use coo_kernel::llm::protocol::Failure;
use http::Uri;
use reqwest::Url;

use super::endpoint::Target;
use crate::machine;

/// Where a proxy is named; the first that names one wins.
const NAMES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];
/// Where the servers are named that are reached without it; the first one set wins.
const EXEMPT_NAMES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy that forwards encrypted connections. Prints without its credentials.
#[derive(Clone)]
pub(super) struct Proxy {
    /// With the credentials, if there are any.
    pub url: Url,
    /// Host and port, for texts.
    pub place: String,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.place).finish()
    }
}

/// Returns the proxy for `target` that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` names, unless
/// `NO_PROXY` exempts the server. Each name counts in upper or lower case; the first one set wins.
pub(super) fn from_environment(target: &Target) -> Result<Option<Proxy>, Failure> {
    select(target, machine::env_text)
}

fn select(
    target: &Target,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, Failure> {
    if !target.encrypted || target.loopback {
        return Ok(None);
    }
    let named = NAMES
        .into_iter()
        .find_map(|name| Named::parse(&variable(name)?));
    let Some(named) = named else {
        return Ok(None);
    };
    let exempt = EXEMPT_NAMES.into_iter().find_map(variable);
    if exempt.is_some_and(|list| exempts(&list, target.host())) {
        return Ok(None);
    }
    named.usable().map(Some)
}

/// A proxy as a variable names it. A value that is not the address of one names none.
struct Named {
    scheme: String,
    /// With the scheme.
    address: String,
    host: String,
    port: Option<u16>,
}

impl Named {
    /// Parses `<scheme>://<user>:<password>@<host>:<port>`; everything but the host may be missing.
    fn parse(value: &str) -> Option<Self> {
        let uri: Uri = value.parse().ok()?;
        let authority = uri.authority()?;
        let scheme = uri.scheme_str().unwrap_or("http").to_ascii_lowercase();
        let is_known = matches!(
            scheme.as_str(),
            "http" | "https" | "socks" | "socks4" | "socks4a" | "socks5" | "socks5h"
        );
        is_known.then(|| Self {
            address: format!("{scheme}://{authority}"),
            host: authority.host().to_owned(),
            port: authority.port_u16(),
            scheme,
        })
    }

    fn usable(self) -> Result<Proxy, Failure> {
        let port_usual = match self.scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        };
        let place = format!("{}:{}", self.host, self.port.unwrap_or(port_usual));
        let refuse = |found: String| {
            Err(Failure::Setting {
                what: "proxy of the environment".to_owned(),
                found,
                next: "name an HTTP proxy in HTTPS_PROXY, or the server in NO_PROXY",
            })
        };
        if !matches!(self.scheme.as_str(), "http" | "https") {
            return refuse(format!("{place} is a SOCKS proxy"));
        }
        let Ok(mut url) = Url::parse(&self.address) else {
            return refuse(format!("{place} is not an address"));
        };
        // The library sends a user name only together with a password.
        if !url.username().is_empty() && url.password().is_none() {
            let _ = url.set_password(Some(""));
        }
        Ok(Proxy { url, place })
    }
}

/// Returns whether a list of `NO_PROXY` exempts `host`: its name, `.suffix`, `*.suffix`, `prefix*`,
/// `prefix.`, or `*` for every host.
fn exempts(list: &str, host: &str) -> bool {
    list.split(',').any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            true
        } else if let Some(suffix) = entry.strip_prefix('*') {
            host.ends_with(suffix)
        } else if entry.starts_with('.') {
            host.ends_with(&entry)
        } else if let Some(prefix) = entry.strip_suffix('*') {
            host.starts_with(prefix)
        } else if entry.ends_with('.') {
            host.starts_with(&entry)
        } else {
            host == entry
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Endpoint;
    use super::*;

    fn selected(base_url: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, String> {
        let target = Target::parse(&Endpoint::new(base_url, None)).unwrap();
        let of = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        select(&target, of).map_err(|failure| failure.to_string())
    }

    #[test]
    fn neither_plain_http_nor_this_machine_is_reached_through_a_proxy() {
        for base_url in [
            "http://models.example/v1",
            "https://127.0.0.1/v1",
            "https://localhost",
        ] {
            let proxy = selected(base_url, &[("ALL_PROXY", "proxy.example:3128")]).unwrap();
            assert!(proxy.is_none(), "{base_url}");
        }
    }

    #[test]
    fn the_first_variable_that_names_a_proxy_wins() {
        for (variables, place) in [
            (vec![], None),
            (
                vec![("HTTPS_PROXY", "http://a.example:1")],
                Some("a.example:1"),
            ),
            (vec![("http_proxy", "a.example")], Some("a.example:80")),
            (
                vec![("https_proxy", "https://a.example/")],
                Some("a.example:443"),
            ),
            (
                vec![("HTTP_PROXY", "b.example"), ("all_proxy", "a.example:2")],
                Some("a.example:2"),
            ),
            // What is not the address of a proxy names none.
            (
                vec![
                    ("ALL_PROXY", "fake://b.example"),
                    ("HTTP_PROXY", "a.example"),
                ],
                Some("a.example:80"),
            ),
            (vec![("ALL_PROXY", "not an address")], None),
        ] {
            let proxy = selected("https://models.example/v1", &variables).unwrap();
            assert_eq!(
                proxy.map(|proxy| proxy.place).as_deref(),
                place,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn a_server_that_no_proxy_names_is_reached_without() {
        for (list, is_exempt) in [
            ("*", true),
            ("models.example", true),
            ("MODELS.example", true),
            (".example", true),
            ("*.example", true),
            ("models.*", true),
            ("models.", true),
            ("other,models.example", true),
            ("", false),
            ("example", false),
            (".models.example", false),
            ("odels.example", false),
            ("é*", false),
        ] {
            let variables = [("ALL_PROXY", "a.example"), ("no_proxy", list)];
            let proxy = selected("https://Models.example/v1", &variables).unwrap();
            assert_eq!(proxy.is_none(), is_exempt, "{list}");
        }
    }

    #[test]
    fn a_socks_proxy_is_refused_by_name_and_no_credentials_are_shown() {
        let variables = [("ALL_PROXY", "socks5://user:secret@proxy.example")];
        let text = selected("https://models.example", &variables).unwrap_err();
        assert!(
            text.contains("proxy.example:1080 is a SOCKS proxy"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");

        let variables = [("ALL_PROXY", "user:secret@proxy.example:3128")];
        let proxy = selected("https://models.example", &variables)
            .unwrap()
            .unwrap();
        assert_eq!(proxy.url.password(), Some("secret"));
        let shown = format!("{proxy:?}");
        assert!(
            !shown.contains("secret") && shown.contains("3128"),
            "{shown}"
        );
        let variables = [("ALL_PROXY", "user@proxy.example")];
        let proxy = selected("https://models.example", &variables)
            .unwrap()
            .unwrap();
        assert_eq!((proxy.url.username(), proxy.url.password()), ("user", None));
    }
}
