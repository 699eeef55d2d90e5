//! The results for people (Markdown) and for programs (JSON). Pure: order comes from the
//! labels and the table, never from hashing. Text of customers is escaped, so that it stays
//! text.

use crate::labels::Labels;
use coo_guest::{Error, gateway::Receipt};
use serde::Serialize;
use std::collections::BTreeMap;

/// A ticket with its label.
pub struct Triaged<'a> {
    /// The key of the ticket in the table.
    pub id: i64,
    /// What the customer wrote.
    pub text: String,
    /// What it is.
    pub label: &'a str,
}

/// The report: a table of counts, then every ticket in order.
pub fn markdown(labels: &Labels, triaged: &[Triaged]) -> String {
    let mut lines = vec![
        "# Triage report".to_owned(),
        String::new(),
        "| Label | Tickets |".to_owned(),
        "|---|---:|".to_owned(),
    ];
    for label in labels.all() {
        lines.push(format!(
            "| {} | {} |",
            escaped(label),
            count(triaged, label)
        ));
    }
    lines.push(format!("| **total** | **{}** |", triaged.len()));
    lines.extend(["", "## Tickets", ""].map(String::from));
    for Triaged { id, text, label } in triaged {
        lines.push(format!(
            "- {id} · **{}** · {}",
            escaped(label),
            escaped(text)
        ));
    }
    lines.join("\n") + "\n"
}

#[derive(Serialize)]
struct Summary<'a> {
    counts: BTreeMap<&'a str, usize>,
    report: &'a str,
    report_sha256: &'a str,
    tickets: usize,
}

/// The mission's output.
pub fn json(labels: &Labels, triaged: &[Triaged], report: &Receipt) -> Result<String, Error> {
    let counts = labels.all().map(|label| (label, count(triaged, label)));
    let summary = Summary {
        counts: counts.collect(),
        report: &report.path,
        report_sha256: &report.sha256,
        tickets: triaged.len(),
    };
    serde_json::to_string(&summary).map_err(Error::failed)
}

fn count(triaged: &[Triaged], label: &str) -> usize {
    triaged
        .iter()
        .filter(|ticket| ticket.label == label)
        .count()
}

/// On one line, with what Markdown would take for markup made literal.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            if matches!(
                c,
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&'
            ) {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triaged() -> Vec<Triaged<'static>> {
        let ticket = |id, text: &str, label| Triaged {
            id,
            text: text.into(),
            label,
        };
        vec![
            ticket(1, "It *broke*\n| twice", "bug"),
            ticket(2, "Hello", "other"),
        ]
    }

    #[test]
    fn the_report_counts_and_lists() {
        let list = ["bug", "billing"].map(String::from);
        let expected = r"# Triage report

| Label | Tickets |
|---|---:|
| bug | 1 |
| billing | 0 |
| other | 1 |
| **total** | **2** |

## Tickets

- 1 · **bug** · It \*broke\* \| twice
- 2 · **other** · Hello
";
        assert_eq!(markdown(&Labels::new(&list, "other"), &triaged()), expected);
    }

    #[test]
    fn the_output_is_json_with_sorted_keys() {
        let list = ["bug", "billing"].map(String::from);
        let receipt = Receipt {
            path: "triage/R_v1.0.md".into(),
            sha256: "ab".into(),
            bytes: 2,
        };
        assert_eq!(
            json(&Labels::new(&list, "other"), &triaged(), &receipt).unwrap(),
            r#"{"counts":{"billing":0,"bug":1,"other":1},"report":"triage/R_v1.0.md","report_sha256":"ab","tickets":2}"#
        );
    }
}
