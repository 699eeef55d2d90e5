//! Passes every action of a statement to the kernel's judge while `SQLite` prepares the statement.
//! Remembers the reason of a refusal, because `SQLite` reports only "not authorized". Never decides
//! itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coo_kernel::effects::db::{Action, Judge};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// The authorizer of one connection. Clones share its state.
#[derive(Clone)]
pub struct Guard(Arc<Mutex<State>>);

struct State {
    /// False while the host runs a statement of its own.
    is_set: bool,
    judge: Judge,
    refused: Option<String>,
}

impl Guard {
    /// Installs the guard on `connection`.
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

    /// Permits everything until [`Guard::set`], for the host's own statements.
    pub fn lift(&self) {
        self.state().is_set = false;
    }

    /// Judges statements again after [`Guard::lift`].
    pub fn set(&self) {
        self.state().is_set = true;
    }

    /// Starts judging a new statement.
    pub fn begin(&self) {
        self.state().judge = Judge::default();
    }

    /// Returns and clears what was refused since the last call.
    pub fn take_refused(&self) -> Option<String> {
        self.state().refused.take()
    }
}

/// Translates `SQLite`'s action to the kernel's terms. An action of unknown kind becomes `Unknown`,
/// which the kernel refuses.
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
