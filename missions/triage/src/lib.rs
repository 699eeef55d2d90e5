//! Triage of support tickets: stores the tickets of the input, has the model label every
//! ticket of the table, writes the labels back and a report as an artefact. Run twice over
//! one world it changes nothing the second time. Takes no label on the model's word alone:
//! an answer without a known label gives the fallback.

mod input;
mod labels;
mod report;

use coo_guest::{
    Error,
    db::{self, params},
    gateway,
    llm::{self, Message, Request},
};
use input::Input;
use labels::Labels;
use report::Triaged;

const REPORT_PATH: &str = "triage/Triage_Report_v1.0.md";

fn run(input: String) -> Result<String, Error> {
    let input = Input::parse(&input)?;
    let labels = Labels::new(&input.labels, &input.fallback);

    store(&input)?;
    let mut triaged = Vec::new();
    for row in db::query("SELECT id, text FROM ticket ORDER BY id", params![])? {
        let (id, text): (i64, String) = (row.get("id")?, row.get("text")?);
        let label = classify(&input, &labels, &text)?;
        db::execute(
            "UPDATE ticket SET label = ?1 WHERE id = ?2",
            params![label, id],
        )?;
        triaged.push(Triaged { id, text, label });
    }

    let markdown = report::markdown(&labels, &triaged);
    let receipt = gateway::write(REPORT_PATH, markdown)?;
    report::json(&labels, &triaged, &receipt)
}

fn store(input: &Input) -> Result<(), Error> {
    db::execute(
        "CREATE TABLE IF NOT EXISTS ticket (id INTEGER PRIMARY KEY, text TEXT NOT NULL, label TEXT)",
        params![],
    )?;
    for ticket in &input.tickets {
        db::execute(
            "INSERT INTO ticket (id, text) VALUES (?1, ?2) \
             ON CONFLICT (id) DO UPDATE SET text = excluded.text",
            params![ticket.id, &ticket.text],
        )?;
    }
    Ok(())
}

/// One model call. A cut answer counts as much as a whole one: it holds a label or it doesn't.
fn classify<'a>(input: &Input, labels: &Labels<'a>, text: &str) -> Result<&'a str, Error> {
    let user = format!(
        "{text}\n\n{}\nLabels: {}",
        input.question,
        input.labels.join(", ")
    );
    let request = Request::new([Message::system(&input.system), Message::user(user)]);
    Ok(labels.of_answer(&llm::complete(&request)?.text))
}

coo_guest::mission!(run);
