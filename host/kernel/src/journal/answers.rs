//! What a journal holds of the outside: the model's answers and people's decisions, in order. A
//! repetition of the run needs nothing else of it. Verifies no chain and stores nothing.

use super::conversation::TEXTS_BYTES_MAX;
use super::{CallError, ContentError, DecisionBody, IntentBody, Kind, OutcomeBody, Record};
use crate::form::digest::Digest;
use crate::llm::ModelAnswer;

/// A model's answer, and the request that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub answer: ModelAnswer,
    /// Number of the event of the request.
    pub asked: u64,
    /// How often the run had made this request, including this time.
    pub nth: u64,
    pub request_sha256: Digest,
    /// Number of the event of the answer.
    pub seq: u64,
}

/// The answers of a journal, collected event by event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    pub decisions: Vec<DecisionBody>,
    pub given: Vec<Given>,
    asked: Option<(u64, u64, Digest)>,
    /// Size of all texts so far.
    bytes: u64,
}

impl Answers {
    /// Takes the answer or decision of `record`, if it has one. `content` reads and verifies what was
    /// kept under a digest.
    pub fn take(
        &mut self,
        record: &Record,
        content: &mut dyn FnMut(&Digest) -> Result<Vec<u8>, ContentError>,
    ) -> Result<(), CallError> {
        let seq = record.seq;
        let body = |source| CallError::Body { seq, source };
        match record.kind {
            Kind::LlmIntent => {
                let intent: IntentBody = serde_json::from_str(&record.body).map_err(body)?;
                self.asked = Some((seq, intent.nth, intent.sha256));
            }
            Kind::LlmOutcome => {
                let outcome: OutcomeBody = serde_json::from_str(&record.body).map_err(body)?;
                self.bytes = self.bytes.saturating_add(outcome.bytes());
                if self.bytes > TEXTS_BYTES_MAX {
                    let bytes = self.bytes;
                    return Err(CallError::TooLong { seq, bytes });
                }
                let answer = outcome
                    .read(content)
                    .map_err(|source| CallError::Content { seq, source })?;
                let asked = self.asked.take().ok_or(CallError::Unasked(seq))?;
                let (asked, nth, request_sha256) = asked;
                self.given.push(Given {
                    answer,
                    asked,
                    nth,
                    request_sha256,
                    seq,
                });
            }
            Kind::HumanDecision => {
                let decision = serde_json::from_str(&record.body).map_err(body)?;
                self.decisions.push(decision);
            }
            _ => {}
        }
        Ok(())
    }
}
