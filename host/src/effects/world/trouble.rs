//! A failed statement: whether the guest is responsible, and then its refusal, or the machine.
//! Decides by `SQLite`'s codes alone.

use coo_kernel::effects::db::Refusal;
use rusqlite::ErrorCode;

/// Who is responsible for a failed statement.
pub enum Trouble {
    /// The guest: it gets the refusal as its answer, and the journal records it.
    Guest(Refusal),
    /// The machine (disk full, file damaged): stops the run.
    Host(rusqlite::Error),
    /// The guest if it exceeded its memory bound, otherwise the machine.
    Memory(rusqlite::Error),
    /// The guest if the disk has room, otherwise the machine.
    Full(rusqlite::Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Guest(refusal)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let (code, message) = match error {
            rusqlite::Error::SqliteFailure(code, message) => (code, message),
            rusqlite::Error::SqlInputError { error, msg, .. } => (error, Some(msg)),
            rusqlite::Error::MultipleStatement => {
                return refused("more than one statement; run them one by one");
            }
            // Errors about parameters and types, which the machine can't cause.
            other => return Refusal::Failed(other.to_string()).into(),
        };
        let said = |otherwise: &str| message.clone().unwrap_or_else(|| otherwise.to_owned());
        let failure = || rusqlite::Error::SqliteFailure(code, message.clone());
        match code.code {
            ErrorCode::ConstraintViolation => {
                Self::Guest(Refusal::Constraint(said("constraint violated")))
            }
            ErrorCode::TooBig => Self::Guest(Refusal::Limit(said("value too large"))),
            ErrorCode::OutOfMemory => Self::Memory(failure()),
            ErrorCode::DiskFull => Self::Full(failure()),
            // Errors that the text or the values of a statement can cause.
            ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::DatabaseLocked
            | ErrorCode::SchemaChanged
            | ErrorCode::TypeMismatch
            | ErrorCode::ApiMisuse
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::ParameterOutOfRange => {
                Self::Guest(Refusal::Failed(said(&code.to_string())))
            }
            ErrorCode::Unknown if code.extended_code & 0xff == rusqlite::ffi::SQLITE_ERROR => {
                Self::Guest(Refusal::Failed(said(&code.to_string())))
            }
            // Everything else is the machine's fault, including errors not considered here.
            _ => Self::Host(failure()),
        }
    }
}

pub fn refused(what: &str) -> Trouble {
    Refusal::Refused(what.to_owned()).into()
}
