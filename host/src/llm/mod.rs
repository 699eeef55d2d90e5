//! The language-model client: one abstraction with three sources (frozen answers, a live
//! server, or the error that says what is missing). Decides only where to look; what a
//! request is belongs to the kernel, what goes over the wire to `http`.

pub mod http;

use std::cell::OnceCell;
use std::time::Duration;

use anyhow::{Result, bail};
use coo_kernel::digest::Digest;
use coo_kernel::llm::{Answer, Provenance, Request};

use crate::config::{Config, DEFAULT_BASE_URL, Surroundings};
use crate::fault;
use crate::store::{FrozenCall, Store};

/// Where answers may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The frozen store, else a live call whose answer is frozen.
    Default,
    /// The frozen store only.
    Frozen,
    /// A live call only; its answer is frozen anew.
    Live,
}

/// The model in force and the ways to its answers.
pub struct Model {
    /// Its name; absent where the module can't ask one.
    pub name: Option<String>,
    freshness: Freshness,
    endpoint: http::Endpoint,
    /// Made at the first live call and kept, with its connections.
    client: OnceCell<http::Client>,
    say: fn(&str),
    /// Answers that ship with `coo`: looked at after the state root's own.
    bundled: &'static [FrozenCall],
}

/// An answer and where it came from.
#[derive(Debug)]
pub struct Answered {
    /// What the guest is told.
    pub answer: Answer,
    /// For the facts beside the journal: `frozen`, `bundled` or the server.
    pub source: String,
    /// What is known of its making.
    pub provenance: Option<Provenance>,
    /// It cost something and left the machine.
    pub live: bool,
}

impl Model {
    /// Settles model, server and key, without touching the network.
    #[must_use]
    pub fn new(
        name: Option<String>,
        freshness: Freshness,
        config: &Config,
        surroundings: &Surroundings,
        bundled: &'static [FrozenCall],
    ) -> Self {
        let llm = &config.llm;
        let base_url = surroundings
            .get("COO_LLM_BASE_URL")
            .unwrap_or_else(|| llm.base_url.clone());
        Self {
            name,
            freshness,
            endpoint: http::Endpoint {
                base_url,
                api_key: surroundings
                    .get("OPENROUTER_API_KEY")
                    .map(|key| http::ApiKey::new(&key)),
                max_tokens_field: llm.max_tokens_field.clone(),
                timeout: Duration::from_secs(llm.timeout_seconds),
                attempts: llm.attempts,
            },
            client: OnceCell::new(),
            say: |_| {},
            bundled,
        }
    }

    /// The same, with somebody to tell when a call has to wait.
    #[must_use]
    pub fn saying(mut self, say: fn(&str)) -> Self {
        self.say = say;
        self
    }

    fn client(&self) -> Result<&http::Client, http::Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = http::Client::new(self.endpoint.clone())?.saying(self.say);
        Ok(self.client.get_or_init(|| client))
    }

    /// The answer that is on record already. `None` where the server has to be asked, which is
    /// settled here: a call that can't be made is an error before anything says it was.
    pub fn known(
        &self,
        store: &Store,
        request: &Request,
        sha256: &Digest,
        nth: u64,
    ) -> Result<Option<Answered>> {
        if self.freshness != Freshness::Live {
            let known = frozen(store, self.bundled, sha256, nth)?;
            if known.is_some() {
                return Ok(known);
            }
        }
        if self.freshness == Freshness::Frozen {
            bail!(
                "model call: no frozen answer for request {} (time {nth} in this run, model {}); run once without --frozen to record it",
                sha256.short(),
                request.model
            );
        }
        if self.endpoint.api_key.is_none() && self.endpoint.base_url == DEFAULT_BASE_URL {
            let wanted = match self.freshness {
                Freshness::Live => "a live answer is asked for",
                Freshness::Default | Freshness::Frozen => "there is no frozen answer",
            };
            bail!(
                "model call: request {} (model {}): {wanted} and OPENROUTER_API_KEY is not set; set it, or COO_LLM_BASE_URL to a server of your own",
                sha256.short(),
                request.model
            );
        }
        Ok(None)
    }

    /// Asks the server and freezes its answer. What goes wrong on the way is of the outside and
    /// stops the run; the outer error is this machine's own.
    pub fn call(
        &self,
        store: &mut Store,
        request: &Request,
        sha256: &Digest,
        nth: u64,
    ) -> Result<Result<Answered, Failed>> {
        let client = match self.client() {
            Ok(client) => client,
            Err(failure) => return Ok(Err(Failed::before_it_left(failure))),
        };
        fault::point("llm.send")?;
        let reply = match client.complete(request) {
            Ok(reply) => reply,
            Err(failed) => return Ok(Err(failed.into())),
        };
        fault::point("llm.answered")?;
        let answered = Answered {
            answer: reply.answer,
            source: reply.provenance.server.clone(),
            provenance: Some(reply.provenance.clone()),
            live: true,
        };
        // A refusal is this run's answer, but nobody wants it for ever: the next run asks again.
        if matches!(answered.answer, Answer::Completion(_)) {
            store.freeze(&FrozenCall {
                request_sha256: *sha256,
                nth,
                answer: answered.answer.clone(),
                provenance: reply.provenance,
            })?;
        }
        Ok(Ok(answered))
    }
}

/// The frozen answer: the store's own, else one that ships with `coo`.
pub fn frozen(
    store: &Store,
    bundled: &[FrozenCall],
    sha256: &Digest,
    nth: u64,
) -> Result<Option<Answered>> {
    if let Some(call) = store.frozen(sha256, nth)? {
        return Ok(Some(Answered::known("frozen", &call)));
    }
    let same = |call: &&FrozenCall| call.request_sha256 == *sha256 && call.nth == nth;
    Ok(bundled
        .iter()
        .find(same)
        .map(|call| Answered::known("bundled", call)))
}

/// A call that brought no answer.
#[derive(Debug)]
pub struct Failed {
    /// What happened.
    pub error: anyhow::Error,
    /// The server may have worked on it, and may charge for it.
    pub in_doubt: bool,
}

impl Failed {
    fn before_it_left(failure: http::Failure) -> Self {
        Self {
            error: failure.into(),
            in_doubt: false,
        }
    }
}

impl From<http::Unanswered> for Failed {
    fn from(unanswered: http::Unanswered) -> Self {
        Self {
            in_doubt: unanswered.in_doubt,
            error: unanswered.into(),
        }
    }
}

impl Answered {
    /// An answer out of this mission's own journal.
    #[must_use]
    pub fn recorded(answer: Answer) -> Self {
        Self {
            answer,
            source: String::new(),
            provenance: None,
            live: false,
        }
    }

    fn known(source: &str, call: &FrozenCall) -> Self {
        Self {
            answer: call.answer.clone(),
            source: source.to_owned(),
            provenance: Some(call.provenance.clone()),
            live: false,
        }
    }
}
