//! The client of a chat-completions server: sends a request, retries within bounds, and sorts
//! what comes back into an answer (part of the deterministic record) or a failure (not).
//!
//! Invariants: the key goes to the endpoint's own host and into no text; redirects are never
//! followed. Never reads or writes the frozen store, and keeps no state between calls but
//! open connections.

mod endpoint;
mod failure;
mod proxy;
mod retry;
mod site;
mod stated;
mod waiter;
mod wire;

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use coo_kernel::llm::{Answer, Provenance, Refusal, Request};
use ureq::http::{HeaderValue, Response, header};
use ureq::{Agent, Body};

pub use endpoint::{ApiKey, Endpoint, server_of};
pub use failure::Failure;
pub use waiter::Waiter;

use endpoint::Target;
use retry::{Next, Situation};
use site::Site;
use wire::{Origin, Received, Verdict};

/// An answer is at most some thousand tokens; a body beyond this is not one.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Of an error only a message is read, and the status is known without it.
const ERROR_BODY_BYTES_MAX: u64 = 64 * 1024;
/// A reachable server accepts at once; waiting for it as for an answer would hide that it is
/// not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a call brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// For the deterministic record.
    pub answer: Answer,
    /// For the shelf beside it.
    pub provenance: Provenance,
}

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct Unanswered {
    /// What happened in the end.
    pub failure: Failure,
    /// In some attempt a request left and no usable response came back: the server may have
    /// worked on it.
    pub in_doubt: bool,
}

/// A client of one endpoint. Blocks the calling thread; may be shared between threads.
///
/// Proxies: encrypted calls go through the one that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY`
/// names (heeding `NO_PROXY`), which sees the host name but neither key nor text. Calls over
/// plain HTTP or to this machine never use a proxy, and a SOCKS proxy is refused.
pub struct Client {
    endpoint: Endpoint,
    target: Target,
    site: Site,
    agent: Agent,
    authorization: Option<HeaderValue>,
    waiter: Waiter,
    /// Names the proxy, where there may be one, without its credentials.
    through: String,
}

impl Client {
    /// Checks the settings; connects to nothing.
    pub fn new(endpoint: Endpoint) -> Result<Self, Failure> {
        Self::with_waiter(endpoint, Waiter::of_this_machine())
    }

    /// As `new`, with a clock, sleep and chance of the caller's.
    pub fn with_waiter(endpoint: Endpoint, waiter: Waiter) -> Result<Self, Failure> {
        let target = Target::parse(&endpoint)?;
        let proxy = proxy::from_environment(&target)?;
        let through = proxy.as_ref().map_or_else(String::new, |proxy| {
            format!(" (through the proxy {})", proxy::place(proxy))
        });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .timeout_connect(Some(CONNECT_TIMEOUT.min(endpoint.timeout)))
            .timeout_global(Some(endpoint.timeout))
            .user_agent(concat!("coo/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .build();
        Ok(Self {
            authorization: endpoint.api_key.as_ref().map(bearer).transpose()?,
            site: Site {
                server: target.server.clone(),
                key: endpoint.api_key.clone(),
            },
            agent: Agent::new_with_config(config),
            endpoint,
            target,
            waiter,
            through,
        })
    }

    /// Asks the model, as often as the endpoint's `attempts` allows.
    ///
    /// Takes at most `attempts` times `timeout` plus two minutes of waiting. A provider's
    /// refusal of this very request is a `Reply`; everything operational is a `Failure`.
    pub fn complete(&self, request: &Request) -> Result<Reply, Unanswered> {
        let mut in_doubt = false;
        self.ask(request, &mut in_doubt)
            .map_err(|failure| Unanswered { failure, in_doubt })
    }

    fn ask(&self, request: &Request, in_doubt: &mut bool) -> Result<Reply, Failure> {
        let body = wire::request_body(
            request,
            &self.endpoint.max_tokens_field,
            self.target.openrouter,
        );
        let mut waited = Duration::ZERO;
        let mut attempts_made = 0;
        loop {
            attempts_made += 1;
            let trouble = match self.attempt(&body, request, in_doubt)? {
                Outcome::Replied(reply) => return Ok(reply),
                Outcome::Trouble(trouble) => trouble,
            };
            // Whoever may have worked on it may charge for it: not again without being told.
            if trouble.status.is_none() && *in_doubt {
                return Err(self.given_up(trouble, attempts_made));
            }
            let next = retry::decide(&Situation {
                attempts_made,
                attempts_max: self.endpoint.attempts,
                waited,
                status: trouble.status,
                retry_after: trouble.retry_after,
                jitter: (self.waiter.jitter)(),
            });
            match next {
                Next::Wait(wait) => {
                    (self.waiter.wait)(wait);
                    waited += wait;
                }
                Next::GiveUp => return Err(self.given_up(trouble, attempts_made)),
                Next::Postpone(asked) => {
                    return Err(Failure::Postponed {
                        server: self.site.server.clone(),
                        last: trouble.to_string(),
                        asked_s: asked.as_secs(),
                        limit_s: retry::WAIT_MAX.as_secs(),
                    });
                }
            }
        }
    }

    fn attempt(
        &self,
        body: &str,
        request: &Request,
        in_doubt: &mut bool,
    ) -> Result<Outcome, Failure> {
        let received = match self.exchange(body) {
            Ok(received) => received,
            Err(error) => {
                *in_doubt |= !never_left(&error);
                return self.broken(&error).map(Outcome::Trouble);
            }
        };
        let replied = |answer, origin| Outcome::Replied(self.reply(answer, origin));
        Ok(match wire::judge(&received, request, &self.site) {
            Verdict::Answered(completion, origin) => {
                replied(Answer::Completion(completion), origin)
            }
            Verdict::Rejected(reason) => {
                replied(Answer::Error(Refusal::Rejected(reason)), Origin::default())
            }
            Verdict::Trouble { status, said } => {
                // What a proxy says when the model's own server gave no whole answer in time.
                *in_doubt |= matches!(status, 502 | 504 | 520..=524);
                Outcome::Trouble(Trouble {
                    status: Some(status),
                    retry_after: received.retry_after,
                    said,
                })
            }
            Verdict::Failed(failure) => {
                // A success that can't be read: somebody has worked for it.
                *in_doubt |= matches!(received.status, 200..=299)
                    && matches!(failure, Failure::Unusable { .. });
                return Err(failure);
            }
        })
    }

    /// One request and its whole response.
    fn exchange(&self, body: &str) -> Result<Received, ureq::Error> {
        let mut request = self
            .agent
            .post(&self.target.url)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut response = request.send(body)?;
        let text = |name| -> Option<String> {
            let value: &HeaderValue = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let retry_after = text(header::RETRY_AFTER)
            .and_then(|value| retry::parse_retry_after(&value, (self.waiter.now)()));
        let location = text(header::LOCATION);
        Ok(Received {
            status: response.status().as_u16(),
            retry_after,
            location,
            body: read_body(&mut response)?,
        })
    }

    fn reply(&self, answer: Answer, origin: Origin) -> Reply {
        // The formatter panics on times before the epoch.
        let now = (self.waiter.now)().max(SystemTime::UNIX_EPOCH);
        Reply {
            answer,
            provenance: Provenance {
                recorded_at: humantime::format_rfc3339_seconds(now).to_string(),
                server: self.site.server.clone(),
                response_id: origin.response_id,
                provider: origin.provider,
                system_fingerprint: origin.system_fingerprint,
                note: None,
            },
        }
    }

    /// What an exchange that did not finish means: a trouble that may pass, or a failure.
    fn broken(&self, error: &ureq::Error) -> Result<Trouble, Failure> {
        let server = format!("{}{}", self.site.server, self.through);
        let found = self.site.message(&error.to_string());
        let said = match error {
            ureq::Error::Timeout(_) => {
                let limit = humantime::format_duration(self.endpoint.timeout);
                format!("gave no whole answer in time ({found}; limit {limit})")
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "refused the connection".to_owned()
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "closed the connection before the answer was complete".to_owned()
            }
            // How the TLS layer reports a certificate or a protocol it does not accept.
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(insecure(server, found));
            }
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => return Err(insecure(server, found)),
            ureq::Error::Io(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_) => format!("could not be reached ({found})"),
            other => {
                let (found, next) = match other {
                    ureq::Error::BodyExceedsLimit(limit) => (
                        format!("a body of more than {limit} bytes"),
                        "check that the base URL is that of a chat-completions API",
                    ),
                    _ => (found, "check that the base URL is that of an HTTP server"),
                };
                return Err(Failure::Unusable {
                    server,
                    found,
                    next,
                });
            }
        };
        Ok(Trouble {
            status: None,
            retry_after: None,
            said: format!("{said}{}", self.through),
        })
    }

    fn given_up(&self, trouble: Trouble, attempts: u32) -> Failure {
        let server = self.site.server.clone();
        match trouble.status {
            Some(status @ 402) => Failure::Unpaid {
                server,
                status,
                said: trouble.said,
            },
            _ => Failure::Exhausted {
                server,
                last: trouble.to_string(),
                attempts,
            },
        }
    }
}

/// Whether `error` came before a byte of the request could reach the server.
fn never_left(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => {
            let text = error.to_string();
            matches!(error.kind(), io::ErrorKind::ConnectionRefused)
                || [
                    "failed to lookup address information",
                    "invalid peer certificate",
                ]
                // Neither the standard library nor rustls has a kind for them.
                .iter()
                .any(|words| text.contains(words))
        }
        ureq::Error::Timeout(timeout) => {
            matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect)
        }
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Tls(_)
        | ureq::Error::BadUri(_) => true,
        _ => false,
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// How one attempt ended, short of a failure.
enum Outcome {
    Replied(Reply),
    Trouble(Trouble),
}

/// Something that may pass.
struct Trouble {
    /// `None` if no whole response arrived.
    status: Option<u16>,
    retry_after: Option<Duration>,
    /// Clean; continues `answered <status>` or stands for itself.
    said: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "answered {status}{}", self.said),
            None => f.write_str(&self.said),
        }
    }
}

fn insecure(server: String, found: String) -> Failure {
    Failure::Connection {
        server,
        found,
        next: "check the base URL's scheme and host, any proxy, and this machine's clock",
    }
}

/// Marked sensitive, so that no log of the HTTP library shows it.
fn bearer(key: &ApiKey) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal())).map_err(|_| {
        Failure::Setting {
            what: "API key".into(),
            found: "it does not fit an HTTP header".into(),
            next: "set the key exactly as the provider issued it",
        }
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body of a success must arrive whole; that of an error only explains its status.
fn read_body(response: &mut Response<Body>) -> Result<Vec<u8>, ureq::Error> {
    let success = response.status().is_success();
    let limit = if success {
        BODY_BYTES_MAX
    } else {
        ERROR_BODY_BYTES_MAX
    };
    if success
        && response
            .body()
            .content_length()
            .is_some_and(|length| length > limit)
    {
        return Err(ureq::Error::BodyExceedsLimit(limit));
    }
    let read = response.body_mut().with_config().limit(limit).read_to_vec();
    if success {
        read
    } else {
        Ok(read.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    use super::*;

    #[test]
    fn a_name_that_can_not_be_looked_up_is_no_call() {
        // Too long for any name server to be asked.
        let name = format!("{}.invalid", "x".repeat(300));
        let error = (name.as_str(), 80).to_socket_addrs().expect_err("a host");
        assert!(never_left(&ureq::Error::Io(error)));
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(!never_left(&ureq::Error::Io(reset)));
    }
}
