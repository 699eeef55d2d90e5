//! The models of a mission: the aliases that its descriptor lists, with what each may cost, and the
//! models that the operator maps them to. A call that could exceed what its alias has left is
//! refused, and the mission may ask another. Counts the same in a run and in its replay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::prices::{Micros, Price};
use super::{Refusal, Request, Usage, check};
use crate::batch::budget::Need;
use crate::form::plain;

/// Most aliases of a mission.
pub const ALIASES_MAX: usize = 64;

/// What a mission may do with the model of one alias. A bound that is left out does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Number of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Money that all calls together may cost, in millionths of the operator's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<Micros>,
    /// Largest length of an answer, in tokens, in place of the one of `llm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Tokens of all calls together, in questions and answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// The model behind an alias while a mission runs. Kept with the mission, for its replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    /// As the provider names it.
    pub model: String,
    /// Only if the mission bounds what the alias may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// The models of a run: the default one, and those behind its aliases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// `None` if the run can ask none, or only by alias.
    pub default: Option<String>,
    pub aliases: BTreeMap<String, Mapped>,
}

/// What the calls of one alias have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Spent {
    calls: u64,
    cost: Micros,
    tokens: u64,
}

/// The aliases of a run and what each has used so far.
#[derive(Debug, Clone, Default)]
pub struct Models {
    aliases: BTreeMap<String, (Terms, Mapped, Spent)>,
}

impl Models {
    /// Returns the aliases of a run; each in `terms` that is not mapped can't be asked.
    pub fn new(terms: &BTreeMap<String, Terms>, mapped: &BTreeMap<String, Mapped>) -> Self {
        let known = terms.iter().filter_map(|(alias, terms)| {
            let mapped = mapped.get(alias)?.clone();
            Some((alias.clone(), (*terms, mapped, Spent::default())))
        });
        Self {
            aliases: known.collect(),
        }
    }

    /// Returns the model behind `alias` and its own bound on the length of an answer.
    pub fn find(&self, alias: &str) -> Result<(&str, Option<u32>), Refusal> {
        match self.aliases.get(alias) {
            Some((terms, mapped, _)) => Ok((&mapped.model, terms.max_tokens)),
            None => Err(Refusal::Refused(self.unknown(alias))),
        }
    }

    fn unknown(&self, alias: &str) -> String {
        let alias = plain::one_line(alias);
        if self.aliases.is_empty() {
            return format!(
                "model '{alias}' asked, but the descriptor lists none under llm.models"
            );
        }
        let known: Vec<&str> = self.aliases.keys().map(String::as_str).collect();
        format!(
            "model '{alias}' asked; the descriptor lists {} under llm.models",
            known.join(", ")
        )
    }

    /// Counts `request` as a call of its alias. Refuses it if it could exceed what the alias has left.
    pub fn charge(&mut self, request: &Request) -> Result<(), Refusal> {
        let Some(alias) = &request.options.alias else {
            return Ok(());
        };
        let Some((terms, mapped, spent)) = self.aliases.get_mut(alias) else {
            return Err(Refusal::Refused(self.unknown(alias)));
        };
        let refused = |what: &str, used: &dyn std::fmt::Display, needed: String, limit: String| {
            Err(Refusal::Refused(format!(
                "model '{alias}': {used} {what} used{needed}; the descriptor allows {limit}"
            )))
        };
        if let Some(calls) = terms.calls
            && spent.calls >= calls
        {
            return refused("calls", &spent.calls, String::new(), calls.to_string());
        }
        let need = Need::of(request, 0);
        if request.max_tokens.is_none() && (terms.tokens.is_some() || terms.cost_micros.is_some()) {
            return Err(Refusal::Refused(format!(
                "model '{alias}': a call without max-tokens can't be bounded by what the \
                 descriptor allows; set max_tokens"
            )));
        }
        if let Some(tokens) = terms.tokens
            && spent.tokens.saturating_add(need.tokens()) > tokens
        {
            let needed = format!(", up to {} needed", need.tokens());
            return refused("tokens", &spent.tokens, needed, tokens.to_string());
        }
        if let (Some(most), Some(price)) = (terms.cost_micros, mapped.price) {
            let needed = price.cost(need.tokens_in, need.tokens_out);
            if spent.cost.plus(needed) > most {
                let needed = format!(", up to {needed} needed");
                return refused("of its money", &spent.cost, needed, most.to_string());
            }
        }
        spent.calls += 1;
        Ok(())
    }

    /// Counts what the provider reports of a call; the most that it may have used, where it reports
    /// nothing.
    pub fn settle(&mut self, request: &Request, usage: &Usage) {
        let alias = request.options.alias.as_deref().unwrap_or_default();
        let Some((_, mapped, spent)) = self.aliases.get_mut(alias) else {
            return;
        };
        let most = Need::of(request, 0);
        let tokens_in = usage.prompt_tokens.unwrap_or(most.tokens_in);
        let tokens_out = usage.completion_tokens.unwrap_or(most.tokens_out);
        spent.tokens = spent
            .tokens
            .saturating_add(tokens_in)
            .saturating_add(tokens_out);
        if let Some(price) = mapped.price {
            spent.cost = spent.cost.plus(price.cost(tokens_in, tokens_out));
        }
    }
}

/// Checks the aliases of a descriptor: returns the path of a field below `llm.models` and what is wrong.
pub fn problems(terms: &BTreeMap<String, Terms>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if terms.len() > ALIASES_MAX {
        found.push((
            "llm.models".to_owned(),
            format!("{} found; at most {ALIASES_MAX} allowed", terms.len()),
        ));
    }
    for (alias, terms) in terms {
        if !check::is_name(alias) {
            found.push((
                "llm.models".to_owned(),
                format!(
                    "'{}' found; names have 1 to {} of a-z A-Z 0-9 _ -",
                    plain::one_line(alias),
                    check::NAME_BYTES_MAX
                ),
            ));
        }
        if terms.max_tokens == Some(0) {
            found.push((
                format!("llm.models.{alias}.max_tokens"),
                "0 found; at least 1 needed".to_owned(),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{Message, Options, Role};

    fn request(alias: &str, max_tokens: Option<u32>) -> Request {
        Request {
            max_tokens,
            messages: vec![Message::new(Role::User, "hello")],
            model: "m".to_owned(),
            options: Options {
                alias: Some(alias.to_owned()),
                ..Options::default()
            },
            seed: None,
            temperature: None,
            top_p: None,
        }
    }

    fn models(terms: Terms) -> Models {
        let price = Price {
            input_micros: Micros(1_000_000),
            output_micros: Micros(2_000_000),
        };
        let mapped = Mapped {
            model: "m".to_owned(),
            price: Some(price),
        };
        Models::new(
            &BTreeMap::from([("cheap".to_owned(), terms)]),
            &BTreeMap::from([("cheap".to_owned(), mapped)]),
        )
    }

    #[test]
    fn only_what_the_descriptor_lists_can_be_asked() {
        let models = models(Terms::default());
        assert_eq!(models.find("cheap"), Ok(("m", None)));
        assert_eq!(
            models.find("smart"),
            Err(Refusal::Refused(
                "model 'smart' asked; the descriptor lists cheap under llm.models".to_owned()
            ))
        );
        assert!(Models::default().find("x").is_err());
    }

    #[test]
    fn what_an_alias_may_cost_is_never_exceeded() {
        let usage = Usage {
            completion_tokens: Some(10),
            prompt_tokens: Some(20),
        };
        for (terms, calls) in [
            (
                Terms {
                    calls: Some(3),
                    ..Terms::default()
                },
                3,
            ),
            (
                // A call needs at most 256 + 16 + 5 + 10, and 5 for its alias.
                Terms {
                    tokens: Some(355),
                    ..Terms::default()
                },
                3,
            ),
            (
                Terms {
                    cost_micros: Some(Micros(385)),
                    ..Terms::default()
                },
                3,
            ),
        ] {
            let mut models = models(terms);
            let made = (0..100)
                .take_while(|_| {
                    let is_made = models.charge(&request("cheap", Some(10))).is_ok();
                    models.settle(&request("cheap", Some(10)), &usage);
                    is_made
                })
                .count();
            assert_eq!(made, calls, "{terms:?}");
        }
    }

    #[test]
    fn a_server_that_reports_nothing_spends_the_most() {
        let mut bounded = models(Terms {
            tokens: Some(600),
            ..Terms::default()
        });
        for is_made in [true, true, false] {
            let request = request("cheap", Some(10));
            assert_eq!(bounded.charge(&request).is_ok(), is_made);
            bounded.settle(&request, &Usage::default());
        }
    }

    #[test]
    fn a_call_without_a_bound_can_not_be_held_to_one() {
        let mut bounded = models(Terms {
            tokens: Some(1_000_000),
            ..Terms::default()
        });
        assert!(bounded.charge(&request("cheap", None)).is_err());
        assert!(
            models(Terms::default())
                .charge(&request("cheap", None))
                .is_ok()
        );
    }
}
