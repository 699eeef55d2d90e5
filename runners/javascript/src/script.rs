//! One run of a script: the event loop, and what its end means for the mission. The loop runs jobs of
//! promises, then lets the JavaScript side fire one timer or make the pending model calls, until there
//! is nothing left to do.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::promise::PromiseState;
use rquickjs::{
    CatchResultExt as _, Context, Ctx, Function, Module, Object, Persistent, Promise, Runtime,
    Value,
};

use crate::envelope::Envelope;
use crate::files::{Files, MAIN};
use crate::native;

/// Bytes of the stack in linear memory that a script may use. Recursion ends in a `RangeError` there,
/// before the engine's own stack of 8 MiB ends, which would be a trap: QuickJS's parser, the deepest
/// user of that one, takes up to 21 bytes of it for each byte here.
const STACK_BYTES_MAX: usize = 320 * 1024;

/// Promises that were rejected and that nobody has handled yet, with what they were rejected with.
type Rejected = Rc<RefCell<Vec<(Persistent<Value<'static>>, Persistent<Value<'static>>)>>>;

/// Why a script did not end well.
enum Ended {
    /// With a reason for the record; the whole report is on standard error.
    Failed(String),
    /// By `process.exit`.
    Exited(i32),
}

/// Runs a script and returns its output.
pub fn run(envelope: Envelope) -> Result<String, String> {
    native::keep(envelope);
    let runtime = Runtime::new().map_err(|error| format!("QuickJS does not start: {error}"))?;
    runtime.set_max_stack_size(STACK_BYTES_MAX);
    runtime.set_loader(Files, Files);
    let rejected = Rejected::default();
    let tracked = rejected.clone();
    runtime.set_host_promise_rejection_tracker(Some(Box::new(
        move |ctx, promise, reason, is_handled| track(&tracked, &ctx, promise, reason, is_handled),
    )));
    let context =
        Context::full(&runtime).map_err(|error| format!("QuickJS does not start: {error}"))?;
    let ended = context.with(|ctx| {
        let run = Run::start(&ctx, &rejected)?;
        match run.to_its_end() {
            Err(Ended::Exited(0)) => run.output(true),
            ended => ended,
        }
    });
    let _ = std::io::Write::flush(&mut std::io::stdout());
    // The instance ends with the run; taking it apart would cost time and gain nothing.
    std::mem::forget(rejected);
    std::mem::forget(context);
    std::mem::forget(runtime);
    match ended {
        Ok(output) => Ok(output),
        Err(Ended::Exited(status)) => Err(format!("exit status {status}")),
        Err(Ended::Failed(reason)) => Err(reason),
    }
}

fn track<'js>(
    rejected: &Rejected,
    ctx: &Ctx<'js>,
    promise: Value<'js>,
    reason: Value<'js>,
    is_handled: bool,
) {
    let mut rejected = rejected.borrow_mut();
    if is_handled {
        rejected.retain(|(known, _)| {
            known
                .clone()
                .restore(ctx)
                .is_ok_and(|known| known != promise)
        });
    } else {
        rejected.push((
            Persistent::save(ctx, promise),
            Persistent::save(ctx, reason),
        ));
    }
}

/// A script under way.
struct Run<'js, 'a> {
    ctx: &'a Ctx<'js>,
    rejected: &'a Rejected,
    /// The functions of `js/main.js`.
    driver: Object<'js>,
    main: Promise<'js>,
}

impl<'js, 'a> Run<'js, 'a> {
    fn start(ctx: &'a Ctx<'js>, rejected: &'a Rejected) -> Result<Self, Ended> {
        let broken = |error: rquickjs::CaughtError<'_>| {
            Ended::Failed(format!("the runner does not start: {error}"))
        };
        let started = || {
            let text = format!("import * as driver from '{MAIN}'; globalThis.driver = driver;");
            let loaded = Module::evaluate(ctx.clone(), "coo:start", text)?;
            loaded.finish::<()>()?;
            let driver: Object<'js> = ctx.globals().get("driver")?;
            ctx.globals().remove("driver")?;
            let start: Function<'js> = driver.get("start")?;
            let main: Promise<'js> = start.call(())?;
            Ok((driver, main))
        };
        let (driver, main) = started().catch(ctx).map_err(broken)?;
        Ok(Self {
            ctx,
            rejected,
            driver,
            main,
        })
    }

    fn to_its_end(&self) -> Result<String, Ended> {
        loop {
            self.jobs()?;
            self.rejections()?;
            let step: rquickjs::Result<bool> = self
                .driver
                .get("step")
                .and_then(|step: Function<'js>| step.call(()));
            match step {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    Self::exited()?;
                    return Err(self.failed(self.ctx.catch()));
                }
            }
        }
        if self.main.state() == PromiseState::Pending {
            let deadlock: rquickjs::Result<Value<'js>> = self
                .driver
                .get("deadlock")
                .and_then(|deadlock: Function<'js>| deadlock.call(()));
            return Err(match deadlock {
                Ok(error) => self.failed(error),
                Err(_) => self.failed(self.ctx.catch()),
            });
        }
        self.output(false)
    }

    /// Returns the output that the script gave.
    fn output(&self, has_exited: bool) -> Result<String, Ended> {
        let output: rquickjs::Result<String> = self
            .driver
            .get("finish")
            .and_then(|finish: Function<'js>| finish.call((has_exited,)));
        output.or_else(|_| {
            if !has_exited {
                Self::exited()?;
            }
            Err(self.failed(self.ctx.catch()))
        })
    }

    /// Runs the jobs of promises until there are none.
    fn jobs(&self) -> Result<(), Ended> {
        Self::exited()?;
        while self.ctx.execute_pending_job() {
            Self::exited()?;
        }
        Ok(())
    }

    fn exited() -> Result<(), Ended> {
        native::exit_status().map_or(Ok(()), |status| Err(Ended::Exited(status)))
    }

    /// Ends the run if a promise was rejected and nobody has handled it by now.
    fn rejections(&self) -> Result<(), Ended> {
        let first = self.rejected.borrow().first().cloned();
        let Some((_, reason)) = first else {
            return Ok(());
        };
        Err(match reason.restore(self.ctx) {
            Ok(reason) => self.failed(reason),
            Err(error) => Ended::Failed(error.to_string()),
        })
    }

    /// Writes the whole report of an uncaught error, and returns it as one line.
    fn failed(&self, error: Value<'js>) -> Ended {
        let report: rquickjs::Result<String> = self
            .driver
            .get("report")
            .and_then(|report: Function<'js>| report.call((error,)));
        Ended::Failed(report.unwrap_or_else(|_| {
            self.ctx.catch();
            "Error: an error that can't be shown".to_owned()
        }))
    }
}
