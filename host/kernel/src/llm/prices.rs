//! Amounts of money, and what tokens of each model cost: `llm.prices` of the configuration.
//! Invariant: whole numbers only. A cost is rounded up, so a sum of costs is never less than what a
//! provider charges. Knows no price of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::credentials::secret;
use crate::form::plain;
use crate::form::strict::{Problem, Problems};

/// Millionths in one unit of a currency, and tokens for which a price stands.
const MILLION: u64 = 1_000_000;
/// Digits after the decimal point that an amount can have.
const DECIMALS: usize = 6;
/// Longest name of a currency, in bytes: a code, or a word such as `credits`.
const CURRENCY_BYTES_MAX: usize = 16;

/// An amount of money, in millionths of a currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// Returns the sum, or the largest amount if there is no larger one.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Returns the difference, or nothing if `other` is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Shows at least two decimals: `0.25`, `12.00`, `0.000001`.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:0DECIMALS$}", self.0 % MILLION);
        let kept = decimals.trim_end_matches('0').len().max(2);
        f.pad(&format!("{}.{}", self.0 / MILLION, &decimals[..kept]))
    }
}

/// Text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not an amount; digits needed, with up to 6 decimals after a point, as in 2.50", plain::one_line(.0))]
pub struct NotAnAmount(String);

impl FromStr for Micros {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let parse = || {
            let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
            // `parse` accepts a plus sign.
            let is_number = |digits: &str| {
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            };
            if !is_number(units) || !is_number(decimals) || decimals.len() > DECIMALS {
                return None;
            }
            let units: u64 = units.parse().ok()?;
            let decimals: u64 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
            units.checked_mul(MILLION)?.checked_add(decimals)
        };
        parse()
            .map(Self)
            .ok_or_else(|| NotAnAmount(text.chars().take(80).collect()))
    }
}

/// What a million tokens of a model cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Price of a million tokens of questions, in millionths of the currency.
    pub input_micros: Micros,
    /// Price of a million tokens of answers, in millionths of the currency.
    pub output_micros: Micros,
}

impl Price {
    /// Returns what a call with so many tokens costs, rounded up.
    pub fn cost(self, tokens_in: u64, tokens_out: u64) -> Micros {
        let part = |tokens: u64, price: Micros| u128::from(tokens) * u128::from(price.0);
        let sum =
            part(tokens_in, self.input_micros).saturating_add(part(tokens_out, self.output_micros));
        Micros(u64::try_from(sum.div_ceil(u128::from(MILLION))).unwrap_or(u64::MAX))
    }
}

/// The prices of all models, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// The word that is shown after each amount. `coo` converts nothing.
    pub currency: String,
    /// By the name of the model, as requests have it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Price>,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            currency: "USD".to_owned(),
            models: BTreeMap::new(),
        }
    }
}

impl Prices {
    /// Returns whether nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses a currency that is no word, and a name that is blank or looks like a key.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let is_word = self.currency.chars().all(char::is_alphanumeric);
        if self.currency.is_empty() || self.currency.len() > CURRENCY_BYTES_MAX || !is_word {
            let found: String = self.currency.escape_debug().take(80).collect();
            problems.push(Problem {
                line: 0,
                field: "llm.prices.currency".to_owned(),
                what: format!(
                    "'{found}' found; 1 to {CURRENCY_BYTES_MAX} bytes of letters and digits needed"
                ),
            });
        }
        for model in self.models.keys() {
            let what = if model.trim().is_empty() {
                "a model without a name found"
            } else if secret::looks_like_key(model) {
                "the name of a model looks like an API key, and config.json holds none"
            } else {
                continue;
            };
            problems.push(Problem {
                line: 0,
                field: "llm.prices.models".to_owned(),
                what: what.to_owned(),
            });
        }
        Problems::of(problems).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_shown_with_two_to_six_decimals() {
        for (micros, shown) in [
            (0, "0.00"),
            (1, "0.000001"),
            (250_000, "0.25"),
            (12_000_000, "12.00"),
            (1_234_500, "1.2345"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(Micros(micros).to_string(), shown);
        }
    }

    #[test]
    fn only_digits_are_an_amount() {
        for (text, micros) in [("2", 2_000_000), ("2.5", 2_500_000), ("0.000001", 1)] {
            assert_eq!(text.parse(), Ok(Micros(micros)), "{text}");
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "+1",
            "-1",
            "1e3",
            "1,5",
            "1.0000001",
            "0x1",
            "1.5.2",
            "١",
            "18446744073709.551616",
            "99999999999999999999",
        ] {
            let refused = bad.parse::<Micros>().unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("'{bad}' is not an amount")),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_cost_is_rounded_up_and_never_wraps() {
        let price = Price {
            input_micros: Micros(3_000_000),
            output_micros: Micros(15_000_000),
        };
        assert_eq!(price.cost(1_000, 100), Micros(4_500));
        let cheap = Price {
            input_micros: Micros(1),
            output_micros: Micros(0),
        };
        assert_eq!(cheap.cost(1, u64::MAX), Micros(1));
        assert_eq!(cheap.cost(0, 0), Micros(0));
        assert_eq!(price.cost(u64::MAX, u64::MAX), Micros(u64::MAX));
    }

    #[test]
    fn a_currency_is_a_word_and_a_model_has_a_name() {
        let check = |json: &str| {
            let prices: Prices = crate::form::strict::read(json.as_bytes()).unwrap();
            prices.check().map_err(|problems| problems.all())
        };
        assert_eq!(check("{}"), Ok(()));
        assert_eq!(
            check(
                r#"{"currency": "U S", "models": {" ": {"input_micros": 1, "output_micros": 1}}}"#
            ),
            Err(
                "llm.prices.currency: 'U S' found; 1 to 16 bytes of letters and digits needed; \
                 llm.prices.models: a model without a name found"
                    .to_owned()
            )
        );
        let missing =
            crate::form::strict::read::<Prices>(br#"{"models": {"m": {"input_micros": 1}}}"#);
        assert_eq!(
            missing.unwrap_err().to_string(),
            "line 1: models.m: field 'output_micros' is missing"
        );
    }

    proptest! {
        #[test]
        fn an_amount_reads_back(micros: u64) {
            prop_assert_eq!(Micros(micros).to_string().parse(), Ok(Micros(micros)));
        }

        #[test]
        fn more_tokens_never_cost_less(a: u32, b: u32, c: u32, d: u32, input: u32, output: u32) {
            let price = Price {
                input_micros: Micros(input.into()),
                output_micros: Micros(output.into()),
            };
            let less = price.cost(a.min(b).into(), c.min(d).into());
            prop_assert!(less <= price.cost(a.max(b).into(), c.max(d).into()));
            // The exact cost, in millionths of a millionth.
            let exact = u128::from(a) * u128::from(input) + u128::from(c) * u128::from(output);
            prop_assert!(u128::from(price.cost(a.into(), c.into()).0) * 1_000_000 >= exact);
        }
    }
}
