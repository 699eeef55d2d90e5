//! The error type of a mission: the errors of the three imports, and errors that arise inside a
//! mission. The error's text becomes the reason of a FAILED mission, so it tells what went wrong
//! without naming Rust types. Never carries a failure outside the sandbox (network, time-out):
//! such a failure stops the run and never reaches a mission.

use crate::{db, gateway, llm};
use std::fmt::{self, Display, Formatter};

/// Why a mission failed. `?` turns the errors of [`llm`], [`db`] and [`gateway`] into it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The host refused the model call, or the provider rejected it.
    Llm(llm::Error),
    /// [`llm::ask`] needs a whole answer and got only a part of one.
    Incomplete(llm::FinishReason),
    /// The statement was refused, failed, broke a constraint or exceeded a limit.
    Db(db::Error),
    /// A row did not have the requested column, or the column had another type.
    Column(String),
    /// The write was refused, or the artefact exists with other content.
    Gateway(gateway::Error),
    /// The input is not what the mission expects.
    Input(String),
    /// A reason of the mission's own.
    Failed(String),
}

impl Error {
    /// Makes the error for an input that the mission does not expect; `why` is usually a parser's
    /// error: `serde_json::from_str(&input).map_err(Error::input)?`.
    pub fn input(why: impl Display) -> Self {
        Self::Input(why.to_string())
    }

    /// Makes an error with any other reason, in the mission's own words.
    pub fn failed(why: impl Display) -> Self {
        Self::Failed(why.to_string())
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Llm(llm::Error::Refused(text)) => write!(f, "model call refused: {text}"),
            Self::Llm(llm::Error::Rejected(text)) => {
                write!(f, "model call rejected by the provider: {text}")
            }
            Self::Incomplete(reason) => {
                let why = match reason {
                    llm::FinishReason::Length => "it was cut off at max-tokens",
                    llm::FinishReason::ContentFilter => "the provider withheld a part of it",
                    llm::FinishReason::Stop | llm::FinishReason::Other => "it ended early",
                };
                write!(f, "the model's answer is incomplete: {why}")
            }
            Self::Db(db::Error::Refused(text)) => write!(f, "SQL refused: {text}"),
            Self::Db(db::Error::Failed(text)) => write!(f, "SQL failed: {text}"),
            Self::Db(db::Error::Constraint(text)) => write!(f, "SQL constraint violated: {text}"),
            Self::Db(db::Error::Limit(text)) => write!(f, "SQL went beyond a limit: {text}"),
            Self::Column(text) => write!(f, "unexpected row: {text}"),
            Self::Gateway(gateway::Error::Refused(text)) => write!(f, "write refused: {text}"),
            Self::Gateway(gateway::Error::Conflict(text)) => write!(f, "write conflict: {text}"),
            Self::Input(text) => write!(f, "bad input: {text}"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<llm::Error> for Error {
    fn from(error: llm::Error) -> Self {
        Self::Llm(error)
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::Db(error)
    }
}

impl From<gateway::Error> for Error {
    fn from(error: gateway::Error) -> Self {
        Self::Gateway(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes_on(error: db::Error) -> crate::Result<()> {
        Err(error)?
    }

    #[test]
    fn question_mark_converts_and_the_text_names_the_interface() {
        let error = passes_on(db::Error::Constraint("UNIQUE ticket.id".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SQL constraint violated: UNIQUE ticket.id"
        );
        let error = Error::from(gateway::Error::Conflict("A_v1.0.md exists".into()));
        assert_eq!(error.to_string(), "write conflict: A_v1.0.md exists");
        let error = Error::from(llm::Error::Refused("temperature 0.5, fixed at 0".into()));
        assert_eq!(
            error.to_string(),
            "model call refused: temperature 0.5, fixed at 0"
        );
    }

    #[test]
    fn own_reasons_are_printed_as_they_are() {
        assert_eq!(Error::failed("nothing to do").to_string(), "nothing to do");
        assert_eq!(
            Error::input("no `text`").to_string(),
            "bad input: no `text`"
        );
    }
}
