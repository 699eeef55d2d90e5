//! The kernel's judge between every statement and `SQLite`: what is refused is denied while a
//! statement is prepared, and remembered, since `SQLite` says no more than "not authorized".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coo_kernel::effects::db::{Action, Judge};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// See the module.
#[derive(Clone)]
pub struct Guard(Arc<Mutex<State>>);

struct State {
    /// Not while the world does something of its own.
    is_set: bool,
    judge: Judge,
    refused: Option<String>,
}

impl Guard {
    /// Stands before `connection` from now on.
    pub fn new(connection: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self(Arc::new(Mutex::new(State {
            is_set: true,
            judge: Judge::default(),
            refused: None,
        })));
        let own = guard.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| own.judge(&context)))?;
        Ok(guard)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        let mut state = self.state();
        if !state.is_set {
            return Authorization::Allow;
        }
        match state.judge.permit(action(&context.action)) {
            Ok(()) => Authorization::Allow,
            Err(what) => {
                state.refused.get_or_insert(what);
                Authorization::Deny
            }
        }
    }

    /// Lets everything pass: what comes next is the world's own.
    pub fn lift(&self) {
        self.state().is_set = false;
    }

    /// Judges again.
    pub fn set(&self) {
        self.state().is_set = true;
    }

    /// Another statement is prepared.
    pub fn begin(&self) {
        self.state().judge = Judge::default();
    }

    /// What was refused since the last time this was asked.
    pub fn take_refused(&self) -> Option<String> {
        self.state().refused.take()
    }
}

/// `SQLite`'s action in the kernel's terms. What can't be seen here is refused there.
pub fn action<'a>(action: &AuthAction<'a>) -> Action<'a> {
    match *action {
        AuthAction::AlterTable { .. } => Action::Alter,
        AuthAction::Attach { .. } => Action::Attach,
        AuthAction::Detach { .. } => Action::Detach,
        AuthAction::Pragma { pragma_name, .. } => Action::Pragma(pragma_name),
        AuthAction::Transaction { .. } => Action::Transaction,
        AuthAction::Savepoint { .. } => Action::Savepoint,
        AuthAction::CreateVtable { module_name, .. }
        | AuthAction::DropVtable { module_name, .. } => Action::VirtualTable(module_name),
        AuthAction::Read { table_name, .. } => Action::Read(table_name),
        AuthAction::Function { function_name } => Action::Function(function_name),
        AuthAction::Unknown { .. } => Action::Unknown,
        _ => Action::Ordinary,
    }
}
