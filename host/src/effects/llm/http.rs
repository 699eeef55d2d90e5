//! The HTTP client of a chat-completions server. It sends a request, returns the response, retries
//! within bounds, and keeps connections open between calls. The kernel (`llm::protocol`) interprets
//! responses.
//!
//! Invariants: the key is sent only to the endpoint's own host and never appears in a text;
//! redirects are never followed; a request that the server may have processed is never sent again.
//! Never reads or writes the frozen store, and keeps no state between calls except open
//! connections.

mod broken;
mod connection;
mod endpoint;
mod proxy;
mod retry_after;
mod site;
mod trust;
mod unpack;
mod waiter;

use std::fmt;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use coo_kernel::llm::protocol::{self, Origin, Received, Verdict, retry};
use coo_kernel::llm::{ModelAnswer, Provenance, Refusal, Request};
use ureq::http::{HeaderValue, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body};

pub use coo_kernel::llm::protocol::Failure;
pub use endpoint::{ApiKey, Endpoint, server_of};
pub use waiter::Waiter;

use crate::progress::{NOBODY, Sink, Update};

use broken::{Lost, Meaning, Way};
use connection::Watch;
use endpoint::Target;
use retry::{Next, Situation};
use site::Site;

/// Most bytes of a response body. An answer has a few thousand tokens; a larger body is not one.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes of an error's body, of which only the message is used.
const ERROR_BODY_BYTES_MAX: u64 = 256 * 1024;
/// A reachable server accepts at once. With the timeout of an answer, an unreachable server would
/// be noticed only late.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that accepts no byte of a request for this long does not read it. The wait can occur
/// twice: until a write stops halfway, and until a write transfers nothing.
const STALL_MAX: Duration = Duration::from_secs(15);
/// Servers close idle connections after 5 s or more. A request sent just then would be in doubt
/// needlessly, so an idle connection is dropped well before.
const IDLE_MAX: Duration = Duration::from_secs(3);
const ASK_ACCOUNT: &str = "look at the provider's account before it is sent again";

/// The answer of a call and its provenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Part of the deterministic record.
    pub answer: ModelAnswer,
    /// Kept beside the record, not part of it.
    pub provenance: Provenance,
}

/// A call that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{failure}{at_stake}")]
pub struct Unanswered {
    pub failure: Failure,
    /// The request was sent and no usable response came back, so the server may have processed it.
    pub in_doubt: bool,
    /// What may have to be paid for if the call is in doubt; empty otherwise.
    at_stake: String,
}

/// A client of one endpoint. Blocks the calling thread; can be shared between threads.
///
/// Encrypted calls use the proxy that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` names, unless
/// `NO_PROXY` exempts the server. The proxy sees the host name, but neither key nor text. Calls
/// over plain HTTP or to this machine never use a proxy, and a SOCKS proxy is refused.
pub struct Client {
    endpoint: Endpoint,
    target: Target,
    site: Site,
    agent: Agent,
    authorization: Option<HeaderValue>,
    waiter: Waiter,
    /// Names the proxy, if there is one, without its credentials.
    through: String,
    tell: Sink,
}

impl Client {
    /// Checks the settings; opens no connection.
    pub fn new(endpoint: Endpoint) -> Result<Self, Failure> {
        Self::with_waiter(endpoint, Waiter::of_this_machine())
    }

    /// Does the same as `new`, with the caller's clock, sleep and random numbers.
    pub fn with_waiter(endpoint: Endpoint, waiter: Waiter) -> Result<Self, Failure> {
        let target = Target::parse(&endpoint)?;
        let proxy = proxy::from_environment(&target)?;
        let through = proxy.as_ref().map_or_else(String::new, |proxy| {
            format!(" (through the proxy {})", proxy::place(proxy))
        });
        let roots = if target.encrypted {
            trust::from_environment()?
        } else {
            RootCerts::WebPki
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            // Shorter than the whole timeout, so that the error names the limit that was reached.
            .timeout_connect(Some(CONNECT_TIMEOUT.min(endpoint.timeout * 3 / 4)))
            .timeout_send_body(Some(endpoint.timeout * 3 / 4))
            .timeout_per_write(Some(STALL_MAX.min(endpoint.timeout / 8)))
            .timeout_global(Some(endpoint.timeout))
            .max_idle_age(IDLE_MAX)
            .user_agent(concat!("coo/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Self {
            authorization: endpoint.api_key.as_ref().map(bearer).transpose()?,
            site: Site {
                server: target.server.clone(),
                key: endpoint.api_key.clone(),
            },
            agent: Agent::with_parts(
                config,
                Watch::new(target.authority()),
                DefaultResolver::default(),
            ),
            endpoint,
            target,
            waiter,
            through,
            tell: NOBODY,
        })
    }

    /// Returns the client with a sink that learns of each attempt.
    #[must_use]
    pub fn telling(mut self, tell: Sink) -> Self {
        self.tell = tell;
        self
    }

    /// Asks the model, at most as often as the endpoint's `attempts` allows.
    ///
    /// Takes at most `attempts` times `timeout`, plus two minutes of waiting. If the provider
    /// rejects this very request, that is a `Reply`; every operational error is an `Unanswered`.
    pub fn complete(&self, request: &Request) -> Result<Reply, Unanswered> {
        let body = protocol::request_body(
            request,
            &self.endpoint.max_tokens_field,
            self.target.openrouter,
        );
        let mut waited = Duration::ZERO;
        let mut attempts_made = 0;
        loop {
            attempts_made += 1;
            (self.tell)(&Update::Asking {
                model: &request.model,
                attempt: attempts_made,
                attempts: self.endpoint.attempts,
            });
            let trouble = match self.attempt(&body, request) {
                Outcome::Replied(reply) => return Ok(reply),
                Outcome::Failed(failure) => return Err(Unanswered::settled(failure)),
                // The server may have processed the request and may charge for it: never send it
                // again without being asked to.
                Outcome::InDoubt(failure) => {
                    return Err(Unanswered {
                        failure,
                        in_doubt: true,
                        at_stake: at_stake(request, &self.site),
                    });
                }
                Outcome::Trouble(trouble) => trouble,
            };
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
                    (self.tell)(&Update::Waiting {
                        server: &self.site.server,
                        trouble: &trouble.to_string(),
                        attempt: attempts_made + 1,
                        attempts: self.endpoint.attempts,
                        wait,
                    });
                    (self.waiter.wait)(wait);
                    waited += wait;
                }
                Next::GiveUp => {
                    return Err(Unanswered::settled(self.given_up(trouble, attempts_made)));
                }
                Next::Postpone(asked) => {
                    return Err(Unanswered::settled(Failure::Postponed {
                        server: self.site.server.clone(),
                        last: trouble.to_string(),
                        asked_s: asked.as_secs(),
                        limit_s: retry::WAIT_MAX.as_secs(),
                    }));
                }
            }
        }
    }

    fn attempt(&self, body: &str, request: &Request) -> Outcome {
        let received = match self.exchange(body) {
            Ok(received) => received,
            Err(lost) => return self.broken(&lost),
        };
        let clean = |text: &str, chars_max| self.site.clean(text, chars_max);
        let site = protocol::Site {
            server: &self.site.server,
            clean: &clean,
        };
        // The answer is recorded as received, never rewritten, so it must not contain the key.
        let betrays_key = self.site.betrays_key(&received.body);
        match protocol::judge(&received, request, &site) {
            Verdict::Answered(..) if betrays_key => {
                Outcome::InDoubt(self.betrayed("an answer", ""))
            }
            Verdict::Rejected(reason, _) if betrays_key => {
                // A rejection's text is only shown to people, and the key is removed from it.
                Outcome::Failed(self.betrayed("a rejection", &format!(": {reason}")))
            }
            Verdict::Answered(completion, origin) => {
                Outcome::Replied(self.reply(ModelAnswer::Completion(completion), origin))
            }
            Verdict::Rejected(reason, origin) => {
                Outcome::Replied(self.reply(ModelAnswer::Error(Refusal::Rejected(reason)), origin))
            }
            Verdict::Trouble { status, said } => Outcome::Trouble(Trouble {
                status: Some(status),
                retry_after: received.retry_after,
                said,
            }),
            Verdict::Failed(failure) => Outcome::Failed(failure),
            Verdict::InDoubt(failure) => Outcome::InDoubt(failure),
        }
    }

    fn betrayed(&self, what: &str, said: &str) -> Failure {
        Failure::Unusable {
            server: self.site.server.clone(),
            found: format!("{what} that contains the API key, which must not be recorded{said}"),
            next: "keep the key out of the prompt, and replace the key",
        }
    }

    /// Sends one request and reads the whole response.
    fn exchange(&self, body: &str) -> Result<Received, Lost> {
        let mut request = self
            .agent
            .post(&self.target.url)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut response = request
            .send(body)
            .map_err(|error| Lost { error, body: None })?;
        let text = |name| -> Option<String> {
            let value: &HeaderValue = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let retry_after = text(header::RETRY_AFTER)
            .and_then(|value| retry_after::parse_retry_after(&value, (self.waiter.now)()));
        let location = text(header::LOCATION);
        let encodings = text(header::CONTENT_ENCODING).unwrap_or_default();
        let status = response.status().as_u16();
        let packed = read_body(&mut response)?;
        let (body, spoilt) = match unpack::unpack(packed, &encodings, BODY_BYTES_MAX) {
            Ok(body) => (body, None),
            Err(wrong) => (Vec::new(), Some(wrong)),
        };
        Ok(Received {
            status,
            retry_after,
            location,
            body,
            spoilt,
        })
    }

    fn reply(&self, answer: ModelAnswer, origin: Origin) -> Reply {
        // The formatter panics on times before the epoch.
        let now = (self.waiter.now)().max(SystemTime::UNIX_EPOCH);
        // The journal already holds these three; keep only what the provider says beyond them.
        let is_own = |word: &String| !["stop", "length", "content_filter"].contains(&word.as_str());
        Reply {
            answer,
            provenance: Provenance {
                recorded_at: humantime::format_rfc3339_seconds(now).to_string(),
                server: self.site.server.clone(),
                response_id: origin.response_id,
                provider: origin.provider,
                system_fingerprint: origin.system_fingerprint,
                finish_reason: origin.finish_reason.filter(is_own),
                note: None,
            },
        }
    }

    /// Decides how an unfinished exchange ends the attempt.
    fn broken(&self, lost: &Lost) -> Outcome {
        let way = Way {
            site: &self.site,
            through: &self.through,
            encrypted: self.target.encrypted,
            limit: self.endpoint.timeout,
        };
        let is_mistaken = !self.target.encrypted
            && lost.is_silence()
            && connection::speaks_tls(self.target.authority());
        let meaning = if is_mistaken {
            way.speaks_tls()
        } else {
            way.meaning(lost)
        };
        match meaning {
            Meaning::Passing(said) => Outcome::Trouble(Trouble {
                status: None,
                retry_after: None,
                said,
            }),
            Meaning::InDoubt(said) => Outcome::InDoubt(Failure::Exhausted {
                server: self.site.server.clone(),
                last: said,
                attempts: 1,
                next: ASK_ACCOUNT.to_owned(),
            }),
            Meaning::Failed(failure, true) => Outcome::InDoubt(failure),
            Meaning::Failed(failure, false) => Outcome::Failed(failure),
        }
    }

    fn given_up(&self, trouble: Trouble, attempts: u32) -> Failure {
        let server = self.site.server.clone();
        let asked = trouble.retry_after.map_or_else(String::new, |asked| {
            format!(", and asks to wait {} s", asked.as_secs())
        });
        let next = match trouble.status {
            Some(status @ 402) => {
                return Failure::Unpaid {
                    server,
                    status,
                    said: trouble.said,
                };
            }
            Some(429) => format!(
                "the provider limits how often or how much this key may ask{asked}: wait, or have the limit raised, then run again"
            ),
            Some(_) => format!("the server is overloaded or failing{asked}: run again later"),
            None => "check the base URL and that the server is up, then run again".to_owned(),
        };
        Failure::Exhausted {
            server,
            last: trouble.to_string(),
            attempts,
            next,
        }
    }
}

impl Unanswered {
    /// An error after which nothing can have to be paid.
    fn settled(failure: Failure) -> Self {
        Self {
            failure,
            in_doubt: false,
            at_stake: String::new(),
        }
    }
}

/// Describes what a call in doubt may have cost.
fn at_stake(request: &Request, site: &Site) -> String {
    let bytes: usize = request
        .messages
        .iter()
        .map(|message| message.content.len())
        .sum();
    let most = request.max_tokens.map_or_else(
        || "an answer of any length".to_owned(),
        |tokens| format!("an answer of at most {tokens} tokens"),
    );
    format!(
        "; it was sent: {bytes} bytes of messages to the model {}, for {most}",
        site.message(&request.model)
    )
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The end of one attempt.
enum Outcome {
    Replied(Reply),
    Trouble(Trouble),
    Failed(Failure),
    InDoubt(Failure),
}

/// A problem that may pass, so that another attempt makes sense.
struct Trouble {
    /// `None` if no whole response arrived.
    status: Option<u16>,
    retry_after: Option<Duration>,
    /// Clean text; continues `answered <status>`, or stands alone without a status.
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

/// Returns the `Authorization` header, marked sensitive so that no log of the HTTP library shows
/// it.
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

/// Reads the body of a response. The body of a success must arrive completely; the body of an error
/// only explains the status, so a part of it is enough.
fn read_body(response: &mut Response<Body>) -> Result<Vec<u8>, Lost> {
    let is_success = response.status().is_success();
    let limit = if is_success {
        BODY_BYTES_MAX
    } else {
        ERROR_BODY_BYTES_MAX
    };
    let announced = response.body().content_length();
    let too_large = || Lost {
        error: ureq::Error::BodyExceedsLimit(limit),
        body: None,
    };
    if is_success && announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    let read = response
        .body_mut()
        .as_reader()
        .take(limit + u64::from(is_success))
        .read_to_end(&mut body);
    if !is_success {
        return Ok(body);
    }
    if body.len() as u64 > limit {
        return Err(too_large());
    }
    match read {
        Ok(_) => Ok(body),
        Err(error) => Err(Lost {
            error: error.into(),
            body: Some((body.len() as u64, announced)),
        }),
    }
}
