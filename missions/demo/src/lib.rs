//! Mission `DEMO_V1_1`: asks the model once to summarise a fixed text, tidies the answer by
//! rules and returns it. Uses neither database nor gateway, so its module imports neither;
//! never prints a sentence that the model did not finish.

mod tidy;

use coo_guest::{
    Error,
    llm::{self, FinishReason, Message, Request},
};
use serde::Deserialize;

/// The mission's input: everything that the model is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    system: String,
    text: String,
    task: String,
}

fn run(input: String) -> Result<String, Error> {
    let Input { system, text, task } = serde_json::from_str(&input).map_err(Error::input)?;
    // The text first: small models keep to a task better when it comes last.
    let user = format!("{text}\n\n{task}");
    let mut request = Request::new([Message::system(system), Message::user(user)]);
    // The demo insists on deterministic sampling; max-tokens is the descriptor's.
    request.temperature = Some(0.0);
    request.top_p = Some(1.0);

    let answer = llm::complete(&request)?;
    let tidied = tidy::spaces(&answer.text);
    let summary = match answer.finish_reason {
        FinishReason::Stop | FinishReason::Other => tidied.as_str(),
        FinishReason::Length | FinishReason::ContentFilter => tidy::full_sentences(&tidied),
    };
    if summary.is_empty() {
        return Err(match answer.finish_reason {
            FinishReason::Stop | FinishReason::Other => {
                Error::failed("the model's answer is empty")
            }
            cut @ (FinishReason::Length | FinishReason::ContentFilter) => Error::Incomplete(cut),
        });
    }
    Ok(summary.to_owned())
}

coo_guest::mission!(run);
