//! Conversations with language models: several models by name, tools, JSON, images. Each request is one
//! call to the host, with exactly what it says; [`Tools::answer`] makes as many as the model asks tools
//! for. Uses no tool by itself: tools are functions of the mission, and run inside the sandbox.
//!
//! ```no_run
//! # fn run() -> coo_guest::Result<String> {
//! use coo_guest::chat::{Request, Tools};
//!
//! let mut request = Request::new("What is 17 + 25?").model("cheap");
//! let answer = Tools::new()
//!     .tool("add", "Adds two numbers", r#"{"type": "object", "properties":
//!         {"a": {"type": "number"}, "b": {"type": "number"}}}"#, |arguments| Ok(add(arguments)))
//!     .answer(&mut request, 8)?;
//! # fn add(_: &str) -> String { String::new() }
//! # Ok(answer.text)
//! # }
//! ```

use crate::Error;
use crate::bindings::coo::mission1_1_0::llm as wit;

pub use wit::{
    AssistantMessage, ChatCompletion as Completion, ChatError, ChatFinishReason as FinishReason,
    ChatMessage as Message, ChatRequest as Request, Image, JsonSchema, ResponseFormat, Tool,
    ToolCall, ToolChoice, ToolMessage, UnfitAnswer, Usage, UserMessage,
};

/// What a call of this module gives.
pub type Result<T, E = ChatError> = std::result::Result<T, E>;

impl From<ChatError> for Error {
    /// Keeps what happened as a text. To act upon one kind of error, match it before `?`.
    fn from(error: ChatError) -> Self {
        Self::failed(match error {
            ChatError::Refused(text) => format!("model call refused: {text}"),
            ChatError::Rejected(text) => format!("model call rejected by the provider: {text}"),
            ChatError::Unfit(unfit) => format!("unfit answer of the model: {}", unfit.reason),
        })
    }
}

impl From<&str> for Message {
    /// Makes a message from the user.
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

impl From<String> for Message {
    /// Makes a message from the user.
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

impl Message {
    /// Makes a message that tells the model its task and manner.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System(text.into())
    }

    /// Makes a message from the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User(UserMessage {
            text: text.into(),
            images: Vec::new(),
        })
    }

    /// Makes a message from the user with a picture. `media_type` is `image/png`, `image/jpeg`,
    /// `image/gif` or `image/webp`.
    pub fn image(
        text: impl Into<String>,
        media_type: impl Into<String>,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        Self::User(UserMessage {
            text: text.into(),
            images: vec![Image {
                media_type: media_type.into(),
                content: content.into(),
            }],
        })
    }

    /// Makes a message that the model gave earlier in this conversation.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant(AssistantMessage {
            text: text.into(),
            tool_calls: Vec::new(),
        })
    }

    /// Makes the result of a tool that the model asked for.
    pub fn result(call: &ToolCall, text: impl Into<String>) -> Self {
        Self::Tool(ToolMessage {
            call_id: call.id.clone(),
            text: text.into(),
        })
    }
}

impl From<&Completion> for Message {
    /// Makes the message that continues the conversation after an answer.
    fn from(completion: &Completion) -> Self {
        Self::Assistant(AssistantMessage {
            text: completion.text.clone(),
            tool_calls: completion.tool_calls.clone(),
        })
    }
}

impl Request {
    /// Makes a request of one message, with the operator's default model and the descriptor's sampling.
    pub fn new(message: impl Into<Message>) -> Self {
        Self {
            messages: vec![message.into()],
            model: None,
            temperature: None,
            top_p: None,
            max_tokens: None,
            stop: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            response_format: ResponseFormat::Text,
        }
    }

    /// Adds a message.
    #[must_use]
    pub fn message(mut self, message: impl Into<Message>) -> Self {
        self.messages.push(message.into());
        self
    }

    /// Asks the model of this alias, which the descriptor lists under `llm.models`.
    #[must_use]
    pub fn model(mut self, alias: impl Into<String>) -> Self {
        self.model = Some(alias.into());
        self
    }

    /// Bounds the answer, in tokens; at most what the descriptor allows.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = Some(tokens);
        self
    }

    /// Adds a text before which the answer ends.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.stop.push(text.into());
        self
    }

    /// Demands a JSON object.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.response_format = ResponseFormat::Json;
        self
    }

    /// Demands JSON that fits a schema; the host judges it. `name`: 1 to 64 of `a-z A-Z 0-9 _ -`.
    #[must_use]
    pub fn json_schema(mut self, name: impl Into<String>, schema: impl Into<String>) -> Self {
        self.response_format = ResponseFormat::JsonSchema(JsonSchema {
            name: name.into(),
            schema: schema.into(),
        });
        self
    }

    /// Offers a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Makes the call.
    pub fn send(&self) -> Result<Completion> {
        wit::chat(self)
    }

    /// Makes the call up to `times` times, as long as the answer is not what the request demands. Each
    /// time the model is told its answer and what is wrong with it. Each time is a call of its own.
    pub fn send_until_fit(&self, times: u32) -> Result<Completion> {
        let mut request = self.clone();
        for _ in 1..times {
            match wit::chat(&request) {
                Err(ChatError::Unfit(unfit)) if unfit.completion.tool_calls.is_empty() => {
                    request = request.message(&unfit.completion).message(format!(
                        "That can't be used: {}. Answer again.",
                        unfit.reason
                    ));
                }
                Err(ChatError::Unfit(_)) => {}
                other => return other,
            }
        }
        request.send()
    }
}

impl Tool {
    /// Makes a tool. `parameters` is the JSON Schema of its arguments; empty for none.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: parameters.into(),
            strict: false,
        }
    }

    /// Makes the host judge the arguments by the schema.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

/// Makes several calls at the same time. The answers stand in the order of the requests, and each
/// request has its own success or error.
pub fn complete_many(requests: &[Request]) -> Vec<Result<Completion>> {
    wit::complete_many(requests)
}

type Function<'a> = Box<dyn FnMut(&str) -> crate::Result<String> + 'a>;

/// Tools and the functions behind them.
#[derive(Default)]
pub struct Tools<'a> {
    tools: Vec<(Tool, Function<'a>)>,
}

impl<'a> Tools<'a> {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool. The function gets the arguments, a JSON object, and returns the text for the model;
    /// the text of an error is told to the model, too.
    #[must_use]
    pub fn tool(
        mut self,
        name: &str,
        description: &str,
        parameters: &str,
        function: impl FnMut(&str) -> crate::Result<String> + 'a,
    ) -> Self {
        let tool = Tool::new(name, description, parameters);
        self.tools.push((tool, Box::new(function)));
        self
    }

    /// Makes the host judge the arguments of the last tool by its schema.
    #[must_use]
    pub fn strict(mut self) -> Self {
        if let Some((tool, _)) = self.tools.last_mut() {
            tool.strict = true;
        }
        self
    }

    /// Makes the call, uses the tools that the model asks for, tells it the results, and asks again,
    /// until it answers. Fails if it has not after `rounds` calls. Afterwards `request` has the whole
    /// conversation. A tool that `request` demands is demanded once.
    pub fn answer(mut self, request: &mut Request, rounds: u32) -> crate::Result<Completion> {
        request
            .tools
            .extend(self.tools.iter().map(|(tool, _)| tool.clone()));
        for _ in 0..rounds {
            let answer = wit::chat(request);
            if let Some(ToolChoice::Required | ToolChoice::Named(_)) = request.tool_choice {
                request.tool_choice = None;
            }
            let completion = match answer {
                Ok(completion) => completion,
                // The model learns what was wrong with its call.
                Err(ChatError::Unfit(unfit)) if !unfit.completion.tool_calls.is_empty() => {
                    request.messages.push(Message::from(&unfit.completion));
                    for call in &unfit.completion.tool_calls {
                        let told = format!("error: {}", unfit.reason);
                        request.messages.push(Message::result(call, told));
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            request.messages.push(Message::from(&completion));
            if completion.tool_calls.is_empty() {
                return Ok(completion);
            }
            for call in &completion.tool_calls {
                let told = self.call(call);
                request.messages.push(Message::result(call, told));
            }
        }
        Err(Error::failed(format!(
            "the model still asks for tools after {rounds} calls"
        )))
    }

    fn call(&mut self, call: &ToolCall) -> String {
        let known = self
            .tools
            .iter_mut()
            .find(|(tool, _)| tool.name == call.name);
        let Some((_, function)) = known else {
            return format!("error: there is no tool '{}'", call.name);
        };
        match function(&call.arguments) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_its_builder_was_told() {
        let request = Request::new(Message::system("terse"))
            .message("hello")
            .model("cheap")
            .max_tokens(9)
            .stop("\n")
            .json_schema("out", "{}")
            .tool(Tool::new("add", "Adds", "").strict());
        assert_eq!(request.messages.len(), 2);
        assert_eq!(request.model.as_deref(), Some("cheap"));
        assert_eq!((request.max_tokens, request.stop.len()), (Some(9), 1));
        assert!(request.tools[0].strict);
        assert!(matches!(
            request.response_format,
            ResponseFormat::JsonSchema(JsonSchema { ref name, .. }) if name == "out"
        ));
    }

    #[test]
    fn a_tool_is_called_by_its_name_and_an_error_is_told() {
        let mut seen = Vec::new();
        let mut tools = Tools::new().tool("note", "", "", |arguments| {
            seen.push(arguments.to_owned());
            if arguments == "{}" {
                return Err(Error::failed("nothing to note"));
            }
            Ok("noted".to_owned())
        });
        let mut call = |name: &str, arguments: &str| {
            tools.call(&ToolCall {
                id: "1".to_owned(),
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            })
        };
        assert_eq!(call("note", r#"{"a":1}"#), "noted");
        assert_eq!(call("note", "{}"), "error: nothing to note");
        assert_eq!(call("sing", "{}"), "error: there is no tool 'sing'");
        drop(tools);
        assert_eq!(seen.len(), 2);
    }
}
