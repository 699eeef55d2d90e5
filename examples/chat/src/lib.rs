//! A mission that asks models what its input says, so that a workflow of prompts needs no code: one
//! request, or a list that is asked at the same time. The input is a text, which is the prompt, or JSON
//! in the form of `Ask`. Uses no tool: a call that the model asks for is a part of the output.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coo_guest::Error;
use coo_guest::chat::{
    self, AssistantMessage, ChatError, Completion, FinishReason, Image, Message, Request, Tool,
    ToolCall, ToolChoice, ToolMessage, UserMessage,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Several requests, in the place of one.
#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    requests: Option<&'a RawValue>,
}

/// A list and nothing beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    #[serde(rename = "requests")]
    _requests: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Alias of the model; without it, the operator's default.
    model: Option<String>,
    /// A message of the system, before all others.
    system: Option<String>,
    /// A message of the user, after all others.
    prompt: Option<String>,
    #[serde(default)]
    messages: Vec<Said>,
    max_tokens: Option<u32>,
    #[serde(default)]
    stop: Vec<String>,
    /// The answer must be a JSON object.
    #[serde(default)]
    json: bool,
    /// The answer must be JSON that fits.
    schema: Option<Box<RawValue>>,
    /// How often to ask again if the answer does not fit.
    #[serde(default)]
    retries: u32,
    #[serde(default)]
    tools: Vec<Offered>,
    tool_choice: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    images: Vec<Picture>,
    #[serde(default)]
    tool_calls: Vec<Called>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    media_type: String,
    base64: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    name: String,
    #[serde(default)]
    description: String,
    parameters: Option<Box<RawValue>>,
    #[serde(default)]
    strict: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    id: String,
    name: String,
    arguments: String,
}

/// One answer of several, or one with calls of tools.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

coo_guest::mission!(run);

fn run(input: String) -> Result<String, Error> {
    if !input.trim_start().starts_with('{') {
        return answer(&Request::new(input), 0);
    }
    let Input { requests } = serde_json::from_str(&input).map_err(Error::input)?;
    let Some(requests) = requests else {
        let ask: Ask = serde_json::from_str(&input).map_err(Error::input)?;
        let retries = ask.retries;
        return answer(&request(ask)?, retries);
    };
    // Once more, because a field beside `requests` would have no effect.
    serde_json::from_str::<Only>(&input).map_err(Error::input)?;
    let requests: Vec<Ask> = serde_json::from_str(requests.get()).map_err(Error::input)?;
    if requests.iter().any(|ask| ask.retries > 0) {
        return Err(Error::input(
            "retries found in a list; only one request can be made again",
        ));
    }
    let requests: Vec<Request> = requests
        .into_iter()
        .map(request)
        .collect::<Result<_, _>>()?;
    let answers = chat::complete_many(&requests).into_iter();
    let answers: Vec<Answer> = answers.map(told).collect();
    serde_json::to_string(&answers).map_err(Error::failed)
}

fn answer(request: &Request, retries: u32) -> Result<String, Error> {
    let completion = request.send_until_fit(retries.saturating_add(1))?;
    if completion.finish_reason == FinishReason::ToolCalls {
        return serde_json::to_string(&told(Ok(completion))).map_err(Error::failed);
    }
    Ok(completion.text)
}

fn told(answer: Result<Completion, ChatError>) -> Answer {
    let completion = match answer {
        Ok(completion) => completion,
        Err(error) => {
            return Answer {
                text: None,
                tool_calls: Vec::new(),
                error: Some(Error::from(error).to_string()),
            };
        }
    };
    let calls = completion.tool_calls.into_iter();
    Answer {
        text: Some(completion.text),
        tool_calls: calls
            .map(|call| Called {
                id: call.id,
                name: call.name,
                arguments: call.arguments,
            })
            .collect(),
        error: None,
    }
}

fn request(ask: Ask) -> Result<Request, Error> {
    let mut messages = Vec::new();
    messages.extend(ask.system.map(Message::system));
    for said in ask.messages {
        messages.push(message(said)?);
    }
    messages.extend(ask.prompt.map(Message::user));
    let mut request = Request::new("");
    request.messages = messages;
    request.model = ask.model;
    request.max_tokens = ask.max_tokens;
    request.stop = ask.stop;
    request.tools = ask.tools.into_iter().map(tool).collect();
    request.tool_choice = ask.tool_choice.map(|choice| match choice.as_str() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required,
        _ => ToolChoice::Named(choice),
    });
    if ask.json {
        request = request.json();
    }
    if let Some(schema) = ask.schema {
        request = request.json_schema("answer", schema.get());
    }
    Ok(request)
}

fn message(said: Said) -> Result<Message, Error> {
    let calls = said.tool_calls.into_iter();
    Ok(match said.role.as_str() {
        "system" => Message::system(said.content),
        "user" => Message::User(UserMessage {
            text: said.content,
            images: said
                .images
                .into_iter()
                .map(image)
                .collect::<Result<_, _>>()?,
        }),
        "assistant" => Message::Assistant(AssistantMessage {
            text: said.content,
            tool_calls: calls
                .map(|call| ToolCall {
                    id: call.id,
                    name: call.name,
                    arguments: call.arguments,
                })
                .collect(),
        }),
        "tool" => Message::Tool(ToolMessage {
            call_id: said.tool_call_id.unwrap_or_default(),
            text: said.content,
        }),
        other => {
            return Err(Error::input(format!(
                "role '{other}' found; system, user, assistant or tool needed"
            )));
        }
    })
}

fn image(picture: Picture) -> Result<Image, Error> {
    Ok(Image {
        media_type: picture.media_type,
        content: STANDARD.decode(picture.base64).map_err(Error::input)?,
    })
}

fn tool(offered: Offered) -> Tool {
    let parameters = offered.parameters;
    Tool {
        name: offered.name,
        description: offered.description,
        parameters: parameters.map_or_else(String::new, |schema| schema.get().to_owned()),
        strict: offered.strict,
    }
}
