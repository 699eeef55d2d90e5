//! The client of a chat-completions server: sends a request and brings back what came, retries
//! within bounds, and keeps connections open between calls. What a response means is the
//! kernel's to say (`llm::protocol`).
//!
//! Invariants: the key goes to the endpoint's own host and into no text; redirects are never
//! followed; what may have been worked on is never sent again. Never reads or writes the frozen
//! store, and keeps no state between calls but open connections.

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
use coo_kernel::llm::{Answer, Provenance, Refusal, Request};
use ureq::http::{HeaderValue, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body};

pub use coo_kernel::llm::protocol::Failure;
pub use endpoint::{ApiKey, Endpoint, server_of};
pub use waiter::Waiter;

use broken::{Lost, Meaning, Way};
use connection::Watch;
use endpoint::Target;
use retry::{Next, Situation};
use site::Site;

/// An answer is at most some thousand tokens; a body beyond this is not one.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Of an error only a message is read, and the status is known without it.
const ERROR_BODY_BYTES_MAX: u64 = 256 * 1024;
/// A reachable server accepts at once; waiting for it as for an answer would hide that it is
/// not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that takes no byte of a request for so long does not read it. It is waited for twice:
/// once until a write is cut short, once until nothing of it can be written.
const STALL_MAX: Duration = Duration::from_secs(15);
/// Servers close idle connections after 5 s and more. A request that meets such a close is in
/// doubt for nothing, so a connection is given up well before.
const IDLE_MAX: Duration = Duration::from_secs(3);
const ASK_ACCOUNT: &str = "look at the provider's account before it is sent again";

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
#[error("{failure}{at_stake}")]
pub struct Unanswered {
    /// What happened in the end.
    pub failure: Failure,
    /// The request left and no usable response came back: the server may have worked on it.
    pub in_doubt: bool,
    /// What may have been paid for, where it is in doubt; empty otherwise.
    at_stake: String,
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
    say: fn(&str),
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
        let roots = if target.encrypted {
            trust::from_environment()?
        } else {
            RootCerts::WebPki
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            // Less than the whole, so that it is known which of them has passed.
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
            say: |_| {},
        })
    }

    /// The same, with somebody to tell when it waits before another attempt.
    #[must_use]
    pub fn saying(mut self, say: fn(&str)) -> Self {
        self.say = say;
        self
    }

    /// Asks the model, as often as the endpoint's `attempts` allows.
    ///
    /// Takes at most `attempts` times `timeout` plus two minutes of waiting. A provider's
    /// refusal of this very request is a `Reply`; everything operational is a `Failure`.
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
            let trouble = match self.attempt(&body, request) {
                Outcome::Replied(reply) => return Ok(reply),
                Outcome::Failed(failure) => return Err(Unanswered::settled(failure)),
                // The server may have worked on it and may charge for it: not again unasked.
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
                    (self.say)(&format!(
                        "model call: {} {trouble}; attempt {} of {} in {:.1} s",
                        self.site.server,
                        attempts_made + 1,
                        self.endpoint.attempts,
                        wait.as_secs_f64(),
                    ));
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
        // What is recorded is what the server said: it is not rewritten, so it must not hold the key.
        let betrays_key = self.site.betrays_key(&received.body);
        match protocol::judge(&received, request, &site) {
            Verdict::Answered(..) if betrays_key => {
                Outcome::InDoubt(self.betrayed("an answer", ""))
            }
            Verdict::Rejected(reason, _) if betrays_key => {
                // Its words are for people, and cleaned.
                Outcome::Failed(self.betrayed("a rejection", &format!(": {reason}")))
            }
            Verdict::Answered(completion, origin) => {
                Outcome::Replied(self.reply(Answer::Completion(completion), origin))
            }
            Verdict::Rejected(reason, origin) => {
                Outcome::Replied(self.reply(Answer::Error(Refusal::Rejected(reason)), origin))
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

    /// One request and its whole response.
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

    fn reply(&self, answer: Answer, origin: Origin) -> Reply {
        // The formatter panics on times before the epoch.
        let now = (self.waiter.now)().max(SystemTime::UNIX_EPOCH);
        // The words that the record has need not be told twice.
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

    /// What an exchange that did not finish amounts to.
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
    /// Nothing can have been paid for.
    fn settled(failure: Failure) -> Self {
        Self {
            failure,
            in_doubt: false,
            at_stake: String::new(),
        }
    }
}

/// What a call in doubt may have cost.
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

/// How one attempt ended.
enum Outcome {
    Replied(Reply),
    Trouble(Trouble),
    Failed(Failure),
    InDoubt(Failure),
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

/// The body of a success must arrive whole; that of an error only explains its status, so what
/// has come of it will do.
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
