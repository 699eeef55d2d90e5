//! Counts the model answers of a run by their origin, for its summary. Nothing of it is on record.

use std::collections::BTreeMap;

use coo_kernel::llm::{ModelAnswer, Usage};

use crate::effects::llm::Answered;

/// The model answers that a run was given, and the tokens that they report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// From this mission's own journal.
    pub recorded: u64,
    pub frozen: u64,
    pub live: u64,
    /// Tokens of questions and answers, as far as the server counted them.
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// Those of live answers among them, by the model that was asked: questions, then answers.
    pub live_tokens: BTreeMap<String, (u64, u64)>,
}

impl Answers {
    /// Returns the counts for another execution of the same run: its answers are counted by their origin
    /// once, and their tokens by what the execution is told.
    pub fn of_another_execution(self) -> Self {
        Self {
            tokens_in: 0,
            tokens_out: 0,
            ..self
        }
    }

    /// Counts an answer to a request that asked `model`. `is_new`: no earlier execution of the run was given it.
    pub fn count(&mut self, model: &str, answered: &Answered, is_new: bool) {
        let Usage {
            prompt_tokens,
            completion_tokens,
        } = usage(&answered.answer).copied().unwrap_or_default();
        // A server may count anything.
        let add = |sum: &mut u64, more: Option<u64>| *sum = sum.saturating_add(more.unwrap_or(0));
        add(&mut self.tokens_in, prompt_tokens);
        add(&mut self.tokens_out, completion_tokens);
        if !is_new {
            return;
        }
        let count = match (answered.live, answered.recorded) {
            (true, _) => &mut self.live,
            (false, true) => &mut self.recorded,
            (false, false) => &mut self.frozen,
        };
        *count += 1;
        if answered.live {
            let (tokens_in, tokens_out) = self.live_tokens.entry(model.to_owned()).or_default();
            add(tokens_in, prompt_tokens);
            add(tokens_out, completion_tokens);
        }
    }
}

/// Returns the tokens that an answer reports.
pub fn usage(answer: &ModelAnswer) -> Option<&Usage> {
    answer.completion().map(|completion| &completion.usage)
}
