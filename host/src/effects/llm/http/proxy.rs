//! Selects the proxy of the environment for a call, if any. Invariants: an unencrypted call, or one
//! to this machine, never uses a proxy; an unusable proxy is refused, never silently bypassed.
//! Never shows a proxy's credentials.

use coo_kernel::llm::protocol::Failure;
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use super::endpoint::Target;

/// Returns the proxy for `target` that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` names, unless
/// `NO_PROXY` exempts the server. Each name counts in upper or lower case; the first one set wins.
pub(super) fn from_environment(target: &Target) -> Result<Option<Proxy>, Failure> {
    if !target.encrypted || target.loopback {
        return Ok(None);
    }
    let exempt = |proxy: &Proxy| {
        let uri = target.url.parse::<Uri>();
        uri.is_ok_and(|uri| proxy.is_no_proxy(&uri))
    };
    usable(Proxy::try_from_env().filter(|proxy| !exempt(proxy)))
}

fn usable(proxy: Option<Proxy>) -> Result<Option<Proxy>, Failure> {
    match proxy {
        Some(proxy) if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) => {
            Err(Failure::Setting {
                what: "proxy of the environment".to_owned(),
                found: format!("{} is a SOCKS proxy", place(&proxy)),
                next: "name an HTTP proxy in HTTPS_PROXY, or the server in NO_PROXY",
            })
        }
        usable => Ok(usable),
    }
}

/// Returns host and port of a proxy.
pub(super) fn place(proxy: &Proxy) -> String {
    format!("{}:{}", proxy.host(), proxy.port())
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Endpoint;
    use super::*;

    #[test]
    fn neither_plain_http_nor_this_machine_is_reached_through_a_proxy() {
        for base_url in [
            "http://models.example/v1",
            "https://127.0.0.1/v1",
            "https://localhost",
        ] {
            let target = Target::parse(&Endpoint::new(base_url, None)).unwrap();
            assert!(from_environment(&target).unwrap().is_none(), "{base_url}");
        }
    }

    #[test]
    fn a_socks_proxy_is_refused_by_name_and_an_http_proxy_is_used() {
        let proxy = |url| Some(Proxy::new(url).unwrap());
        let text = usable(proxy("socks5://user:secret@proxy.example:1080"))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("proxy.example:1080 is a SOCKS proxy"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
        assert!(
            usable(proxy("http://proxy.example:3128"))
                .unwrap()
                .is_some()
        );
        assert!(usable(None).unwrap().is_none());
    }
}
