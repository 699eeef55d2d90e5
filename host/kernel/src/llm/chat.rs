//! What the model interface of 1.1 adds to a request and an answer, as data: a model's alias, tools,
//! the form of the answer, stop sequences, images. Every part is covered by the digest of the request.
//! A request without any of it has the form and the digest that it had before. Asks and judges
//! nothing; `check` bounds it, `fit` judges answers. Fields stand in key order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::form::digest::Digest;

/// What a request of 1.1 says besides its messages and its sampling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The mission's name for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    #[serde(default, skip_serializing_if = "Format::is_text")]
    pub response_format: Format,
    /// Texts before which the answer ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
}

impl Options {
    /// Returns whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the size of all texts in bytes.
    pub fn bytes(&self) -> u64 {
        let tools = self.tools.iter().map(Tool::bytes);
        let stop = self.stop.iter().map(|text| text.len() as u64);
        let format = match &self.response_format {
            Format::Text | Format::Json => 0,
            Format::JsonSchema(JsonSchema { name, schema }) => (name.len() + schema.len()) as u64,
        };
        let alias = self.alias.as_ref().map_or(0, |alias| alias.len() as u64);
        let all = tools.chain(stop).chain([format, alias]);
        all.fold(0, u64::saturating_add)
    }
}

/// The form that the text of an answer must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Text,
    /// A JSON object.
    Json,
    JsonSchema(JsonSchema),
}

impl Format {
    fn is_text(&self) -> bool {
        *self == Self::Text
    }
}

/// A JSON Schema, in the guest's own text: models answer in the order in which it names properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JsonSchema {
    pub name: String,
    pub schema: String,
}

/// Whether the model may, must or must not ask for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    Auto,
    /// It must ask for this one.
    Named(String),
    None,
    /// It must ask for one.
    Required,
}

/// A tool that the model may ask for. The mission uses it, inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub description: String,
    pub name: String,
    /// JSON Schema of its arguments, in the guest's own text.
    pub parameters: String,
    /// Whether arguments must fit the schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

impl Tool {
    fn bytes(&self) -> u64 {
        (self.description.len() + self.name.len() + self.parameters.len()) as u64
    }
}

/// A model asks for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// As the model wrote them.
    pub arguments: String,
    /// The model's name for this call.
    pub id: String,
    pub name: String,
}

impl ToolCall {
    /// Returns the size of its texts in bytes.
    pub fn bytes(&self) -> u64 {
        (self.arguments.len() + self.id.len() + self.name.len()) as u64
    }
}

/// A picture, by its digest. Its bytes are no part of a request's canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub bytes: u64,
    pub media_type: String,
    pub sha256: Digest,
    /// The picture itself, in a request that is to be sent; empty in one that is read from a record.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

impl Image {
    /// Returns the picture with this content.
    pub fn new(media_type: String, content: Vec<u8>) -> Self {
        Self {
            bytes: content.len() as u64,
            media_type,
            sha256: Digest::of(&content),
            content: content.into(),
        }
    }
}
