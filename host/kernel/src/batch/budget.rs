//! Tokens and money that a whole batch may use. Before a call, the most that it can cost is reserved;
//! after it, what the server reports is counted. A call that could exceed the budget does not leave.
//!
//! Invariant: as long as no server reports more than a call's [`Need`], what was spent never exceeds
//! the budget, and neither does what was spent and reserved together. Whole numbers only.

use serde::{Deserialize, Serialize};

use crate::llm::prices::{Micros, Price, Prices};
use crate::llm::{Request, Usage};

/// Tokens that a message may have besides its text: marks of its role and its end. Chat templates
/// need 3 to 7.
const MESSAGE_TOKENS: u64 = 16;
/// Tokens that a request may have besides its messages: the beginning of the answer, and a default
/// system prompt, which some chat templates add and of which the longest have some 60.
const REQUEST_TOKENS: u64 = 256;
/// Tokens that are set aside for an image. Providers count some hundred to some ten thousand, by its
/// width and height.
const IMAGE_TOKENS: u64 = 65_536;

/// The most tokens that a call can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub tokens_in: u64,
    pub tokens_out: u64,
}

impl Need {
    /// Returns the bound for `request`.
    ///
    /// In: the bytes of all messages, tools and schemas, 16 for each message, 65,536 for each image and
    /// 256 for the request. A tokenizer over
    /// bytes, or with bytes to fall back on, makes no more tokens of a text than it has bytes. Usual
    /// texts have a third or a quarter, so the reservation is too large until the call is settled.
    ///
    /// Out: `max_tokens`. A request without it has `tokens_left`, which the mission's own limit leaves.
    /// No server knows that limit, so the answer can be longer.
    pub fn of(request: &Request, tokens_left: u64) -> Self {
        let tokens_in = request
            .messages
            .iter()
            .fold(REQUEST_TOKENS, |sum, message| {
                let pictures = message.images.iter().map(|image| image.bytes);
                let texts = message.bytes() - pictures.sum::<u64>();
                let images = IMAGE_TOKENS.saturating_mul(message.images.len() as u64);
                sum.saturating_add(texts)
                    .saturating_add(images)
                    .saturating_add(MESSAGE_TOKENS)
            })
            .saturating_add(request.options.bytes());
        Self {
            tokens_in,
            tokens_out: request.max_tokens.map_or(tokens_left, u64::from),
        }
    }

    /// Returns the sum.
    pub const fn tokens(self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }
}

/// What a batch may use. A bound that is absent does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// Money, in millionths of the currency of `llm.prices`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micros: Option<Micros>,
    /// Tokens of questions and answers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// What a batch has used so far, of all its processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Money, in millionths of the currency, for the calls whose model has a price.
    pub micros: Micros,
    pub tokens_in: u64,
    pub tokens_out: u64,
}

impl Spent {
    /// Adds what a live call of an earlier process has used, as far as its server reported it.
    pub fn add(&mut self, usage: &Usage, price: Option<&Price>) {
        let tokens_in = usage.prompt_tokens.unwrap_or(0);
        let tokens_out = usage.completion_tokens.unwrap_or(0);
        self.tokens_in = self.tokens_in.saturating_add(tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(tokens_out);
        let cost = price.map(|price| price.cost(tokens_in, tokens_out));
        self.micros = self.micros.plus(cost.unwrap_or_default());
    }

    /// Returns all tokens.
    pub const fn tokens(&self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }
}

/// What one call has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// `None` if the model has no price.
    pub micros: Option<Micros>,
    pub tokens_in: u64,
    pub tokens_out: u64,
}

/// What is set aside for one call until it is settled or released.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is never settled or released stays"]
pub struct Reservation {
    need: Need,
    price: Option<Price>,
    micros: Micros,
}

/// Whether a call may leave.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Go(Reservation),
    /// It may fit once calls in flight are settled for less than is reserved for them.
    Wait,
}

/// Why a call may not leave. The batch stops here, and can be resumed with a larger budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "budget of the batch: tokens: {spent} spent, up to {needed} needed by the next call, limit {limit}"
    )]
    Tokens { spent: u64, needed: u64, limit: u64 },
    #[error(
        "budget of the batch: {spent} {currency} spent, up to {needed} needed by the next call, limit {limit}"
    )]
    Money {
        currency: String,
        spent: Micros,
        needed: Micros,
        limit: Micros,
    },
    /// Money is limited, so every call needs a price.
    #[error("budget of the batch: model {model} has no price")]
    NoPrice { model: String },
}

impl Refused {
    /// Returns what the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Tokens { .. } | Self::Money { .. } => {
                "resume the batch with a larger budget, or set a lower llm.max_tokens in the missions"
            }
            Self::NoPrice { .. } => "set the price of the model in llm.prices of the configuration",
        })
    }
}

/// The budget of a batch that runs.
#[derive(Debug)]
pub struct Budget {
    limit: Limit,
    prices: Prices,
    spent: Spent,
    reserved_tokens: u64,
    reserved_micros: Micros,
}

impl Budget {
    /// Returns a budget of which earlier processes have `spent` a part.
    pub const fn new(limit: Limit, prices: Prices, spent: Spent) -> Self {
        Self {
            limit,
            prices,
            spent,
            reserved_tokens: 0,
            reserved_micros: Micros(0),
        }
    }

    /// Returns what was spent, by calls that are settled.
    pub const fn spent(&self) -> Spent {
        self.spent
    }

    /// Sets aside what a call to `model` may need.
    pub fn reserve(&mut self, model: &str, need: Need) -> Result<Answer, Refused> {
        let price = self.prices.models.get(model).copied();
        if self.limit.micros.is_some() && price.is_none() {
            return Err(Refused::NoPrice {
                model: model.to_owned(),
            });
        }
        let micros = price.map_or(Micros(0), |price| {
            price.cost(need.tokens_in, need.tokens_out)
        });
        let mut is_free = true;
        if let Some(limit) = self.limit.tokens {
            let (spent, needed) = (self.spent.tokens(), need.tokens());
            // A sum that is too large for its type is over every limit.
            let sum = spent.checked_add(needed).filter(|sum| *sum <= limit);
            let sum = sum.ok_or(Refused::Tokens {
                spent,
                needed,
                limit,
            })?;
            let all = sum.checked_add(self.reserved_tokens);
            is_free &= all.is_some_and(|all| all <= limit);
        }
        if let Some(limit) = self.limit.micros {
            let spent = self.spent.micros;
            let sum = spent.0.checked_add(micros.0).filter(|sum| *sum <= limit.0);
            let sum = sum.ok_or_else(|| Refused::Money {
                currency: self.prices.currency.clone(),
                spent,
                needed: micros,
                limit,
            })?;
            let all = sum.checked_add(self.reserved_micros.0);
            is_free &= all.is_some_and(|all| all <= limit.0);
        }
        if !is_free {
            return Ok(Answer::Wait);
        }
        self.reserved_tokens = self.reserved_tokens.saturating_add(need.tokens());
        self.reserved_micros = self.reserved_micros.plus(micros);
        Ok(Answer::Go(Reservation {
            need,
            price,
            micros,
        }))
    }

    /// Counts a call that was answered, or may have been. Of a number that the server did not report,
    /// all that was reserved counts as spent.
    pub fn settle(&mut self, reservation: Reservation, usage: Usage) -> Cost {
        let need = reservation.need;
        let cost = Cost {
            tokens_in: usage.prompt_tokens.unwrap_or(need.tokens_in),
            tokens_out: usage.completion_tokens.unwrap_or(need.tokens_out),
            micros: None,
        };
        let price = reservation.price;
        let cost = Cost {
            micros: price.map(|price| price.cost(cost.tokens_in, cost.tokens_out)),
            ..cost
        };
        self.release(reservation);
        let spent = &mut self.spent;
        spent.tokens_in = spent.tokens_in.saturating_add(cost.tokens_in);
        spent.tokens_out = spent.tokens_out.saturating_add(cost.tokens_out);
        spent.micros = spent.micros.plus(cost.micros.unwrap_or_default());
        cost
    }

    /// Gives back what was reserved for a call that cost nothing.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is used once")]
    pub fn release(&mut self, reservation: Reservation) {
        self.reserved_tokens = self
            .reserved_tokens
            .saturating_sub(reservation.need.tokens());
        self.reserved_micros = self.reserved_micros.minus(reservation.micros);
    }
}

#[cfg(test)]
mod tests;
