//! The HTTP client of a chat-completions server. It sends a request, returns the response, retries
//! within bounds, and keeps connections open between calls. The kernel (`llm::protocol`) interprets
//! responses, and decides whether a call is in doubt and whether it may be sent again.
//!
//! Invariants: no thread is held while a call waits; the key is sent only to the endpoint's own host
//! and never appears in a text; redirects are never followed. Never reads or writes the frozen
//! store, and keeps no state between calls except open connections.

mod broken;
mod endpoint;
mod outcome;
mod outgoing;
mod pool;
mod probe;
mod proxy;
mod retry_after;
mod site;
mod trust;
mod unpack;
mod waiter;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use coo_kernel::llm::protocol::{self, Origin, Reach, Received, Standing, Verdict, retry};
use coo_kernel::llm::{ModelAnswer, Provenance, Refusal, Request};
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Response, Url};

pub use coo_kernel::llm::protocol::Failure;
pub use endpoint::{ApiKey, Endpoint, server_of};
pub use outcome::{Reply, Unanswered};
pub use waiter::Waiter;

use crate::effects::llm::meter::{Leaving, Pacer};
use crate::machine::{Deadline, asynchronous};
use crate::progress::{NOBODY, Sink, Update};

use broken::{Cause, Lost, Way, What};
use endpoint::Target;
use outcome::{Outcome, Trouble, at_stake};
use outgoing::{Handed, Outgoing};
use pool::Connections;
use retry::{Next, Situation};
use site::Site;

/// Most bytes of a response body. An answer has a few thousand tokens; a larger body is not one.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes of an error's body, of which only the message is used.
const ERROR_BODY_BYTES_MAX: u64 = 256 * 1024;
/// A server that takes no byte of a request for this long does not read it. It is noticed after at
/// most twice that time.
const STALL_MAX: Duration = Duration::from_secs(15);
/// What a server has to say about the head of a request, it says at once.
const LAST_WORD_MAX: Duration = Duration::from_secs(10);
const ASK_ACCOUNT: &str = "look at the provider's account before it is sent again";

/// A client of one endpoint. Copies are cheap and share everything; clients of one server share
/// their connections.
///
/// Encrypted calls use the proxy that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` names, unless
/// `NO_PROXY` exempts the server. The proxy sees the host name, but neither key nor text. Calls
/// over plain HTTP or to this machine never use a proxy, and a SOCKS proxy is refused.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    tell: Sink,
}

/// The pace of a call.
pub struct Paced {
    pub pacer: Pacer,
    /// Most tokens of each attempt.
    pub tokens: u64,
    /// The first attempt, which may leave.
    pub first: Leaving,
}

/// What all copies of a client share.
struct Shared {
    endpoint: Endpoint,
    target: Target,
    url: Url,
    site: Site,
    connections: Connections,
    authorization: Option<HeaderValue>,
    waiter: Waiter,
    /// Names the proxy, if there is one, without its credentials.
    through: String,
}

impl Client {
    /// Checks the settings; opens no connection.
    pub fn new(endpoint: Endpoint) -> Result<Self, Failure> {
        Self::with_waiter(endpoint, Waiter::of_this_machine())
    }

    /// Does the same as `new`, with the caller's clock, waits and random numbers.
    pub fn with_waiter(endpoint: Endpoint, waiter: Waiter) -> Result<Self, Failure> {
        let target = Target::parse(&endpoint)?;
        let connections = pool::connections(&target, endpoint.timeout)?;
        let through = connections
            .proxy
            .as_ref()
            .map_or_else(String::new, |proxy| {
                format!(" (through the proxy {})", proxy.place)
            });
        Ok(Self {
            shared: Arc::new(Shared {
                authorization: endpoint.api_key.as_ref().map(bearer).transpose()?,
                site: Site {
                    server: target.server.clone(),
                    key: endpoint.api_key.clone(),
                },
                url: target.request_url()?,
                connections,
                endpoint,
                target,
                waiter,
                through,
            }),
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
    ///
    /// Any executor may await the future: connections and timers are `asynchronous`'s own. A future
    /// that is dropped ends its call, which is then in doubt.
    pub async fn complete(&self, request: &Request) -> Result<Reply, Unanswered> {
        self.complete_at(None, request).await
    }

    /// Does the same at the pace of the server. The first attempt may leave now, as `pace` says.
    pub async fn complete_at(
        &self,
        pace: Option<Paced>,
        request: &Request,
    ) -> Result<Reply, Unanswered> {
        let (mut first, pace) = match pace {
            Some(Paced {
                pacer,
                tokens,
                first,
            }) => (Some(first), Some((pacer, tokens))),
            None => (None, None),
        };
        let shared = &*self.shared;
        let body = protocol::request_body(
            request,
            &shared.endpoint.max_tokens_field,
            shared.target.openrouter,
        );
        let body = Bytes::from(body.map_err(|error| Unanswered::unwritable(&error))?);
        let mut waited = Duration::ZERO;
        let mut attempts_made = 0;
        loop {
            attempts_made += 1;
            let leaving = match (&pace, first.take()) {
                (_, Some(first)) => Some(first),
                (Some((pacer, tokens)), None) => Some(pacer.leave(*tokens).await),
                (None, None) => None,
            };
            (self.tell)(&Update::Asking {
                model: &request.model,
                attempt: attempts_made,
                attempts: shared.endpoint.attempts,
            });
            let outcome = self.attempt(&body, request, attempts_made).await;
            if let (Some(leaving), Some((pacer, tokens))) = (leaving, &pace) {
                if let Outcome::Trouble(Trouble {
                    retry_after: Some(asked),
                    ..
                }) = &outcome
                {
                    // For all calls to the server.
                    pacer.hold((*asked).min(retry::WAIT_MAX));
                }
                leaving.settle(outcome.tokens(*tokens));
            }
            let trouble = match outcome {
                Outcome::Replied(reply) => return Ok(*reply),
                Outcome::Failed(failure) => return Err(Unanswered::settled(failure)),
                // The server may have processed the request and may charge for it: never send it
                // again without being asked to.
                Outcome::InDoubt(failure) => {
                    return Err(Unanswered {
                        failure,
                        in_doubt: true,
                        at_stake: at_stake(request, &shared.site),
                    });
                }
                Outcome::Trouble(trouble) => trouble,
            };
            let next = retry::decide(&Situation {
                attempts_made,
                attempts_max: shared.endpoint.attempts,
                waited,
                reach: trouble.reach,
                retry_after: trouble.retry_after,
                jitter: (shared.waiter.jitter)(),
            });
            match next {
                Next::Wait(wait) => {
                    (self.tell)(&Update::Waiting {
                        server: &shared.site.server,
                        trouble: &trouble.to_string(),
                        attempt: attempts_made + 1,
                        attempts: shared.endpoint.attempts,
                        wait,
                    });
                    (shared.waiter.wait)(wait).await;
                    waited += wait;
                }
                Next::GiveUp => {
                    return Err(Unanswered::settled(shared.given_up(trouble, attempts_made)));
                }
                Next::Postpone(asked) => {
                    return Err(Unanswered::settled(Failure::Postponed {
                        server: shared.site.server.clone(),
                        last: trouble.to_string(),
                        asked_s: asked.as_secs(),
                        limit_s: retry::WAIT_MAX.as_secs(),
                    }));
                }
            }
        }
    }

    async fn attempt(&self, body: &Bytes, request: &Request, attempts_made: u32) -> Outcome {
        let exchange = Arc::clone(&self.shared).exchange(body.clone());
        let ended = match asynchronous::start(exchange) {
            Ok(exchange) => exchange.await,
            Err(error) => Err(Lost {
                cause: Cause::NoThread(error),
                is_sent: false,
                has_head: false,
                body: None,
            }),
        };
        match ended {
            Ok(received) => self.shared.judge(&received, request),
            Err(lost) => self.broken(&lost, attempts_made).await,
        }
    }

    /// Says how an unfinished exchange ends the attempt; the kernel decides.
    async fn broken(&self, lost: &Lost, attempts_made: u32) -> Outcome {
        let shared = &*self.shared;
        let way = Way {
            site: &shared.site,
            through: &shared.through,
            encrypted: shared.target.encrypted,
            limit: shared.endpoint.timeout,
        };
        let (reach, what) = match self.other_protocol(lost).await {
            Some(spoken) => (Reach::OtherProtocol, way.other_protocol(&spoken)),
            None => (lost.reach(), way.what(lost)),
        };
        let exhausted = |last| Failure::Exhausted {
            server: shared.site.server.clone(),
            last,
            attempts: attempts_made,
            next: ASK_ACCOUNT.to_owned(),
        };
        match (reach.standing(None), what) {
            (Standing::InDoubt, What::Said(said)) => Outcome::InDoubt(exhausted(said)),
            (Standing::InDoubt, What::Failure(failure)) => Outcome::InDoubt(failure),
            (Standing::Passing | Standing::Refused, What::Failure(failure)) => {
                Outcome::Failed(failure)
            }
            (Standing::Passing | Standing::Refused, What::Said(said)) => {
                Outcome::Trouble(Trouble {
                    reach,
                    retry_after: None,
                    said,
                })
            }
        }
    }

    /// Asks a server that did not answer in HTTP what it speaks.
    async fn other_protocol(&self, lost: &Lost) -> Option<probe::Spoken> {
        let may_greet = lost.is_foreign();
        if self.shared.target.encrypted || !(may_greet || lost.is_silence()) {
            return None;
        }
        let authority = self.shared.target.authority().to_owned();
        let probing = async move { probe::spoken(&authority, may_greet).await };
        asynchronous::start(probing).ok()?.await
    }
}

impl Shared {
    /// Says how a whole response ends the attempt; the kernel decides.
    fn judge(&self, received: &Received, request: &Request) -> Outcome {
        let clean = |text: &str, chars_max| self.site.clean(text, chars_max);
        let site = protocol::Site {
            server: &self.site.server,
            clean: &clean,
        };
        // The answer is recorded as received, never rewritten, so it must not contain the key.
        let betrays_key = self.site.betrays_key(&received.body);
        match protocol::judge(received, request, &site) {
            Verdict::Answered(..) if betrays_key => {
                Outcome::InDoubt(self.betrayed("an answer", ""))
            }
            Verdict::Rejected(reason, _) if betrays_key => {
                // A rejection's text is only shown to people, and the key is removed from it.
                Outcome::Failed(self.betrayed("a rejection", &format!(": {reason}")))
            }
            Verdict::Answered(completion, origin) => Outcome::Replied(Box::new(
                self.reply(ModelAnswer::Completion(completion), origin),
            )),
            Verdict::Rejected(reason, origin) => Outcome::Replied(Box::new(
                self.reply(ModelAnswer::Error(Refusal::Rejected(reason)), origin),
            )),
            Verdict::Trouble { reach, said } => Outcome::Trouble(Trouble {
                reach,
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
    async fn exchange(self: Arc<Self>, body: Bytes) -> Result<Received, Lost> {
        // A connection that the server has closed must not get the request.
        asynchronous::catch_up().await;
        let sent = self.send(outgoing::watched(body.clone()), self.endpoint.timeout);
        let lost = match sent.await {
            Ok(received) => return Ok(received),
            Err(lost) => lost,
        };
        // A server that refuses a request by its head (too large, no key, too many) may hang up while
        // the body is on its way, and the HTTP library then loses what it said. Ask with the head
        // alone, which nobody can work on.
        if lost.reach() == Reach::PartlySent && lost.is_silence() {
            let limit = LAST_WORD_MAX.min(self.endpoint.timeout);
            let heard = self.send(outgoing::withheld(body), limit).await;
            return heard.map_err(|_| lost);
        }
        Err(lost)
    }

    async fn send(
        &self,
        (outgoing, handed): (Outgoing, Handed),
        limit: Duration,
    ) -> Result<Received, Lost> {
        let deadline = Deadline::after(limit);
        let mut request = self
            .connections
            .http
            .post(self.url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let sending = request.body(reqwest::Body::wrap(outgoing)).send();
        let stall = STALL_MAX.min(self.endpoint.timeout / 8);
        let answered = asynchronous::within(deadline.left(), answered(sending, &handed, stall));
        let mut response = match answered.await {
            Some(Ok(response)) => response,
            ended => {
                let cause = ended.and_then(Result::err).unwrap_or(Cause::TimedOut);
                return Err(Lost {
                    cause,
                    is_sent: handed.stop(),
                    has_head: false,
                    body: None,
                });
            }
        };
        let text = |name: HeaderName| -> Option<String> {
            Some(response.headers().get(name)?.to_str().ok()?.to_owned())
        };
        let retry_after = text(header::RETRY_AFTER)
            .and_then(|value| retry_after::parse_retry_after(&value, (self.waiter.now)()));
        let location = text(header::LOCATION);
        let encodings = text(header::CONTENT_ENCODING).unwrap_or_default();
        let status = response.status().as_u16();
        let packed = read_body(&mut response, &deadline).await;
        let is_sent = handed.stop();
        let packed = packed.map_err(|(cause, body)| Lost {
            cause,
            is_sent,
            has_head: true,
            body,
        })?;
        let (body, spoilt) = match unpack::unpack(packed, &encodings, BODY_BYTES_MAX) {
            Ok(body) => (body, None),
            Err(wrong) => (Vec::new(), Some(wrong)),
        };
        Ok(Received {
            status,
            is_early: !is_sent,
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

    fn given_up(&self, trouble: Trouble, attempts: u32) -> Failure {
        let server = self.site.server.clone();
        let asked = trouble.retry_after.map_or_else(String::new, |asked| {
            format!(", and asks to wait {} s", asked.as_secs())
        });
        let next = match trouble.reach.status() {
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.shared.endpoint)
            .finish_non_exhaustive()
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

/// Waits for the head of the response, as long as the server takes the request or has it whole.
async fn answered(
    sending: impl Future<Output = reqwest::Result<Response>>,
    handed: &Handed,
    stall: Duration,
) -> Result<Response, Cause> {
    let mut sending = pin!(sending);
    let mut seen = None;
    loop {
        if let Some(ended) = asynchronous::within(stall, sending.as_mut()).await {
            return ended.map_err(Cause::Http);
        }
        let partly = handed.partly();
        if partly.is_some() && partly == seen {
            return Err(Cause::Stalled);
        }
        seen = partly;
    }
}

/// Why a body broke off, the bytes that came of it, and the length announced.
type BrokenBody = (Cause, Option<(u64, Option<u64>)>);

/// Reads the body of a response. The body of a success must arrive completely; the body of an error
/// only explains the status, so a part of it is enough.
async fn read_body(response: &mut Response, deadline: &Deadline) -> Result<Vec<u8>, BrokenBody> {
    let is_success = response.status().is_success();
    let limit = if is_success {
        BODY_BYTES_MAX
    } else {
        ERROR_BODY_BYTES_MAX
    };
    let announced = response.content_length();
    if is_success && announced.is_some_and(|length| length > limit) {
        return Err((Cause::TooLarge(limit), None));
    }
    let mut body = Vec::new();
    loop {
        let cause = match asynchronous::within(deadline.left(), response.chunk()).await {
            Some(Ok(None)) => return Ok(body),
            Some(Ok(Some(piece))) => {
                body.extend_from_slice(&piece);
                if body.len() as u64 <= limit {
                    continue;
                }
                Cause::TooLarge(limit)
            }
            Some(Err(error)) => Cause::Http(error),
            None => Cause::TimedOut,
        };
        if is_success {
            return Err((cause, Some((body.len() as u64, announced))));
        }
        return Ok(body);
    }
}
