//! The connections of this process: one client of the HTTP library for each server, which keeps the
//! connections that calls leave open. Invariants: no client follows a redirect, sends a request a
//! second time by itself, or reads a proxy from anywhere but `proxy.rs`. Holds no key: each request
//! brings its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coo_kernel::llm::protocol::Failure;

use super::endpoint::{Target, refuse};
use super::proxy::{self, Proxy};
use super::trust;

/// A reachable server accepts at once. With the timeout of an answer, an unreachable server would
/// be noticed only late.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections after 5 s or more. A request sent just then would be in doubt
/// needlessly, so an idle connection is dropped well before.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// The client for one server. Copies share their connections.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pub http: reqwest::Client,
    pub proxy: Option<Proxy>,
}

/// Returns the limit on connecting, TLS included. It is shorter than the limit of the whole attempt,
/// so that the error names the limit that was reached.
pub(super) fn connect_limit(timeout: Duration) -> Duration {
    CONNECT_TIMEOUT.min(timeout * 3 / 4)
}

/// Returns the connections to the server of `target`, under the limit of one attempt. Proxy and
/// authorities are those that the environment named when the first call to the server was made.
pub(super) fn connections(target: &Target, timeout: Duration) -> Result<Connections, Failure> {
    static SERVERS: Mutex<BTreeMap<(String, Duration), Connections>> = Mutex::new(BTreeMap::new());
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let name = (target.server.clone(), timeout);
    if let Some(known) = servers.get(&name) {
        return Ok(known.clone());
    }
    let connections = build(target, timeout)?;
    servers.insert(name, connections.clone());
    Ok(connections)
}

fn build(target: &Target, timeout: Duration) -> Result<Connections, Failure> {
    let proxy = proxy::from_environment(target)?;
    let mut builder = reqwest::Client::builder()
        .use_preconfigured_tls(trust::tls(target)?)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(connect_limit(timeout))
        .pool_idle_timeout(IDLE_MAX)
        .user_agent(concat!("coo/", env!("CARGO_PKG_VERSION")));
    let broken = |error: &reqwest::Error| {
        let next = "report it: no setting causes it";
        refuse("HTTP client", &error.to_string(), next)
    };
    if let Some(proxy) = &proxy {
        let named = reqwest::Proxy::https(proxy.url.clone());
        builder = builder.proxy(named.map_err(|_| {
            let found = format!("{} is not an address", proxy.place);
            refuse("proxy of the environment", &found, "correct or unset it")
        })?);
    }
    let http = builder.build().map_err(|error| broken(&error))?;
    Ok(Connections { http, proxy })
}
