//! A mission to start from: has the model summarise a text, keeps the summary in the database and
//! writes all summaries so far as an artefact. Say here what your mission is for and what it never
//! does.

use coo_guest::{
    Error,
    db::{self, params},
    gateway, llm,
};
use serde::Deserialize;

/// The step's `input` in the descriptor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    topic: String,
    /// How the model is to write.
    system: String,
    text: String,
    /// What it is to do with the text.
    task: String,
}

fn run(input: String) -> Result<String, Error> {
    let input: Input = serde_json::from_str(&input).map_err(Error::input)?;
    let question = format!("{}\n\n{}", input.text, input.task);
    let summary = llm::ask(&input.system, &question)?;

    db::execute(
        "CREATE TABLE IF NOT EXISTS summary (topic TEXT PRIMARY KEY, text TEXT NOT NULL)",
        params![],
    )?;
    db::execute(
        "INSERT INTO summary (topic, text) VALUES (?1, ?2) \
         ON CONFLICT (topic) DO UPDATE SET text = excluded.text",
        params![&input.topic, &summary],
    )?;

    let mut summaries = Vec::new();
    // Without ORDER BY, SQLite promises no order, and a replay could differ.
    for row in db::query("SELECT topic, text FROM summary ORDER BY topic", params![])? {
        summaries.push((row.get("topic")?, row.get("text")?));
    }
    // Summaries_v1.0.md, and the next version whenever the content is another one.
    gateway::write_next("my-mission/Summaries.md", report(&summaries))?;
    Ok(summary)
}

/// What calls nothing of the host can be tested by a plain `cargo test`.
fn report(summaries: &[(String, String)]) -> String {
    let sections = summaries
        .iter()
        .map(|(topic, text)| format!("## {topic}\n\n{text}\n"));
    format!("# Summaries\n\n{}", sections.collect::<Vec<_>>().join("\n"))
}

coo_guest::mission!(run);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_a_section_for_each_topic() {
        let summaries = [("tides".to_owned(), "Two bulges.".to_owned())];
        assert_eq!(
            report(&summaries),
            "# Summaries\n\n## tides\n\nTwo bulges.\n"
        );
    }
}
