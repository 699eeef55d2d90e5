//! `coo inspect ID --prompts`: each model call as a person reads it. Text of messages and answers is
//! indented, so that it can't imitate a heading. Only reads.

use std::fmt::Write as _;

use anyhow::Result;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Kind, OutcomeBody, Record, Requests, StepStartedBody};
use coo_kernel::llm::chat::Format;
use coo_kernel::llm::{
    Completion, FinishReason, Image, ModelAnswer, Options, Refusal, Request, Role, ToolCall, Usage,
};
use coo_kernel::mission::row::MissionRow;

use super::origin;
use crate::cli::print;
use crate::session::Session;
use crate::state::history;

/// A call whose outcome is not read yet.
struct Asked {
    seq: u64,
    step: String,
    request: Request,
    source: Option<String>,
}

/// Prints every model call of the mission.
pub fn print(session: &Session, mission: &MissionRow) -> Result<()> {
    let mut step = String::new();
    let mut requests = Requests::default();
    let mut content = |sha256: &Digest| Ok(session.store.blob(sha256)?);
    let mut asked: Option<Asked> = None;
    let mut calls = 0_u64;
    let mut show = |text: String| {
        calls += 1;
        let gap = if calls == 1 { "" } else { "\n" };
        print::out(&format!("{gap}{text}"))
    };
    history::walk(&session.store, mission.id, |record| {
        match record.kind {
            Kind::StepStarted => step = serde_json::from_str::<StepStartedBody>(&record.body)?.id,
            Kind::LlmIntent => {
                let body = serde_json::from_str(&record.body)?;
                asked = Some(Asked {
                    seq: record.seq,
                    step: step.clone(),
                    request: requests.take(record.seq, body, &mut content)?,
                    source: source(session, mission, record)?,
                });
            }
            Kind::LlmOutcome => {
                if let Some(asked) = asked.take() {
                    let outcome: OutcomeBody = serde_json::from_str(&record.body)?;
                    let answer = outcome
                        .read(&mut content)
                        .map_err(anyhow::Error::from_boxed)?;
                    let source = source(session, mission, record)?;
                    show(call(&asked, source.as_deref(), Some(&answer)))?;
                }
            }
            Kind::LlmRefused => {
                let refusal: Refusal = serde_json::from_str(&record.body)?;
                let mut text = heading(record.seq, &step);
                text.push_str("  Answer:   none: refused before it was sent\n");
                paragraph(&mut text, "refused", reason(&refusal).1);
                show(text)?;
            }
            _ => {}
        }
        Ok(())
    })?;
    if let Some(asked) = asked {
        show(call(&asked, asked.source.as_deref(), None))?;
    }
    if calls == 0 {
        print::note(&format!("{} asked no model", mission.id));
    }
    Ok(())
}

fn source(session: &Session, mission: &MissionRow, record: &Record) -> Result<Option<String>> {
    let facts = session.store.event_facts(mission.id.number(), record.seq)?;
    Ok(facts.and_then(|facts| facts.source))
}

fn heading(seq: u64, step: &str) -> String {
    format!("Model call #{seq:04} of step '{}'\n", print::one_line(step))
}

/// Returns one call. Without an answer, `source` is that of the request.
fn call(asked: &Asked, source: Option<&str>, answer: Option<&ModelAnswer>) -> String {
    let Asked {
        seq, step, request, ..
    } = asked;
    let completion = answer.and_then(ModelAnswer::completion);
    let mut text = heading(*seq, step);
    // Writing to a string does not fail.
    let _ = writeln!(text, "  Model:    {}", model(request, completion));
    let _ = writeln!(text, "  Sampling: {}", sampling(request));
    let _ = writeln!(text, "  Answer:   {}", origin(source));
    if let Some(completion) = completion {
        let _ = writeln!(text, "  Tokens:   {}", tokens(completion.usage));
    }
    let Options {
        response_format,
        stop,
        tools,
        ..
    } = &request.options;
    if !tools.is_empty() {
        let names: Vec<String> = tools
            .iter()
            .map(|tool| print::one_line(&tool.name))
            .collect();
        let _ = writeln!(text, "  Tools:    {}", names.join(", "));
    }
    match response_format {
        Format::Text => {}
        Format::Json => text.push_str("  Format:   JSON\n"),
        Format::JsonSchema(schema) => {
            let _ = writeln!(
                text,
                "  Format:   JSON Schema {}",
                print::one_line(&schema.name)
            );
        }
    }
    if !stop.is_empty() {
        let stop: Vec<String> = stop.iter().map(|text| format!("{text:?}")).collect();
        let _ = writeln!(text, "  Stop:     {}", stop.join(", "));
    }
    for message in &request.messages {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "result of a tool",
        };
        let heading = match &message.tool_call_id {
            Some(id) => format!("{role} ({})", print::one_line(id)),
            None => role.to_owned(),
        };
        paragraph(&mut text, &heading, &message.content);
        for image in &message.images {
            let Image {
                bytes,
                media_type,
                sha256,
                ..
            } = image;
            let media_type = print::one_line(media_type);
            let _ = writeln!(text, "  [{media_type}, {bytes} bytes, SHA-256 {sha256}]");
        }
        asks(&mut text, &message.tool_calls);
    }
    if let Some(completion) = completion {
        let ended = match completion.finish_reason {
            FinishReason::Stop => "answer",
            FinishReason::Length => "answer, cut off at max_tokens",
            FinishReason::ContentFilter => "answer, cut off by the provider's content filter",
            FinishReason::Other => "answer, ended for another reason",
            FinishReason::ToolCalls => "answer, waiting for tools",
        };
        paragraph(&mut text, ended, &completion.text);
        asks(&mut text, &completion.tool_calls);
    }
    match answer {
        Some(ModelAnswer::Unfit(unfit)) => paragraph(&mut text, "unfit", &unfit.reason),
        Some(ModelAnswer::Error(refusal)) => {
            let (who, why) = reason(refusal);
            paragraph(&mut text, who, why);
        }
        Some(ModelAnswer::Completion(_)) | None => {}
    }
    text
}

/// Adds the tools that the model asks for.
fn asks(text: &mut String, calls: &[ToolCall]) {
    for ToolCall {
        arguments,
        id,
        name,
    } in calls
    {
        let (name, id) = (print::one_line(name), print::one_line(id));
        let _ = writeln!(
            text,
            "  asks for {name} ({id}): {}",
            print::one_line(arguments)
        );
    }
}

fn model(request: &Request, completion: Option<&Completion>) -> String {
    let asked = match &request.options.alias {
        Some(alias) => format!(
            "{} as '{}'",
            print::one_line(&request.model),
            print::one_line(alias)
        ),
        None => print::one_line(&request.model),
    };
    match completion {
        Some(completion) if completion.model != request.model => {
            format!("{} (asked for {asked})", print::one_line(&completion.model))
        }
        _ => asked,
    }
}

/// Returns the parameters of the request; one that was not sent is left to the model.
fn sampling(request: &Request) -> String {
    fn shown<T: std::fmt::Display>(name: &str, value: Option<T>) -> String {
        value.map_or_else(
            || format!("{name} not sent"),
            |value| format!("{name} {value}"),
        )
    }
    [
        shown("temperature", request.temperature),
        shown("top_p", request.top_p),
        shown("seed", request.seed),
        shown("max_tokens", request.max_tokens),
    ]
    .join(", ")
}

fn tokens(usage: Usage) -> String {
    let shown = |tokens: Option<u64>| tokens.map_or("unknown".to_owned(), |n| n.to_string());
    format!(
        "{} in, {} out",
        shown(usage.prompt_tokens),
        shown(usage.completion_tokens)
    )
}

/// Returns who refused the call, and the reason.
fn reason(refusal: &Refusal) -> (&'static str, &str) {
    match refusal {
        Refusal::Refused(text) => ("refused by coo", text),
        Refusal::Rejected(text) => ("rejected by the provider", text),
    }
}

fn paragraph(text: &mut String, heading: &str, content: &str) {
    let _ = write!(text, "\n{heading}\n");
    for line in content.lines() {
        let line = format!("  {line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}
