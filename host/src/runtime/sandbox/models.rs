//! The import that asks language models: `coo:mission/llm`, whose 1.0 is a part of its 1.1. Each call
//! charges the ledger and goes through the tape; calls that are made together are charged, judged and
//! recorded as if one were made after the other. Sends nothing itself.

use coo_kernel::batch::budget::Need;
use coo_kernel::journal::Kind;
use coo_kernel::llm::chat::{Format, Image, JsonSchema, Options, Tool, ToolCall, ToolChoice};
use coo_kernel::llm::{
    Asked, Completion, FinishReason, Message, ModelAnswer, NO_MODEL, Refusal, Request, Role,
    Sampling, Usage, force,
};
use coo_kernel::mission::authority::Call;
use coo_kernel::mission::failure::Bound;
use coo_kernel::mission::ledger::ITEM_BYTES;

use super::Guest;
use super::bindings::coo::mission1_1_0::llm;
use crate::effects::stop::Stop;

/// Size of an answer, in bytes, that is assumed before it is known: far more than models give.
const ANSWER_BYTES: u64 = 1 << 20;

impl llm::Host for Guest {
    async fn complete(
        &mut self,
        request: llm::Request,
    ) -> wasmtime::Result<Result<llm::Completion, llm::Error>> {
        Ok(simple(self.ask(asked(request)).await?))
    }

    async fn chat(
        &mut self,
        request: llm::ChatRequest,
    ) -> wasmtime::Result<Result<llm::ChatCompletion, llm::ChatError>> {
        Ok(told(self.ask(asked_in_chat(request)).await?))
    }

    async fn complete_many(
        &mut self,
        requests: Vec<llm::ChatRequest>,
    ) -> wasmtime::Result<Vec<Result<llm::ChatCompletion, llm::ChatError>>> {
        self.authority.may(Call::Complete).map_err(Stop::from)?;
        let asked: Vec<Asked> = requests.into_iter().map(asked_in_chat).collect();
        let (places, certain) = self.certain(&asked);
        let mut are_sent = certain.is_empty();
        let mut answers = Vec::new();
        for (place, asked) in asked.into_iter().enumerate() {
            if !are_sent {
                let first = places.partition_point(|other| *other < place);
                let _outside = self.outside.enter();
                let _paused = self.watchdog.pause(self.deadline);
                are_sent = self.tape.ask_together(&certain[first..]).await?;
            }
            answers.push(told(self.ask(asked).await?));
        }
        Ok(answers)
    }
}

impl Guest {
    /// Makes one call, or refuses it.
    async fn ask(&mut self, asked: Asked) -> Result<ModelAnswer, Stop> {
        self.look_at_next_call();
        self.authority.may(Call::Complete)?;
        self.charge_bytes(bytes(&asked))?;
        self.ledger.charge(Bound::LlmCalls, 1)?;
        let request = match self.request(asked)? {
            Ok(request) => self.ledger.models_mut().charge(&request).map(|()| request),
            Err(refusal) => Err(refusal),
        };
        let answer = match &request {
            // The model has time limits of its own, and its answer is paid for.
            Ok(request) => {
                let _outside = self.outside.enter();
                let _paused = self.watchdog.pause(self.deadline);
                self.tape.ask(request).await?
            }
            Err(refusal) => {
                self.tape.event(Kind::LlmRefused, refusal)?;
                ModelAnswer::Error(refusal.clone())
            }
        };
        if let (Ok(request), Some(completion)) = (&request, answer.completion()) {
            self.charge_bytes(completion.bytes())?;
            self.ledger.models_mut().settle(request, &completion.usage);
            let Usage {
                prompt_tokens,
                completion_tokens,
            } = completion.usage;
            // A number that the provider does not report can't be charged.
            let counted = [prompt_tokens, completion_tokens];
            let tokens = counted.into_iter().flatten().fold(0, u64::saturating_add);
            self.ledger.charge(Bound::LlmTokens, tokens)?;
        }
        Ok(answer)
    }

    /// Returns the whole request: with the model that is asked and its sampling.
    fn request(&self, asked: Asked) -> Result<Result<Request, Refusal>, Stop> {
        let (model, max_tokens) = if let Some(alias) = &asked.options.alias {
            match self.ledger.models().find(alias) {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            }
        } else {
            let model = self.model.as_deref();
            (model.ok_or_else(|| anyhow::anyhow!(NO_MODEL))?, None)
        };
        let sampling = Sampling {
            max_tokens: max_tokens.or(self.sampling.max_tokens),
            ..self.sampling
        };
        Ok(force(asked, model, &sampling))
    }

    /// Returns the requests that will be made whatever the answers to those before them are, with their
    /// places in the list. The others are made when their turn comes.
    fn certain(&self, list: &[Asked]) -> (Vec<usize>, Vec<Request>) {
        let limits = self.ledger.limits();
        let used = self.ledger.used();
        let mut calls_left = limits.llm_calls.saturating_sub(used.llm_calls);
        let mut tokens_left = limits.llm_tokens.saturating_sub(used.llm_tokens);
        let mut bytes_left = limits.host_bytes.saturating_sub(used.host_bytes);
        let mut models = self.ledger.models().clone();
        let (mut places, mut certain) = (Vec::new(), Vec::new());
        for (place, asked) in list.iter().enumerate() {
            let Some(left) = calls_left.checked_sub(1) else {
                break;
            };
            calls_left = left;
            let asked_bytes = bytes(asked);
            let request = match self.request(asked.clone()) {
                Ok(Ok(request)) => request,
                Ok(Err(_)) => {
                    bytes_left = bytes_left.saturating_sub(asked_bytes);
                    continue;
                }
                // The run ends there.
                Err(_) => break,
            };
            let tokens = Need::of(&request, tokens_left).tokens();
            let crossing = asked_bytes.saturating_add(ANSWER_BYTES);
            let may_end_the_run = tokens > tokens_left || crossing > bytes_left;
            if models.charge(&request).is_err() || (may_end_the_run && !certain.is_empty()) {
                break;
            }
            models.settle(&request, &Usage::default());
            tokens_left = tokens_left.saturating_sub(tokens);
            bytes_left = bytes_left.saturating_sub(crossing);
            places.push(place);
            certain.push(request);
        }
        (places, certain)
    }
}

/// Returns the bytes of a request that cross the border.
fn bytes(asked: &Asked) -> u64 {
    asked
        .messages
        .iter()
        .map(|message| ITEM_BYTES.saturating_add(message.bytes()))
        .fold(asked.options.bytes(), u64::saturating_add)
}

fn asked(request: llm::Request) -> Asked {
    let message = |message: llm::Message| {
        let role = match message.role {
            llm::Role::System => Role::System,
            llm::Role::User => Role::User,
            llm::Role::Assistant => Role::Assistant,
        };
        Message::new(role, message.content)
    };
    Asked {
        messages: request.messages.into_iter().map(message).collect(),
        temperature: request.temperature,
        top_p: request.top_p,
        max_tokens: request.max_tokens,
        options: Options::default(),
    }
}

fn simple(answer: ModelAnswer) -> Result<llm::Completion, llm::Error> {
    match answer {
        ModelAnswer::Completion(completion) => Ok(llm::Completion {
            finish_reason: match completion.finish_reason {
                FinishReason::Stop => llm::FinishReason::Stop,
                FinishReason::Length => llm::FinishReason::Length,
                FinishReason::ContentFilter => llm::FinishReason::ContentFilter,
                FinishReason::Other | FinishReason::ToolCalls => llm::FinishReason::Other,
            },
            usage: usage(completion.usage),
            text: completion.text,
            model: completion.model,
        }),
        ModelAnswer::Error(Refusal::Refused(text)) => Err(llm::Error::Refused(text)),
        ModelAnswer::Error(Refusal::Rejected(text)) => Err(llm::Error::Rejected(text)),
        // Only a request of 1.1 can ask for anything that an answer does not fit.
        ModelAnswer::Unfit(unfit) => Err(llm::Error::Rejected(unfit.reason)),
    }
}

fn asked_in_chat(request: llm::ChatRequest) -> Asked {
    Asked {
        messages: request.messages.into_iter().map(message).collect(),
        temperature: request.temperature,
        top_p: request.top_p,
        max_tokens: request.max_tokens,
        options: Options {
            alias: request.model,
            response_format: match request.response_format {
                llm::ResponseFormat::Text => Format::Text,
                llm::ResponseFormat::Json => Format::Json,
                llm::ResponseFormat::JsonSchema(llm::JsonSchema { name, schema }) => {
                    Format::JsonSchema(JsonSchema { name, schema })
                }
            },
            stop: request.stop,
            tool_choice: request.tool_choice.map(|choice| match choice {
                llm::ToolChoice::Auto => ToolChoice::Auto,
                llm::ToolChoice::None => ToolChoice::None,
                llm::ToolChoice::Required => ToolChoice::Required,
                llm::ToolChoice::Named(name) => ToolChoice::Named(name),
            }),
            tools: request.tools.into_iter().map(tool).collect(),
        },
    }
}

fn message(message: llm::ChatMessage) -> Message {
    match message {
        llm::ChatMessage::System(text) => Message::new(Role::System, text),
        llm::ChatMessage::User(user) => {
            let images = user.images.into_iter();
            Message {
                images: images
                    .map(|image| Image::new(image.media_type, image.content))
                    .collect(),
                ..Message::new(Role::User, user.text)
            }
        }
        llm::ChatMessage::Assistant(said) => Message {
            tool_calls: said.tool_calls.into_iter().map(call).collect(),
            ..Message::new(Role::Assistant, said.text)
        },
        llm::ChatMessage::Tool(result) => Message {
            tool_call_id: Some(result.call_id),
            ..Message::new(Role::Tool, result.text)
        },
    }
}

fn tool(tool: llm::Tool) -> Tool {
    Tool {
        description: tool.description,
        name: tool.name,
        parameters: tool.parameters,
        strict: tool.strict,
    }
}

fn call(call: llm::ToolCall) -> ToolCall {
    ToolCall {
        arguments: call.arguments,
        id: call.id,
        name: call.name,
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the generated type of the import's result"
)]
fn told(answer: ModelAnswer) -> Result<llm::ChatCompletion, llm::ChatError> {
    match answer {
        ModelAnswer::Completion(completion) => Ok(chat(completion)),
        ModelAnswer::Error(Refusal::Refused(text)) => Err(llm::ChatError::Refused(text)),
        ModelAnswer::Error(Refusal::Rejected(text)) => Err(llm::ChatError::Rejected(text)),
        ModelAnswer::Unfit(unfit) => Err(llm::ChatError::Unfit(llm::UnfitAnswer {
            reason: unfit.reason,
            completion: chat(unfit.completion),
        })),
    }
}

fn chat(completion: Completion) -> llm::ChatCompletion {
    let call = |call: ToolCall| llm::ToolCall {
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    };
    llm::ChatCompletion {
        finish_reason: match completion.finish_reason {
            FinishReason::Stop => llm::ChatFinishReason::Stop,
            FinishReason::Length => llm::ChatFinishReason::Length,
            FinishReason::ContentFilter => llm::ChatFinishReason::ContentFilter,
            FinishReason::Other => llm::ChatFinishReason::Other,
            FinishReason::ToolCalls => llm::ChatFinishReason::ToolCalls,
        },
        usage: usage(completion.usage),
        text: completion.text,
        tool_calls: completion.tool_calls.into_iter().map(call).collect(),
        model: completion.model,
    }
}

const fn usage(usage: Usage) -> llm::Usage {
    llm::Usage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
    }
}
