//! Model calls of scripts: JSON from the JavaScript side to requests of `coo:mission/llm@1.1.0`, and
//! answers back. Judges nothing; the host refuses what does not hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coo_guest::chat::{
    self, AssistantMessage, ChatError, Completion, FinishReason, Image, JsonSchema, Message,
    ResponseFormat, Tool, ToolCall, ToolChoice, ToolMessage, UserMessage,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    messages: Vec<Said>,
    model: Option<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    max_tokens: Option<u32>,
    #[serde(default)]
    stop: Vec<String>,
    #[serde(default)]
    tools: Vec<Offered>,
    tool_choice: Option<Choice>,
    #[serde(default)]
    response_format: Format,
}

#[derive(Deserialize)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    System {
        text: String,
    },
    User {
        text: String,
        #[serde(default)]
        images: Vec<Picture>,
    },
    Assistant {
        text: String,
        #[serde(default)]
        tool_calls: Vec<Called>,
    },
    Tool {
        call_id: String,
        text: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    media_type: String,
    base64: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    id: String,
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    name: String,
    description: String,
    parameters: String,
    strict: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Deserialize, Default)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Format {
    #[default]
    Text,
    Json,
    JsonSchema {
        name: String,
        schema: String,
    },
}

/// Makes the calls of a JSON list of requests, all at the same time, and returns a JSON list of what
/// came of each.
pub fn complete(requests: &str) -> Result<String, String> {
    let requests: Vec<Request> =
        serde_json::from_str(requests).map_err(|error| format!("model request: {error}"))?;
    let requests = requests.into_iter().map(asked);
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let answers = match &*requests {
        [request] => vec![request.send()],
        several => chat::complete_many(several),
    };
    let answers = answers.into_iter().map(told).collect();
    Ok(Value::Array(answers).to_string())
}

fn asked(request: Request) -> Result<chat::Request, String> {
    let messages = request.messages.into_iter().map(said);
    Ok(chat::Request {
        messages: messages.collect::<Result<_, _>>()?,
        model: request.model,
        temperature: request.temperature,
        top_p: request.top_p,
        max_tokens: request.max_tokens,
        stop: request.stop,
        tools: request.tools.into_iter().map(offered).collect(),
        tool_choice: request.tool_choice.map(|choice| match choice {
            Choice::Auto => ToolChoice::Auto,
            Choice::None => ToolChoice::None,
            Choice::Required => ToolChoice::Required,
            Choice::Named(name) => ToolChoice::Named(name),
        }),
        response_format: match request.response_format {
            Format::Text => ResponseFormat::Text,
            Format::Json => ResponseFormat::Json,
            Format::JsonSchema { name, schema } => {
                ResponseFormat::JsonSchema(JsonSchema { name, schema })
            }
        },
    })
}

fn said(message: Said) -> Result<Message, String> {
    Ok(match message {
        Said::System { text } => Message::System(text),
        Said::User { text, images } => {
            let images = images.into_iter().map(|picture| {
                let content = STANDARD
                    .decode(picture.base64)
                    .map_err(|error| format!("image: is not base64: {error}"))?;
                Ok(Image {
                    media_type: picture.media_type,
                    content,
                })
            });
            Message::User(UserMessage {
                text,
                images: images.collect::<Result<_, String>>()?,
            })
        }
        Said::Assistant { text, tool_calls } => Message::Assistant(AssistantMessage {
            text,
            tool_calls: tool_calls
                .into_iter()
                .map(|call| ToolCall {
                    id: call.id,
                    name: call.name,
                    arguments: call.arguments,
                })
                .collect(),
        }),
        Said::Tool { call_id, text } => Message::Tool(ToolMessage { call_id, text }),
    })
}

fn offered(tool: Offered) -> Tool {
    Tool {
        name: tool.name,
        description: tool.description,
        parameters: tool.parameters,
        strict: tool.strict,
    }
}

fn told(answer: chat::Result<Completion>) -> Value {
    match answer {
        Ok(completion) => json!({"completion": completed(&completion)}),
        Err(ChatError::Refused(text)) => json!({"error": "refused", "text": text}),
        Err(ChatError::Rejected(text)) => json!({"error": "rejected", "text": text}),
        Err(ChatError::Unfit(unfit)) => json!({
            "error": "unfit",
            "text": unfit.reason,
            "completion": completed(&unfit.completion),
        }),
    }
}

fn completed(completion: &Completion) -> Value {
    let calls = completion
        .tool_calls
        .iter()
        .map(|call| json!({"id": call.id, "name": call.name, "arguments": call.arguments}));
    json!({
        "text": completion.text,
        "tool_calls": calls.collect::<Vec<_>>(),
        "model": completion.model,
        "finish_reason": match completion.finish_reason {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::ContentFilter => "content_filter",
            FinishReason::Other => "other",
            FinishReason::ToolCalls => "tool_calls",
        },
        "usage": {
            "prompt_tokens": completion.usage.prompt_tokens,
            "completion_tokens": completion.usage.completion_tokens,
        },
    })
}
