//! Assembles an event stream (`data: {…}` lines), which some servers send without being asked, into
//! the one answer that it spells.
//! Invariant: a stream that breaks off never counts as whole: without a finish reason and without
//! `[DONE]` it is refused. This module never judges what the answer means.

use serde_json::{Map, Value, json};

use super::value;

/// The last event of a complete stream.
const DONE: &str = "[DONE]";

/// Returns the data of each event, in order; `None` if `text` is not an event stream.
pub(super) fn events(text: &str) -> Option<Vec<String>> {
    const FIELDS: [&str; 4] = ["data:", "event:", "id:", "retry:"];
    let start = &text[comments_bytes(text)..];
    if !FIELDS.iter().any(|field| start.starts_with(field)) {
        return None;
    }
    let mut events = Vec::new();
    let mut data: Vec<&str> = Vec::new();
    for line in start.lines().chain([""]) {
        if let Some(rest) = line.strip_prefix("data:") {
            data.push(rest.strip_prefix(' ').unwrap_or(rest));
        } else if line.is_empty() && !data.is_empty() {
            events.push(data.join("\n"));
            data.clear();
        }
    }
    Some(events)
}

/// Returns how many bytes of white space and keep-alive comments (`: …` lines) begin `text`.
pub(super) fn comments_bytes(text: &str) -> usize {
    let mut rest = text.trim_start();
    while rest.starts_with(':') {
        rest = rest
            .split_once('\n')
            .map_or("", |(_, after)| after.trim_start());
    }
    text.len() - rest.len()
}

/// Returns the answer that the events spell, in the form that it has without a stream; `Err` says
/// what is wrong with them.
pub(super) fn assemble(events: &[String]) -> Result<Value, String> {
    let mut whole = Map::new();
    let mut text = String::new();
    let mut has_text = false;
    let mut refusal = String::new();
    let mut tools: Vec<Value> = Vec::new();
    let mut finish_reason = Value::Null;
    let mut is_done = false;
    let mut has_choice = false;
    for (nth, event) in events.iter().enumerate() {
        if event.trim() == DONE {
            is_done = true;
            break;
        }
        let chunk = value::value(event).map_err(|(what, at)| {
            format!(
                "is an event stream whose event {} {what} at byte {at} of it",
                nth + 1
            )
        })?;
        if super::stated::Stated::find(&chunk).is_some() {
            return Ok(chunk);
        }
        for field in ["id", "model", "provider", "system_fingerprint", "usage"] {
            if !chunk[field].is_null() {
                whole.insert(field.to_owned(), chunk[field].clone());
            }
        }
        let Some(choice) = chunk.pointer("/choices/0") else {
            continue;
        };
        if choice["index"].as_u64().unwrap_or(0) != 0 {
            continue;
        }
        has_choice = true;
        if super::stated::Stated::in_error_field(choice).is_some() {
            return Ok(chunk);
        }
        let part = [&choice["delta"], &choice["message"]]
            .into_iter()
            .find(|part| part.is_object())
            .unwrap_or(&Value::Null);
        let mut add = |content: &Value| match content {
            Value::String(piece) => {
                text.push_str(piece);
                has_text = true;
                true
            }
            Value::Null => true,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        };
        let is_text = match &part["content"] {
            Value::Array(parts) => parts.iter().all(|part| add(&part["text"])),
            content => add(content),
        };
        if !is_text {
            return Err(format!(
                "is an event stream whose event {} holds content that is not text",
                nth + 1
            ));
        }
        refusal.push_str(part["refusal"].as_str().unwrap_or_default());
        for piece in part["tool_calls"].as_array().into_iter().flatten() {
            add_call(&mut tools, piece);
        }
        if !choice["finish_reason"].is_null() {
            finish_reason = choice["finish_reason"].clone();
        }
    }
    if !has_choice {
        return Err(format!(
            "is an event stream of {} events without an answer",
            events.len()
        ));
    }
    if !is_done && finish_reason.is_null() {
        return Err(format!(
            "is an event stream that breaks off after {} events, without a finish reason and without {DONE}",
            events.len()
        ));
    }
    let mut message = Map::new();
    message.insert("content".to_owned(), has_text.then_some(text).into());
    message.insert("refusal".to_owned(), Value::String(refusal));
    message.insert("tool_calls".to_owned(), Value::Array(tools));
    let choice = json!({"finish_reason": finish_reason, "message": message});
    whole.insert("choices".to_owned(), json!([choice]));
    Ok(Value::Object(whole))
}

/// Adds a piece of a call of a tool. The first piece of a call has its id and its name; the arguments
/// come in pieces, too.
fn add_call(calls: &mut Vec<Value>, piece: &Value) {
    let known = piece["index"]
        .as_u64()
        .and_then(|index| calls.iter_mut().find(|call| call["index"] == index));
    let Some(call) = known else {
        calls.push(piece.clone());
        return;
    };
    let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(more) = piece["function"]["arguments"].as_str() else {
        return;
    };
    match function
        .entry("arguments")
        .or_insert_with(|| Value::String(String::new()))
    {
        Value::String(so_far) => so_far.push_str(more),
        other => *other = Value::String(more.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        assemble(&events(text).expect("a stream"))
    }

    fn chunk(choice: &Value) -> String {
        format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
    }

    #[test]
    fn a_whole_stream_is_one_answer() {
        let text = [
            ": keep-alive\n\n".to_owned(),
            chunk(&json!({"index": 0, "delta": {"role": "assistant", "content": ""}})),
            chunk(&json!({"index": 1, "delta": {"content": "other"}})),
            chunk(&json!({"index": 0, "delta": {"content": "Hé"}})),
            chunk(&json!({"index": 0, "delta": {"content": [{"type": "text", "text": "llo"}]}})),
            chunk(&json!({"index": 0, "delta": {}, "finish_reason": "length"})),
            "data: {\"choices\": [], \"usage\":\r\ndata: {\"prompt_tokens\": 3}}\r\n\r\n"
                .to_owned(),
            "data: [DONE]\n\n".to_owned(),
        ]
        .concat();
        let answer = read(&text).unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "Héllo");
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["prompt_tokens"], 3);
        assert_eq!(answer["id"], "c");
    }

    #[test]
    fn a_call_of_a_tool_comes_in_pieces() {
        let piece = |index: u64, call: &Value| {
            let mut call = call.clone();
            if call.is_object() {
                call["index"] = json!(index);
            }
            chunk(&json!({"index": 0, "delta": {"tool_calls": [call]}}))
        };
        let text = [
            piece(
                0,
                &json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\""}}),
            ),
            piece(
                1,
                &json!({"id": "b", "function": {"name": "g", "arguments": ""}}),
            ),
            piece(0, &json!({"function": {"arguments": ": 1}"}})),
            chunk(&json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"})),
            "data: [DONE]\n\n".to_owned(),
        ]
        .concat();
        let answer = read(&text).unwrap();
        let calls = &answer["choices"][0]["message"]["tool_calls"];
        assert_eq!(calls[0]["function"]["arguments"], "{\"x\": 1}");
        assert_eq!(calls[1]["id"], "b");
        assert_eq!(calls.as_array().unwrap().len(), 2);
        // Pieces that make no sense are no reason to stop.
        let odd = [
            piece(0, &json!({"function": "x"})),
            piece(0, &json!({"function": {"arguments": "{}"}})),
            piece(1, &json!({"function": {"arguments": 3}})),
            piece(1, &json!({"function": {"arguments": "{}"}})),
            piece(2, &json!([1])),
            "data: [DONE]\n\n".to_owned(),
        ];
        assert!(read(&odd.concat()).is_ok());
    }

    #[test]
    fn a_stream_that_breaks_off_is_no_answer() {
        let half = chunk(&json!({"delta": {"content": "Hal"}}));
        assert!(
            read(&half)
                .unwrap_err()
                .contains("breaks off after 1 events")
        );
        let cut = &half[..half.len() - 10];
        assert!(
            read(cut)
                .unwrap_err()
                .contains("event 1 ends in the middle of JSON at byte")
        );
        assert!(
            read("data: [DONE]\n\n")
                .unwrap_err()
                .contains("without an answer")
        );
        assert!(read("event: ping\n\n").unwrap_err().contains("0 events"));
        let image = chunk(&json!({"delta": {"content": {"image": 1}}, "finish_reason": "stop"}));
        assert!(read(&image).unwrap_err().contains("not text"));
    }

    #[test]
    fn an_error_in_a_stream_is_the_answer_to_all_of_it() {
        let text = chunk(&json!({"delta": {"content": "Hal"}}))
            + "data: {\"error\": {\"code\": 429, \"message\": \"slow\"}}\n\n";
        assert_eq!(read(&text).unwrap()["error"]["code"], 429);
    }
}
