//! Counts the model answers of a run by their origin, for its summary. Nothing of it is on record.

use coo_kernel::llm::{ModelAnswer, Usage};

use crate::effects::llm::Answered;

/// The model answers that a run was given, and the tokens that they report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// From this mission's own journal.
    pub recorded: u64,
    pub frozen: u64,
    pub live: u64,
    /// Tokens of questions and answers, as far as the server counted them.
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// Those of live answers among them.
    pub live_tokens_in: u64,
    pub live_tokens_out: u64,
}

impl Answers {
    /// Counts one.
    pub fn count(&mut self, answered: &Answered) {
        let count = match (answered.live, answered.recorded) {
            (true, _) => &mut self.live,
            (false, true) => &mut self.recorded,
            (false, false) => &mut self.frozen,
        };
        *count += 1;
        if let Some(usage) = usage(&answered.answer) {
            // A server may count anything.
            let sum = |one: u64, more: Option<u64>| one.saturating_add(more.unwrap_or(0));
            self.tokens_in = sum(self.tokens_in, usage.prompt_tokens);
            self.tokens_out = sum(self.tokens_out, usage.completion_tokens);
            if answered.live {
                self.live_tokens_in = sum(self.live_tokens_in, usage.prompt_tokens);
                self.live_tokens_out = sum(self.live_tokens_out, usage.completion_tokens);
            }
        }
    }
}

/// Returns the tokens that an answer reports.
pub fn usage(answer: &ModelAnswer) -> Option<&Usage> {
    match answer {
        ModelAnswer::Completion(completion) => Some(&completion.usage),
        ModelAnswer::Error(_) => None,
    }
}
