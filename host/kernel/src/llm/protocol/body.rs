//! The body of a request, as chat-completions servers want it. Decides nothing: everything in it is
//! in the request, which is on record.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::llm::chat::{Format, JsonSchema, Tool, ToolCall, ToolChoice};
use crate::llm::{Image, Message, Options, Request, Role};

type Raw = Box<RawValue>;
type Fields = BTreeMap<&'static str, Raw>;

/// Returns the body to send. A parameter that the descriptor leaves out is left out. Only
/// `OpenRouter` gets the field `provider`: it drops parameters silently and changes providers
/// unless told not to, while other servers refuse unknown fields. Fails on a schema that is not JSON,
/// which no checked request has.
pub fn request_body(
    request: &Request,
    max_tokens_field: &str,
    openrouter: bool,
) -> serde_json::Result<String> {
    let messages: Vec<Raw> = request
        .messages
        .iter()
        .map(message)
        .collect::<Result<_, _>>()?;
    let options = &request.options;
    let mut body: BTreeMap<&str, Raw> = BTreeMap::new();
    body.insert("messages", to_raw_value(&messages)?);
    for (name, value) in [
        ("model", json!(request.model)),
        ("temperature", json!(request.temperature)),
        ("top_p", json!(request.top_p)),
        (max_tokens_field, json!(request.max_tokens)),
        ("seed", json!(request.seed)),
        ("stop", not_empty(&options.stop)),
        ("tool_choice", tool_choice(options)),
        ("stream", json!(false)),
        ("provider", provider(openrouter)),
    ] {
        if !value.is_null() {
            body.insert(name, to_raw_value(&value)?);
        }
    }
    if let Some(format) = response_format(&options.response_format)? {
        body.insert("response_format", format);
    }
    if !options.tools.is_empty() {
        let tools: Vec<Raw> = options.tools.iter().map(tool).collect::<Result<_, _>>()?;
        body.insert("tools", to_raw_value(&tools)?);
    }
    serde_json::to_string(&body)
}

fn not_empty(texts: &[String]) -> Value {
    if texts.is_empty() {
        Value::Null
    } else {
        json!(texts)
    }
}

fn provider(openrouter: bool) -> Value {
    if openrouter {
        json!({"allow_fallbacks": false, "require_parameters": true})
    } else {
        Value::Null
    }
}

fn tool_choice(options: &Options) -> Value {
    match &options.tool_choice {
        // Servers refuse a choice among none.
        _ if options.tools.is_empty() => Value::Null,
        None => Value::Null,
        Some(ToolChoice::Auto) => json!("auto"),
        Some(ToolChoice::None) => json!("none"),
        Some(ToolChoice::Required) => json!("required"),
        Some(ToolChoice::Named(name)) => json!({"type": "function", "function": {"name": name}}),
    }
}

/// A schema in the guest's own text, so that its properties keep their order.
fn schema(text: &str) -> serde_json::Result<Raw> {
    let text = match text.trim() {
        "" => r#"{"type":"object","properties":{}}"#,
        text => text,
    };
    RawValue::from_string(text.to_owned())
}

/// Returns whether a server may be asked to keep strictly to a schema. Servers that do refuse a schema
/// with an object that may have further members or leave some out; for these the host alone judges.
fn is_strict(text: &str) -> bool {
    fn keeps(part: &Value) -> bool {
        match part {
            Value::Array(parts) => parts.iter().all(keeps),
            Value::Object(fields) => {
                let is_closed = match fields.get("properties").and_then(Value::as_object) {
                    None => fields.get("type") != Some(&json!("object")),
                    Some(properties) => {
                        let required = fields.get("required").and_then(Value::as_array);
                        let is_listed = |name: &String| {
                            required.is_some_and(|names| names.contains(&json!(name)))
                        };
                        fields.get("additionalProperties") == Some(&json!(false))
                            && properties.keys().all(is_listed)
                    }
                };
                is_closed && fields.values().all(keeps)
            }
            _ => true,
        }
    }
    serde_json::from_str(text).is_ok_and(|schema| keeps(&schema))
}

fn response_format(format: &Format) -> serde_json::Result<Option<Raw>> {
    Ok(match format {
        Format::Text => None,
        Format::Json => Some(to_raw_value(&json!({"type": "json_object"}))?),
        Format::JsonSchema(JsonSchema { name, schema: text }) => {
            let mut inner =
                Fields::from([("name", to_raw_value(name)?), ("schema", schema(text)?)]);
            if is_strict(text) {
                inner.insert("strict", to_raw_value(&true)?);
            }
            let outer = Fields::from([
                ("json_schema", to_raw_value(&inner)?),
                ("type", to_raw_value("json_schema")?),
            ]);
            Some(to_raw_value(&outer)?)
        }
    })
}

fn tool(tool: &Tool) -> serde_json::Result<Raw> {
    let mut function = Fields::from([
        ("description", to_raw_value(&tool.description)?),
        ("name", to_raw_value(&tool.name)?),
        ("parameters", schema(&tool.parameters)?),
    ]);
    if tool.strict && is_strict(&tool.parameters) {
        function.insert("strict", to_raw_value(&true)?);
    }
    to_raw_value(&Fields::from([
        ("function", to_raw_value(&function)?),
        ("type", to_raw_value("function")?),
    ]))
}

fn message(message: &Message) -> serde_json::Result<Raw> {
    let Message {
        content,
        images,
        role,
        tool_call_id,
        tool_calls,
    } = message;
    let words = if !images.is_empty() {
        let text = (!content.is_empty()).then(|| json!({"type": "text", "text": content}));
        Value::Array(text.into_iter().chain(images.iter().map(image)).collect())
    } else if content.is_empty() && !tool_calls.is_empty() {
        Value::Null
    } else {
        json!(content)
    };
    let mut fields = Fields::from([
        ("content", to_raw_value(&words)?),
        ("role", to_raw_value(role)?),
    ]);
    if let (Role::Tool, Some(id)) = (role, tool_call_id) {
        fields.insert("tool_call_id", to_raw_value(id)?);
    }
    if !tool_calls.is_empty() {
        let calls: Vec<Value> = tool_calls.iter().map(call).collect();
        fields.insert("tool_calls", to_raw_value(&calls)?);
    }
    to_raw_value(&fields)
}

fn image(image: &Image) -> Value {
    let url = format!(
        "data:{};base64,{}",
        image.media_type,
        BASE64.encode(&image.content)
    );
    json!({"type": "image_url", "image_url": {"url": url}})
}

fn call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_schema_is_kept_to_strictly() {
        for (text, strict) in [
            (
                r#"{"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": false}"#,
                true,
            ),
            (
                r#"{"type": "object", "properties": {"a": {}}, "required": ["a"]}"#,
                false,
            ),
            (
                r#"{"properties": {"a": {}}, "additionalProperties": false}"#,
                false,
            ),
            (r#"{"type": "array", "items": {"type": "object"}}"#, false),
            (r#"{"type": "string"}"#, true),
            ("", false),
        ] {
            assert_eq!(is_strict(text), strict, "{text}");
        }
    }

    #[test]
    fn everything_of_a_request_is_in_its_body() {
        let asks = Message {
            tool_calls: vec![ToolCall {
                arguments: r#"{"city":"Ulm"}"#.to_owned(),
                id: "c1".to_owned(),
                name: "weather".to_owned(),
            }],
            ..Message::new(Role::Assistant, "")
        };
        let result = Message {
            tool_call_id: Some("c1".to_owned()),
            ..Message::new(Role::Tool, "21 degrees")
        };
        let looks = Message {
            images: vec![Image::new("image/png".to_owned(), b"PNG".to_vec())],
            ..Message::new(Role::User, "What is this?")
        };
        let request = Request {
            max_tokens: None,
            messages: vec![looks, asks, result],
            model: "m".to_owned(),
            options: Options {
                alias: Some("cheap".to_owned()),
                response_format: Format::JsonSchema(JsonSchema {
                    name: "out".to_owned(),
                    schema: r#"{"properties": {"z": {}, "a": {}}, "required": ["a", "z"], "additionalProperties": false}"#
                        .to_owned(),
                }),
                stop: vec!["END".to_owned()],
                tool_choice: Some(ToolChoice::Named("weather".to_owned())),
                tools: vec![Tool {
                    description: "Tells the weather".to_owned(),
                    name: "weather".to_owned(),
                    parameters: String::new(),
                    strict: true,
                }],
            },
            seed: None,
            temperature: None,
            top_p: None,
        };
        let body = request_body(&request, "max_tokens", false).unwrap();
        // The order of properties is the guest's.
        assert!(body.contains(r#""schema":{"properties": {"z": {}, "a": {}},"#));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body,
            json!({
                "messages": [
                    {"role": "user", "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H"}},
                    ]},
                    {"role": "assistant", "content": null, "tool_calls": [{
                        "id": "c1", "type": "function",
                        "function": {"name": "weather", "arguments": "{\"city\":\"Ulm\"}"},
                    }]},
                    {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"},
                ],
                "model": "m",
                "response_format": {"type": "json_schema", "json_schema": {
                    "name": "out", "strict": true, "schema": {
                        "properties": {"z": {}, "a": {}},
                        "required": ["a", "z"],
                        "additionalProperties": false,
                    },
                }},
                "stop": ["END"],
                "stream": false,
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "tools": [{"type": "function", "function": {
                    "name": "weather", "description": "Tells the weather",
                    "parameters": {"type": "object", "properties": {}},
                }}],
            })
        );
    }
}
