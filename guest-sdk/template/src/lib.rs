//! A mission to start from: asks the model one question, keeps the answer in the database,
//! writes all answers so far as an artefact. Say here what your mission is for and what it
//! never does.

use coo_guest::{
    Error,
    db::{self, params},
    gateway, llm,
};
use serde::Deserialize;

/// The step's `input` in mission.json.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    topic: String,
    question: String,
}

fn run(input: String) -> Result<String, Error> {
    let input: Input = serde_json::from_str(&input).map_err(Error::input)?;
    let answer = llm::ask("You answer in one short paragraph.", &input.question)?;

    db::execute(
        "CREATE TABLE IF NOT EXISTS answer (topic TEXT PRIMARY KEY, text TEXT NOT NULL)",
        params![],
    )?;
    db::execute(
        "INSERT INTO answer (topic, text) VALUES (?1, ?2) \
         ON CONFLICT (topic) DO UPDATE SET text = excluded.text",
        params![&input.topic, &answer],
    )?;

    let mut answers = Vec::new();
    // Without ORDER BY, SQLite promises no order, and a replay could differ.
    for row in db::query("SELECT topic, text FROM answer ORDER BY topic", params![])? {
        answers.push((row.get("topic")?, row.get("text")?));
    }
    gateway::write("answers/Answers_v1.0.md", report(&answers))?;
    Ok(answer)
}

/// What calls nothing of the host can be tested by a plain `cargo test`.
fn report(answers: &[(String, String)]) -> String {
    let sections = answers
        .iter()
        .map(|(topic, text)| format!("## {topic}\n\n{text}\n"));
    format!("# Answers\n\n{}", sections.collect::<Vec<_>>().join("\n"))
}

coo_guest::mission!(run);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_a_section_for_each_topic() {
        let answers = [("tides".to_owned(), "Two bulges.".to_owned())];
        assert_eq!(report(&answers), "# Answers\n\n## tides\n\nTwo bulges.\n");
    }
}
