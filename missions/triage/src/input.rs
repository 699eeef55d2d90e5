//! The mission's input, parsed and checked once. What leaves this module is well formed:
//! labels and fallback are words, ticket numbers are unique. Repairs nothing silently.

use coo_guest::Error;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What to ask, of which tickets, and what the answer may be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The model's system message.
    pub system: String,
    /// Asked of every ticket, after its text.
    pub question: String,
    /// The labels a ticket may get; where an answer holds several, the first of this list.
    pub labels: Vec<String>,
    /// The label of a ticket whose answer holds none of the labels.
    pub fallback: String,
    /// Tickets to add to the table, or to change there.
    pub tickets: Vec<Ticket>,
}

/// A ticket as the input gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The key of the ticket in the table.
    pub id: i64,
    /// What the customer wrote.
    pub text: String,
}

impl Input {
    /// Parses and checks.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let input: Self = serde_json::from_str(json).map_err(Error::input)?;
        if input.labels.is_empty() {
            return Err(Error::input("`labels` is empty; give at least one"));
        }
        let mut labels = BTreeSet::new();
        for label in &input.labels {
            if !is_label(label) {
                return Err(Error::input(format!(
                    "label {label:?} is not lower-case words"
                )));
            }
            if !labels.insert(label) {
                return Err(Error::input(format!("label {label:?} is given twice")));
            }
        }
        if !is_label(&input.fallback) {
            let fallback = &input.fallback;
            return Err(Error::input(format!(
                "fallback {fallback:?} is not lower-case words"
            )));
        }
        let mut ids = BTreeSet::new();
        for Ticket { id, .. } in &input.tickets {
            if !ids.insert(id) {
                return Err(Error::input(format!("ticket {id} is given twice")));
            }
        }
        Ok(input)
    }
}

/// A label is looked for in a lower-cased answer and printed in a table.
fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    !text.is_empty()
        && text.trim() == text
        && text.to_lowercase() == text
        && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(labels: &str, tickets: &str) -> Result<Input, String> {
        Input::parse(&format!(
            r#"{{"system":"s","question":"q","labels":{labels},"fallback":"other","tickets":{tickets}}}"#
        ))
        .map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_input_parses() {
        let input = parse(r#"["bug","how to"]"#, r#"[{"id":2,"text":"It broke"}]"#).unwrap();
        assert_eq!((input.tickets[0].id, input.labels.len()), (2, 2));
    }

    #[test]
    fn a_bad_input_is_refused_by_name() {
        let refusal = |labels, tickets| parse(labels, tickets).unwrap_err();
        assert_eq!(
            refusal("[]", "[]"),
            "bad input: `labels` is empty; give at least one"
        );
        assert_eq!(
            refusal(r#"["Bug"]"#, "[]"),
            r#"bad input: label "Bug" is not lower-case words"#
        );
        assert_eq!(
            refusal(r#"["a","a"]"#, "[]"),
            r#"bad input: label "a" is given twice"#
        );
        assert_eq!(
            refusal(r#"["a"]"#, r#"[{"id":1,"text":"x"},{"id":1,"text":"y"}]"#),
            "bad input: ticket 1 is given twice"
        );
        assert!(refusal(r#"["a"]"#, r#"[{"id":1}]"#).contains("missing field `text`"));
    }
}
