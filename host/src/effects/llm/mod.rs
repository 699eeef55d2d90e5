//! The language-model client. An answer comes from one of three sources: a frozen answer, a live
//! server, or an error that says what is missing. This module only chooses the source. The kernel
//! defines what a request is; `http` defines what is sent.

mod flight;
pub mod http;
pub mod meter;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::credentials::secret;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::EventFacts;
use coo_kernel::llm::{ModelAnswer, Provenance, Request};

use crate::effects::environment::{Access, Environment};
use crate::effects::llm::meter::{Meter, Reserved};
use crate::effects::secrets;
use crate::hint::{self, Hint as _};
use crate::machine::failpoint;
use crate::progress::{Sink, Update};
use crate::state::config::{Config, DEFAULT_BASE_URL};
use crate::state::store::{FrozenCall, Store};

pub use self::flight::{Flight, Flights};

/// Which sources may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// A frozen answer if there is one, otherwise a live call whose answer is frozen.
    Default,
    Frozen,
    /// A live call only; its answer replaces the frozen one.
    Live,
}

/// The configured model and the sources of its answers.
pub struct Model {
    /// `None` if the module can't ask a model.
    pub name: Option<String>,
    freshness: CachePolicy,
    config: Config,
    environment: Arc<Environment>,
    /// Server and key, resolved before the first live call.
    access: OnceLock<Access>,
    /// Created at the first live call and kept, with its open connections.
    client: OnceLock<http::Client>,
    say: fn(&str),
    /// Receives the progress of live calls.
    tell: Sink,
    /// What all calls of the process may use.
    meter: Arc<Meter>,
    /// Answers that ship with `coo`, searched after the state root's own.
    bundled: &'static [FrozenCall],
}

/// A call that may leave now.
pub struct Admitted {
    client: http::Client,
    reserved: Reserved,
    pace: http::Paced,
}

impl Admitted {
    /// Gives back what was set aside for a call that does not leave.
    pub fn give_back(self) {
        self.reserved.release();
    }
}

/// An answer and where it came from.
#[derive(Debug)]
pub struct Answered {
    pub answer: ModelAnswer,
    /// For the facts beside the journal: `frozen`, `bundled` or the server.
    pub source: String,
    /// How the answer came about, as far as it is known.
    pub provenance: Option<Provenance>,
    /// Whether the answer came from a live call, which left the machine and may cost money.
    pub live: bool,
    /// Whether it was on this mission's own record.
    pub recorded: bool,
}

impl Model {
    /// Creates a model. Server and key are resolved only before the first live call; `say` receives
    /// a line about it then, and `tell` the progress of each call.
    #[must_use]
    pub fn new(
        name: Option<String>,
        freshness: CachePolicy,
        config: Config,
        environment: Arc<Environment>,
        bundled: &'static [FrozenCall],
        say: fn(&str),
        tell: Sink,
    ) -> Self {
        Self {
            name,
            freshness,
            config,
            environment,
            access: OnceLock::new(),
            client: OnceLock::new(),
            say,
            tell,
            meter: Arc::default(),
            bundled,
        }
    }

    /// Returns the model with the meter that all calls of the process share.
    #[must_use]
    pub fn metered(self, meter: Arc<Meter>) -> Self {
        Self { meter, ..self }
    }

    /// Returns the client, created at the first live call and kept. The inner error is a setting
    /// that can't be used.
    fn client(&self) -> Result<Result<&http::Client, http::Failure>> {
        if let Some(client) = self.client.get() {
            return Ok(Ok(client));
        }
        let client = match http::Client::new(self.endpoint()?) {
            Ok(client) => client.telling(self.tell),
            Err(failure) => return Ok(Err(failure)),
        };
        self.announce(self.access()?)?;
        Ok(Ok(self.client.get_or_init(|| client)))
    }

    fn access(&self) -> Result<&Access> {
        if self.access.get().is_none() {
            let access = self.environment.access(&self.config, self.say)?;
            let _ = self.access.set(access);
        }
        self.access.get().context("model call: no server")
    }

    fn endpoint(&self) -> Result<http::Endpoint> {
        let access = self.access()?;
        let llm = &self.config.llm;
        Ok(http::Endpoint {
            base_url: access.base_url.clone(),
            api_key: access.key.as_ref().map(|(key, _)| http::ApiKey::new(key)),
            max_tokens_field: llm.max_tokens_field.clone(),
            timeout: Duration::from_secs(llm.timeout_seconds),
            attempts: llm.attempts,
        })
    }

    /// Tells the user where calls go, and with which key.
    fn announce(&self, access: &Access) -> Result<()> {
        let key = match &access.key {
            None => "without a key".to_owned(),
            Some((key, source)) if secret::counts(key.trim()) => {
                format!("with the key of {source}")
            }
            Some((_, source)) => format!(
                "with the key of {source}, which is shorter than {} characters and so not kept out of texts",
                secret::BYTES_MIN
            ),
        };
        (self.tell)(&Update::Server {
            origin: &http::server_of(&access.base_url)?,
            named_by: &access.named_by.to_string(),
            key: &key,
        });
        Ok(())
    }

    /// Returns an answer that is already recorded, or `None` if the server must be asked. A call
    /// that can't be made is an error here, before anything records that it was made.
    pub fn known(
        &self,
        store: &Store,
        request: &Request,
        sha256: &Digest,
        nth: u64,
    ) -> Result<Option<Answered>> {
        if self.freshness != CachePolicy::Live {
            let known = frozen(store, self.bundled, sha256, nth)?;
            if known.is_some() {
                return Ok(known);
            }
        }
        if self.freshness == CachePolicy::Frozen {
            bail!(
                anyhow!(
                    "model call: no frozen answer for request {} (time {nth} in this \
                     run, model {})",
                    sha256.short(),
                    request.model
                )
                .hint("run the mission once without --frozen to record it")
            );
        }
        let shown = || {
            format!(
                "model call: request {} (model {})",
                sha256.short(),
                request.model
            )
        };
        let access = self.access().with_context(shown)?;
        if access.key.is_none() && access.base_url == DEFAULT_BASE_URL {
            let wanted = match self.freshness {
                CachePolicy::Live => "a live answer is asked for",
                CachePolicy::Default | CachePolicy::Frozen => "there is no frozen answer",
            };
            bail!(
                anyhow!(
                    "{}: {wanted}, and OPENROUTER_API_KEY is not set for {}",
                    shown(),
                    http::server_of(&access.base_url)?
                )
                .hint("set it, or set COO_LLM_BASE_URL to a server of your own")
            );
        }
        secrets::refuse_in(&shown(), &serde_json::to_vec(request)?)?;
        Ok(None)
    }

    /// Returns whether two runs that make the same request may have the same answer.
    pub fn shares_answers(&self) -> bool {
        self.freshness != CachePolicy::Live
    }

    /// Waits until budget and pace permit `request`. `tokens_left` bounds an answer whose length the request
    /// does not bound. The inner error is a call that can't be made.
    pub async fn admit(
        &self,
        request: &Request,
        tokens_left: u64,
    ) -> Result<Result<Admitted, Failed>> {
        let failed = |error| Failed {
            error,
            in_doubt: false,
        };
        let client = match self.client()? {
            Ok(client) => client.clone(),
            Err(failure) => return Ok(Err(Failed::before_it_left(failure))),
        };
        let reserved = match self.meter.reserve(request, tokens_left).await {
            Ok(reserved) => reserved,
            Err(error) => return Ok(Err(failed(error))),
        };
        let server = http::server_of(&self.access()?.base_url)?;
        let limits = self.config.llm.limits.of(&server);
        let pacer = self.meter.pacer(limits).clone();
        let tokens = reserved.tokens();
        let first = pacer.leave(tokens).await;
        let pace = http::Paced {
            pacer,
            tokens,
            first,
        };
        Ok(Ok(Admitted {
            client,
            reserved,
            pace,
        }))
    }

    /// Asks the server. Returns its answer, and what is to be frozen of it. The inner error is a failed
    /// call, which stops the run; the outer error is this machine's own.
    pub async fn call(
        &self,
        admitted: Admitted,
        request: &Request,
        sha256: &Digest,
        nth: u64,
    ) -> Result<Result<(Answered, Option<FrozenCall>), Failed>> {
        let Admitted {
            client,
            reserved,
            pace,
        } = admitted;
        failpoint::reach("llm.send")?;
        let reply = match client.complete_at(Some(pace), request).await {
            Ok(reply) => reply,
            Err(failed) => {
                if !failed.in_doubt {
                    reserved.release();
                }
                return Ok(Err(failed.into()));
            }
        };
        match reply.answer.completion() {
            Some(completion) => reserved.settle(completion.usage),
            None => reserved.release(),
        }
        failpoint::reach("llm.answered")?;
        if let Some(failed) = Failed::if_it_holds_a_key(&reply)? {
            return Ok(Err(failed));
        }
        let answered = Answered {
            answer: reply.answer.judged(&request.options),
            source: reply.provenance.server.clone(),
            provenance: Some(reply.provenance.clone()),
            live: true,
            recorded: false,
        };
        // A refusal is this run's answer, but it is not frozen: the next run asks again.
        let has_answered = answered.answer.completion().is_some();
        let frozen = has_answered.then(|| FrozenCall {
            request_sha256: *sha256,
            nth,
            answer: answered.answer.clone(),
            provenance: reply.provenance,
        });
        Ok(Ok((answered, frozen)))
    }
}

/// Returns the frozen answer of the store, otherwise one that ships with `coo`.
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

/// A call that got no answer.
#[derive(Debug)]
pub struct Failed {
    pub error: anyhow::Error,
    /// The server may have processed the call, and may charge for it.
    pub in_doubt: bool,
}

impl Failed {
    /// Returns an error if the answer would bring a key into the record. The answer is not
    /// rewritten, because the record holds exactly what the server said.
    fn if_it_holds_a_key(reply: &http::Reply) -> Result<Option<Self>> {
        let answer = serde_json::to_vec(&reply.answer)?;
        let provenance = serde_json::to_vec(&reply.provenance)?;
        if !secrets::occur_in(&answer) && !secrets::occur_in(&provenance) {
            return Ok(None);
        }
        Ok(Some(Self {
            error: anyhow!(
                "unusable answer from {}: it contains the API key, which is recorded nowhere",
                reply.provenance.server
            )
            .hint("keep the key out of the prompt, and replace the key"),
            in_doubt: reply.answer.completion().is_some(),
        }))
    }

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
            error: hint::with_all(
                anyhow!("{unanswered}"),
                unanswered.failure.hint().map(Into::into),
            ),
        }
    }
}

impl Answered {
    /// Returns an answer from this mission's own journal.
    #[must_use]
    pub fn recorded(answer: ModelAnswer) -> Self {
        Self {
            answer,
            source: String::new(),
            provenance: None,
            live: false,
            recorded: true,
        }
    }

    /// Returns an answer that this mission was given before its world moved.
    #[must_use]
    pub fn carried(answer: ModelAnswer, facts: EventFacts) -> Self {
        Self {
            source: facts.source.unwrap_or_default(),
            provenance: facts.provenance,
            ..Self::recorded(answer)
        }
    }

    fn known(source: &str, call: &FrozenCall) -> Self {
        Self {
            answer: call.answer.clone(),
            source: source.to_owned(),
            provenance: Some(call.provenance.clone()),
            live: false,
            recorded: false,
        }
    }
}
