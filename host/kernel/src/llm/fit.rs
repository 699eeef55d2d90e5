//! Whether an answer is what its request asks for: JSON, JSON of a schema, tools that were offered.
//! Changes no answer: one that does not fit reaches the guest with the reason.

use serde_json::Value;

use super::chat::{Format, Options, ToolCall, ToolChoice};
use super::{Completion, FinishReason, schema};
use crate::form::plain;

/// Checks an answer. `Err` is the reason for the guest.
pub fn check(completion: &Completion, options: &Options) -> Result<(), String> {
    for call in &completion.tool_calls {
        self::call(call, options)?;
    }
    match &options.tool_choice {
        Some(ToolChoice::Required) if completion.tool_calls.is_empty() => {
            return Err("the answer asks for no tool, and one was required".to_owned());
        }
        Some(ToolChoice::Named(name))
            if !completion.tool_calls.iter().any(|call| call.name == *name) =>
        {
            return Err(format!(
                "the answer does not ask for tool '{name}', which was required"
            ));
        }
        _ => {}
    }
    // A model that asks for a tool has not answered yet.
    if !completion.tool_calls.is_empty() {
        return Ok(());
    }
    let form = match &options.response_format {
        Format::Text => return Ok(()),
        Format::Json => None,
        Format::JsonSchema(form) => Some(form),
    };
    let cut = match completion.finish_reason {
        FinishReason::Length => " (it was cut off at max_tokens)",
        FinishReason::ContentFilter => " (the provider withheld a part of it)",
        FinishReason::Stop | FinishReason::Other | FinishReason::ToolCalls => "",
    };
    let document: Value = serde_json::from_str(&completion.text)
        .map_err(|error| format!("the answer is not JSON{cut}: {error}"))?;
    match form {
        None if document.is_object() => Ok(()),
        None => Err(format!(
            "the answer is {}; a JSON object needed",
            schema::kind(&document)
        )),
        Some(form) => schema::read(&form.schema)
            .and_then(|schema| schema.check(&document))
            .map_err(|why| format!("the answer does not fit schema '{}': {why}", form.name)),
    }
}

fn call(call: &ToolCall, options: &Options) -> Result<(), String> {
    let name = plain::one_line(&call.name);
    let Some(tool) = options.tools.iter().find(|tool| tool.name == call.name) else {
        return Err(format!(
            "the answer asks for tool '{name}', which was not offered"
        ));
    };
    // Servers leave the arguments of a tool without any out.
    let arguments = match call.arguments.trim() {
        "" => "{}",
        arguments => arguments,
    };
    let arguments: Value = serde_json::from_str(arguments)
        .map_err(|error| format!("the arguments for tool '{name}' are not JSON: {error}"))?;
    if !arguments.is_object() {
        return Err(format!(
            "the arguments for tool '{name}' are {}; an object needed",
            schema::kind(&arguments)
        ));
    }
    if !tool.strict {
        return Ok(());
    }
    schema::read(&tool.parameters)
        .and_then(|schema| schema.check(&arguments))
        .map_err(|why| format!("the arguments for tool '{name}' do not fit its parameters: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Usage;
    use crate::llm::chat::{JsonSchema, Tool};

    fn answer(text: &str, tool_calls: &[(&str, &str)]) -> Completion {
        Completion {
            finish_reason: FinishReason::Stop,
            model: "m".to_owned(),
            text: text.to_owned(),
            tool_calls: tool_calls
                .iter()
                .map(|(name, arguments)| ToolCall {
                    arguments: (*arguments).to_owned(),
                    id: "1".to_owned(),
                    name: (*name).to_owned(),
                })
                .collect(),
            usage: Usage::default(),
        }
    }

    fn reason(completion: &Completion, options: &Options) -> String {
        check(completion, options).err().unwrap_or_default()
    }

    #[test]
    fn the_text_has_the_form_that_was_asked_for() {
        let json = Options {
            response_format: Format::Json,
            ..Options::default()
        };
        assert_eq!(reason(&answer("{}", &[]), &json), "");
        assert_eq!(
            reason(&answer("[1]", &[]), &json),
            "the answer is an array; a JSON object needed"
        );
        let cut = Completion {
            finish_reason: FinishReason::Length,
            ..answer("{\"a\":", &[])
        };
        assert_eq!(
            reason(&cut, &json),
            "the answer is not JSON (it was cut off at max_tokens): EOF while parsing a value at line 1 column 5"
        );
        let schema = Options {
            response_format: Format::JsonSchema(JsonSchema {
                name: "label".to_owned(),
                schema: r#"{"type":"object","properties":{"label":{"enum":["spam","ham"]}}}"#
                    .to_owned(),
            }),
            ..Options::default()
        };
        assert_eq!(reason(&answer(r#"{"label":"ham"}"#, &[]), &schema), "");
        let wrong = reason(&answer(r#"{"label":"egg"}"#, &[]), &schema);
        assert!(
            wrong.starts_with("the answer does not fit schema 'label': at '/label': "),
            "{wrong}"
        );
    }

    #[test]
    fn only_tools_that_were_offered_with_objects_as_arguments() {
        let tool = Tool {
            description: String::new(),
            name: "weather".to_owned(),
            parameters: r#"{"type":"object","required":["city"]}"#.to_owned(),
            strict: true,
        };
        let strict = Options {
            tools: vec![tool.clone()],
            tool_choice: Some(ToolChoice::Required),
            ..Options::default()
        };
        assert_eq!(
            reason(&answer("", &[("weather", r#"{"city":"Ulm"}"#)]), &strict),
            ""
        );
        for (calls, said) in [
            (&[][..], "the answer asks for no tool, and one was required"),
            (
                &[("time", "{}")],
                "the answer asks for tool 'time', which was not offered",
            ),
            (
                &[("weather", "Ulm")],
                "the arguments for tool 'weather' are not JSON: expected value at line 1 column 1",
            ),
            (
                &[("weather", "")],
                "the arguments for tool 'weather' do not fit its parameters: at '/': missing properties 'city'",
            ),
        ] {
            assert_eq!(reason(&answer("", calls), &strict), said);
        }
        let lax = Options {
            tools: vec![Tool {
                strict: false,
                ..tool
            }],
            ..Options::default()
        };
        assert_eq!(reason(&answer("", &[("weather", "")]), &lax), "");
    }
}
