//! Makes responses of model servers, and checks what must hold for every one: it has a meaning,
//! only a success is an answer, and a call that may have been paid for stays in doubt.

use arbitrary::{Result, Unstructured};
use coo_kernel::form::plain;
use coo_kernel::llm::protocol::finish::End;
use coo_kernel::llm::protocol::parse;
use coo_kernel::llm::protocol::{Failure, Reach, Received, Site, Standing, Verdict, judge};
use coo_kernel::llm::{FinishReason, Request};
use serde_json::{Map, Value, json};

use crate::pick;

const NAMES: [&str; 18] = [
    "choices",
    "message",
    "content",
    "error",
    "code",
    "type",
    "text",
    "refusal",
    "status",
    "finish_reason",
    "delta",
    "tool_calls",
    "detail",
    "errors",
    "usage",
    "metadata",
    "raw",
    "id",
];
const WORDS: [&str; 10] = [
    "",
    "stop",
    "length",
    "MAX_TOKENS",
    "abort",
    "error",
    "text",
    "insufficient_quota",
    "x\u{1b}[2J",
    "\u{202e}é",
];
/// Longest text that a verdict shows: the excerpts of a body are bounded.
const SHOWN_BYTES_MAX: usize = 20_000;

/// Makes a status and a body from a recipe.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<(u16, Vec<u8>)> {
    let status = match recipe.int_in_range(0..=2)? {
        0 => 200,
        _ => recipe.int_in_range(100..=999)?,
    };
    let mut text = body(recipe)?.to_string();
    if recipe.ratio(1, 4)? {
        let second = body(recipe)?;
        text = format!("data: {text}\n\ndata: {second}\n\ndata: [DONE]\n\n");
    }
    let mut body = text.into_bytes();
    if recipe.ratio(1, 4)? {
        body.truncate(recipe.int_in_range(0..=body.len())?);
    }
    Ok((status, body))
}

/// Makes a body: most often one with a choice, whose message and reason are any values.
fn body(recipe: &mut Unstructured<'_>) -> Result<Value> {
    if recipe.ratio(1, 4)? {
        return value(recipe, 6);
    }
    let message = match recipe.arbitrary()? {
        true => json!({"content": pick(recipe, &WORDS)?, "role": "assistant"}),
        false => value(recipe, 4)?,
    };
    let reason = match recipe.arbitrary()? {
        true => pick(recipe, &["stop", "length", "content_filter", "error"])?.into(),
        false => value(recipe, 1)?,
    };
    let mut body = json!({"choices": [{"finish_reason": reason, "message": message}]});
    if recipe.ratio(1, 4)? {
        body["error"] = value(recipe, 4)?;
    }
    if recipe.ratio(1, 4)? {
        body["usage"] = value(recipe, 3)?;
    }
    Ok(body)
}

fn value(recipe: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    Ok(
        match recipe.int_in_range(0..=if depth == 0 { 3 } else { 6 })? {
            0 => Value::Null,
            1 => recipe.arbitrary::<bool>()?.into(),
            2 => recipe.int_in_range(0..=700_u64)?.into(),
            3 => pick(recipe, &WORDS)?.into(),
            4 => {
                let mut items = Vec::new();
                for _ in 0..recipe.int_in_range(0..=3)? {
                    items.push(value(recipe, depth - 1)?);
                }
                items.into()
            }
            _ => {
                let mut fields = Map::new();
                for _ in 0..recipe.int_in_range(0..=5)? {
                    let name = pick(recipe, &NAMES)?.to_owned();
                    fields.insert(name, value(recipe, depth - 1)?);
                }
                fields.into()
            }
        },
    )
}

/// Judges a response and checks the verdict.
pub fn check(status: u16, body: &[u8]) {
    let request = Request {
        max_tokens: Some(9),
        messages: Vec::new(),
        model: "m".to_owned(),
        options: coo_kernel::llm::Options::default(),
        seed: None,
        temperature: None,
        top_p: None,
    };
    let received = Received {
        status,
        body: body.to_vec(),
        ..Received::default()
    };
    let site = Site {
        server: "https://a.example",
        clean: &|text, chars_max| {
            let clean = text.chars().filter(|c| !plain::misleads(*c));
            clean.take(chars_max).collect()
        },
    };
    let verdict = judge(&received, &request, &site);
    let shown = match &verdict {
        Verdict::Answered(completion, _) => {
            assert!((200..300).contains(&status), "{status} is no success");
            let body = parse::json(body).expect("an answer is JSON");
            let end = End::of(&body["choices"][0]["finish_reason"]);
            let is_whole = completion.finish_reason == FinishReason::Stop;
            assert!(!is_whole || end == End::Whole, "half an answer: {end:?}");
            String::new()
        }
        Verdict::Rejected(reason, _) => reason.clone(),
        Verdict::Trouble { reach, said } => {
            let standing = reach.standing(None);
            assert_ne!(standing, Standing::InDoubt, "{reach:?} would be sent again");
            said.clone()
        }
        Verdict::Failed(failure) | Verdict::InDoubt(failure) => failure.to_string(),
    };
    assert!(!shown.chars().any(plain::misleads), "{shown:?}");
    assert!(shown.len() < SHOWN_BYTES_MAX, "{} bytes", shown.len());
    let is_success = (200..300).contains(&status);
    if !is_success && Reach::Answered(status).standing(None) == Standing::InDoubt {
        // A code that names a used-up quota is the one thing that settles it.
        let settled = matches!(verdict, Verdict::Failed(Failure::QuotaUsedUp { .. }));
        assert!(settled || matches!(verdict, Verdict::InDoubt(_)), "{verdict:?}");
    }
}
