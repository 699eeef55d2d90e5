//! Ask a language model. Thin: every call is one call of the host, with exactly the messages
//! given. Never retries, never names a model, and changes no sampling parameter: model and
//! sampling are the host's to fix.

use crate::{Result, bindings::coo::mission::llm as wit};

pub use wit::{Completion, Error, FinishReason, Message, Request, Role, Usage};

impl Message {
    /// What the model is told about its task and manner.
    pub fn system(content: impl Into<String>) -> Self {
        Self {
            role: Role::System,
            content: content.into(),
        }
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    /// What the model said earlier in this conversation.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }
}

impl Request {
    /// A conversation under the descriptor's own sampling parameters. To insist on one, set
    /// its field: a value that disagrees with the descriptor is refused by the host.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self {
            messages: messages.into(),
            temperature: None,
            top_p: None,
            max_tokens: None,
        }
    }
}

/// One question, one whole answer.
///
/// An answer that was cut off at max-tokens, or of which the provider withheld a part, is
/// [`crate::Error::Incomplete`]; use [`complete`] to work with what there is.
pub fn ask(system: &str, user: &str) -> Result<String> {
    whole(complete(&Request::new([
        Message::system(system),
        Message::user(user),
    ]))?)
}

/// One call with everything it gives: text, model, finish reason and token usage.
pub fn complete(request: &Request) -> Result<Completion> {
    Ok(wit::complete(request)?)
}

fn whole(completion: Completion) -> Result<String> {
    match completion.finish_reason {
        FinishReason::Stop | FinishReason::Other => Ok(completion.text),
        cut @ (FinishReason::Length | FinishReason::ContentFilter) => {
            Err(crate::Error::Incomplete(cut))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(finish_reason: FinishReason) -> Completion {
        Completion {
            text: "Half an ans".into(),
            model: "m".into(),
            finish_reason,
            usage: Usage {
                prompt_tokens: None,
                completion_tokens: None,
            },
        }
    }

    #[test]
    fn a_cut_answer_is_no_answer() {
        assert_eq!(
            whole(answer(FinishReason::Length)).unwrap_err().to_string(),
            "the model's answer is incomplete: it was cut off at max-tokens"
        );
        assert_eq!(whole(answer(FinishReason::Stop)).unwrap(), "Half an ans");
    }
}
