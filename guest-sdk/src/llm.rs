//! Asks a language model. Each function call is one call to the host, with exactly the messages
//! given. Never retries, never names a model, and sets no sampling parameter by itself: the host
//! fixes both.

use crate::{Result, bindings::v1_0::llm as wit};

pub use wit::{Completion, Error, FinishReason, Message, Request, Role, Usage};

impl Message {
    /// Makes a message that tells the model its task and manner.
    pub fn system(content: impl Into<String>) -> Self {
        Self {
            role: Role::System,
            content: content.into(),
        }
    }

    /// Makes a message from the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    /// Makes a message that the model gave earlier in this conversation.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }
}

impl Request {
    /// Makes a request with the descriptor's own sampling parameters. To insist on one, set its
    /// field: the host refuses another temperature or top-p, and a larger number of tokens.
    pub fn new(messages: impl Into<Vec<Message>>) -> Self {
        Self {
            messages: messages.into(),
            temperature: None,
            top_p: None,
            max_tokens: None,
        }
    }
}

/// Asks one question and returns the whole answer.
///
/// If the answer was cut off at max-tokens, or the provider withheld a part of it, fails with
/// [`crate::Error::Incomplete`]; use [`complete`] to work with the partial answer.
pub fn ask(system: &str, user: &str) -> Result<String> {
    whole(complete(&Request::new([
        Message::system(system),
        Message::user(user),
    ]))?)
}

/// Makes one call and returns everything: text, model, finish reason and token usage.
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
