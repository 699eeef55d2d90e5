//! The bounds of what a request of 1.1 says: names, numbers and sizes, and whether each schema is one.
//! What is beyond them is refused before anything is sent, with the part's name, what was found and
//! what is allowed. Never changes a request.

use super::chat::{Format, Options, Tool, ToolChoice};
use super::{Message, Role, schema};
use crate::form::plain;

/// Most tools of one request.
pub const TOOLS_MAX: usize = 128;
/// Most stop sequences of one request; servers take 4 to 16.
pub const STOP_MAX: usize = 16;
/// Longest stop sequence, in bytes.
pub const STOP_BYTES_MAX: usize = 256;
/// Longest name of a tool, a schema or an alias, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Largest image, in bytes.
pub const IMAGE_BYTES_MAX: u64 = 20 << 20;
/// Media types of images that models take.
pub const IMAGE_TYPES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];

/// Returns whether `name` is one of a tool, a schema or an alias.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn name(what: &str, name: &str) -> Result<(), String> {
    if is_name(name) {
        return Ok(());
    }
    let found = plain::one_line(name);
    Err(format!(
        "{what}: name '{found}' found; 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 _ - needed"
    ))
}

/// Checks what a request says besides its messages. `Err` completes "model call refused: …".
pub fn options(options: &Options) -> Result<(), String> {
    let Options {
        alias: _,
        response_format,
        stop,
        tool_choice,
        tools,
    } = options;
    if stop.len() > STOP_MAX {
        return Err(format!(
            "stop: {} texts found; at most {STOP_MAX} allowed",
            stop.len()
        ));
    }
    for text in stop {
        if !(1..=STOP_BYTES_MAX).contains(&text.len()) {
            return Err(format!(
                "stop: a text of {} found; 1 to {STOP_BYTES_MAX} bytes allowed",
                plain::count(text.len(), "byte")
            ));
        }
    }
    if let Format::JsonSchema(format) = response_format {
        name("response format", &format.name)?;
        let wrong = |wrong| format!("response format '{}': {wrong}", format.name);
        schema::read(&format.schema).map_err(wrong)?;
    }
    self::tools(tools)?;
    let offers = |name: &str| tools.iter().any(|tool| tool.name == name);
    match tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => Ok(()),
        Some(ToolChoice::Required) if !tools.is_empty() => Ok(()),
        Some(ToolChoice::Required) => {
            Err("tool choice 'required', and no tool is offered".to_owned())
        }
        Some(ToolChoice::Named(name)) if offers(name) => Ok(()),
        Some(ToolChoice::Named(name)) => Err(format!(
            "tool choice '{}', and no such tool is offered",
            plain::one_line(name)
        )),
    }
}

fn tools(tools: &[Tool]) -> Result<(), String> {
    if tools.len() > TOOLS_MAX {
        return Err(format!(
            "tools: {} found; at most {TOOLS_MAX} allowed",
            tools.len()
        ));
    }
    for (i, tool) in tools.iter().enumerate() {
        name("tool", &tool.name)?;
        if tools[..i].iter().any(|other| other.name == tool.name) {
            return Err(format!("tool '{}': found twice", tool.name));
        }
        let read = schema::read(&tool.parameters);
        read.map_err(|wrong| format!("tool '{}': parameters: {wrong}", tool.name))?;
    }
    Ok(())
}

/// Checks the messages of a request.
pub fn messages(messages: &[Message]) -> Result<(), String> {
    for (number, message) in (1..).zip(messages) {
        for image in &message.images {
            let media_type = image.media_type.as_str();
            if !IMAGE_TYPES.contains(&media_type) {
                return Err(format!(
                    "message {number}: image of type '{}' found; {} are allowed",
                    plain::one_line(media_type),
                    IMAGE_TYPES.join(", ")
                ));
            }
            if !(1..=IMAGE_BYTES_MAX).contains(&image.bytes) {
                return Err(format!(
                    "message {number}: image of {} bytes found; 1 to {IMAGE_BYTES_MAX} allowed",
                    image.bytes
                ));
            }
        }
        if message.role == Role::Tool && message.tool_call_id.as_deref().is_none_or(str::is_empty) {
            return Err(format!(
                "message {number}: result of a tool without the id of its call"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::chat::{Image, JsonSchema};

    fn tool(name: &str, parameters: &str) -> Tool {
        Tool {
            description: String::new(),
            name: name.to_owned(),
            parameters: parameters.to_owned(),
            strict: false,
        }
    }

    #[test]
    fn each_bound_is_named_with_what_was_found() {
        let all = |change: fn(&mut Options)| {
            let mut said = Options {
                tools: vec![tool("weather", r#"{"type":"object"}"#)],
                ..Options::default()
            };
            change(&mut said);
            options(&said).err().unwrap_or_default()
        };
        assert_eq!(all(|_| {}), "");
        for (change, said) in [
            (
                (|o| o.stop = vec![String::new()]) as fn(&mut Options),
                "stop: a text of 0 bytes found; 1 to 256 bytes allowed",
            ),
            (
                |o| o.stop = vec!["x".to_owned(); 17],
                "stop: 17 texts found; at most 16 allowed",
            ),
            (
                |o| o.tools.push(tool("weather", "")),
                "tool 'weather': found twice",
            ),
            (
                |o| o.tools[0].name = "what now".to_owned(),
                "tool: name 'what now' found; 1 to 64 of a-z A-Z 0-9 _ - needed",
            ),
            (
                |o| o.tools[0].parameters = "{".to_owned(),
                "tool 'weather': parameters: no JSON: EOF while parsing an object at line 1 column 1",
            ),
            (
                |o| o.tool_choice = Some(ToolChoice::Named("time".to_owned())),
                "tool choice 'time', and no such tool is offered",
            ),
            (
                |o| {
                    o.tools.clear();
                    o.tool_choice = Some(ToolChoice::Required);
                },
                "tool choice 'required', and no tool is offered",
            ),
            (
                |o| {
                    o.response_format = Format::JsonSchema(JsonSchema {
                        name: "n".to_owned(),
                        schema: "[]".to_owned(),
                    });
                },
                "response format 'n': no schema: an array found; an object needed",
            ),
        ] {
            assert_eq!(all(change), said);
        }
    }

    #[test]
    fn images_and_results_are_bounded() {
        let with = |image: Image| Message {
            images: vec![image],
            ..Message::new(Role::User, "look")
        };
        let picture = |media_type: &str, bytes| Image::new(media_type.to_owned(), vec![1; bytes]);
        assert_eq!(messages(&[with(picture("image/png", 9))]), Ok(()));
        assert!(messages(&[with(picture("image/svg+xml", 9))]).is_err());
        assert!(messages(&[with(picture("image/png", 0))]).is_err());
        assert!(messages(&[Message::new(Role::Tool, "21 degrees")]).is_err());
    }
}
