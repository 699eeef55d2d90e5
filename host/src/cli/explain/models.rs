//! The models that a mission may ask by name, for `coo explain`: what each may cost, and what its calls
//! have used by the journal. Only reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use coo_kernel::journal::{IntentBody, Kind, OutcomeBody, Record};
use coo_kernel::llm::Options;
use coo_kernel::llm::models::Terms;
use coo_kernel::mission::descriptor::Descriptor;
use coo_kernel::mission::row::MissionRow;
use serde::Serialize;

use super::super::print;
use crate::state::store::Store;

/// A model that the descriptor lists.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ModelView {
    /// The mission's name for it.
    name: String,
    /// The model that was behind the name; `null` if the mission could ask none.
    model: Option<String>,
    may: Terms,
    used: Used,
}

/// What the calls of a name have used.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Used {
    calls: u64,
    /// In questions and answers, as the provider reports them.
    tokens: u64,
}

/// Counts the calls of a journal, event by event.
#[derive(Debug, Default)]
pub struct Count {
    asked: Option<String>,
    used: BTreeMap<String, Used>,
}

impl Count {
    /// Counts the call that `record` begins or ends.
    pub fn take(&mut self, store: &Store, record: &Record) -> Result<()> {
        match record.kind {
            Kind::LlmIntent => {
                let body: IntentBody = serde_json::from_str(&record.body)?;
                let options = body.request.options;
                let text = options.map(|text| text.read(&mut |sha256| Ok(store.blob(sha256)?)));
                let text = text.transpose().map_err(anyhow::Error::from_boxed)?;
                let options = text.map(|text| serde_json::from_str::<Options>(&text));
                self.asked = options.transpose()?.and_then(|options| options.alias);
                if let Some(name) = &self.asked {
                    self.used.entry(name.clone()).or_default().calls += 1;
                }
            }
            Kind::LlmOutcome => {
                let body: OutcomeBody = serde_json::from_str(&record.body)?;
                if let (Some(name), Some(usage)) = (self.asked.take(), body.usage()) {
                    let counted = [usage.prompt_tokens, usage.completion_tokens];
                    let tokens = counted.into_iter().flatten();
                    let used = self.used.entry(name).or_default();
                    used.tokens = tokens.fold(used.tokens, u64::saturating_add);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the models of a mission, with what was counted.
    pub fn views(&self, descriptor: &Descriptor, mission: &MissionRow) -> Vec<ModelView> {
        let listed = descriptor.llm.models.iter();
        listed
            .map(|(name, terms)| ModelView {
                name: name.clone(),
                model: mission
                    .facts
                    .models
                    .get(name)
                    .map(|mapped| mapped.model.clone()),
                may: *terms,
                used: self.used.get(name).copied().unwrap_or_default(),
            })
            .collect()
    }
}

/// Adds the table for a person; nothing if there are no names.
pub fn write(text: &mut String, models: &[ModelView]) {
    if models.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{:<16} {:>14} {:>14}  model",
        "Models", "calls", "tokens"
    );
    for model in models {
        let of = |used: u64, may: Option<u64>| {
            may.map_or_else(|| used.to_string(), |may| format!("{used} of {may}"))
        };
        let _ = writeln!(
            text,
            "  {:<14} {:>14} {:>14}  {}",
            print::one_line(&model.name),
            of(model.used.calls, model.may.calls),
            of(model.used.tokens, model.may.tokens),
            print::one_line(model.model.as_deref().unwrap_or("-"))
        );
    }
}
