//! Two of the three imports that reach outside the sandbox: the database and the gateway. Each charges the ledger, asks the kernel for
//! permission, and goes through the tape; none performs an effect itself.

use coo_kernel::effects::artefact::{self, WriteAnswer, WriteRequest};
use coo_kernel::effects::db as data;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::Kind;
use coo_kernel::mission::authority::Call;
use coo_kernel::mission::failure::Bound;

use super::Guest;
use super::bindings::coo::mission1_0_0::{db, gateway};
use crate::effects::stop::Stop;
use crate::effects::world::Bounds;
use crate::runtime::tape::Recorder;

impl Guest {
    /// Waits for the run's turn at the root, as long as others need it.
    async fn turn(&mut self) -> Result<(), Stop> {
        if !self.tape.has_turn()? {
            let _paused = self.watchdog.pause(self.deadline);
            self.tape.catch_up().await?;
        }
        Ok(())
    }

    fn statement(&mut self, sql: String, params: Vec<db::Value>) -> Result<data::Statement, Stop> {
        self.long_operation_begins();
        let params = params
            .into_iter()
            .map(|value| match value {
                db::Value::Null => data::Value::Null,
                db::Value::Integer(number) => data::Value::Integer(number),
                // SQLite stores NaN as NULL; convert it here, so that journal and database agree.
                db::Value::Real(number) if number.is_nan() => data::Value::Null,
                db::Value::Real(number) => data::Value::Real(number),
                db::Value::Text(text) => data::Value::Text(text),
                db::Value::Blob(bytes) => data::Value::Blob(bytes),
            })
            .collect();
        let statement = data::Statement { params, sql };
        self.charge_bytes(statement.weight())?;
        self.ledger.charge(Bound::DbStatements, 1)?;
        Ok(statement)
    }

    async fn write(&mut self, path: String, content: &[u8]) -> Result<WriteAnswer, Stop> {
        self.long_operation_begins();
        self.authority.may(Call::Write)?;
        // An invalid path is refused below, with an answer to the guest.
        let permit = artefact::permit(&path);
        if let Ok(permit) = &permit {
            self.authority.may_write(permit.path())?;
        }
        let bytes = content.len() as u64;
        self.charge_bytes((path.len() as u64).saturating_add(bytes))?;
        self.ledger.charge(Bound::ArtefactBytes, bytes)?;
        self.ledger.charge(Bound::Artefacts, 1)?;
        let request = WriteRequest {
            bytes,
            path: artefact::shortened(path),
            sha256: Digest::of(content),
        };
        let _outside = self.outside.enter();
        self.turn().await?;
        let answer = self
            .tape
            .call(Kind::GatewayWrite, &request, |recorder| match permit {
                Err(refused) => Ok(WriteAnswer::Refused(refused.to_string())),
                Ok(permit) => recorder.stage(&permit, &request, content),
            })
            .await?;
        if let WriteAnswer::Written(artefact) = &answer {
            self.tape.note_artefact(artefact.clone());
        }
        Ok(answer)
    }
}

impl db::Host for Guest {
    async fn query(
        &mut self,
        sql: String,
        params: Vec<db::Value>,
    ) -> wasmtime::Result<Result<db::Rows, db::Error>> {
        // Only the text decides the kind of the statement, because a replay has no database to ask.
        let is_change = data::changes(&sql);
        let call = if is_change {
            Call::Execute
        } else {
            Call::Query
        };
        self.authority.may(call).map_err(Stop::from)?;
        let statement = self.statement(sql, params)?;
        let (limits, deadline) = (*self.ledger.limits(), Some(self.deadline));
        let bounds = Bounds {
            limits: &limits,
            deadline,
            first_time: true,
        };
        let kind = if is_change {
            Kind::DbReturning
        } else {
            Kind::DbQuery
        };
        let _outside = self.outside.enter();
        self.turn().await?;
        let deadline = Some(self.watchdog.after_pauses(self.deadline));
        let bounds = Bounds { deadline, ..bounds };
        let perform = |recorder: &mut Recorder| {
            recorder.live.hold.with_world(|world| {
                if is_change {
                    world.returning(&statement, bounds)
                } else {
                    world.query(&statement, bounds)
                }
            })
        };
        let answer: data::DbAnswer<data::Rows> = self.tape.call(kind, &statement, perform).await?;
        if is_change {
            self.tape.note_execute();
        }
        Ok(match answer.told().map_err(Stop::from)? {
            Ok(rows) => {
                self.charge_bytes(rows.weight())?;
                self.ledger
                    .charge(Bound::DbRowsTotal, rows.rows.len() as u64)?;
                Ok(rows_to_guest(rows))
            }
            Err(refusal) => Err(refusal_to_guest(refusal)),
        })
    }

    async fn execute(
        &mut self,
        sql: String,
        params: Vec<db::Value>,
    ) -> wasmtime::Result<Result<u64, db::Error>> {
        self.authority.may(Call::Execute).map_err(Stop::from)?;
        let statement = self.statement(sql, params)?;
        let (limits, deadline) = (*self.ledger.limits(), Some(self.deadline));
        let bounds = Bounds {
            limits: &limits,
            deadline,
            first_time: true,
        };
        let _outside = self.outside.enter();
        self.turn().await?;
        let deadline = Some(self.watchdog.after_pauses(self.deadline));
        let bounds = Bounds { deadline, ..bounds };
        let perform = |recorder: &mut Recorder| {
            let hold = &recorder.live.hold;
            hold.with_world(|world| world.execute(&statement, bounds))
        };
        let answer: data::DbAnswer<u64> =
            self.tape.call(Kind::DbExecute, &statement, perform).await?;
        self.tape.note_execute();
        let told = answer.told().map_err(Stop::from)?;
        Ok(told.map_err(refusal_to_guest))
    }
}

impl gateway::Host for Guest {
    async fn write(
        &mut self,
        path: String,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<gateway::Receipt, gateway::Error>> {
        Ok(match Guest::write(self, path, &content).await? {
            WriteAnswer::Written(artefact) => Ok(gateway::Receipt {
                path: artefact.path,
                sha256: artefact.sha256.to_string(),
                bytes: artefact.bytes,
            }),
            WriteAnswer::Refused(reason) => Err(gateway::Error::Refused(reason)),
            WriteAnswer::Conflict(reason) => Err(gateway::Error::Conflict(reason)),
        })
    }
}

fn rows_to_guest(rows: data::Rows) -> db::Rows {
    let value = |value| match value {
        data::Value::Null => db::Value::Null,
        data::Value::Integer(number) => db::Value::Integer(number),
        data::Value::Real(number) => db::Value::Real(number),
        data::Value::Text(text) => db::Value::Text(text),
        data::Value::Blob(bytes) => db::Value::Blob(bytes),
    };
    db::Rows {
        columns: rows.columns,
        rows: rows
            .rows
            .into_iter()
            .map(|row| row.into_iter().map(value).collect())
            .collect(),
    }
}

fn refusal_to_guest(refusal: data::Refusal) -> db::Error {
    match refusal {
        data::Refusal::Refused(text) => db::Error::Refused(text),
        data::Refusal::Failed(text) => db::Error::Failed(text),
        data::Refusal::Constraint(text) => db::Error::Constraint(text),
        data::Refusal::Limit(text) => db::Error::Limit(text),
    }
}
