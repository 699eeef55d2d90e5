//! Takes a mission from INIT to its end over a tape. Recording and replaying use the same function,
//! so that both perform the same steps in the same order. Touches nothing but the tape and the
//! sandbox.

use std::time::Duration;

use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{EnvironmentBody, Kind, MissionBody, StepReturnedBody, StepStartedBody};
use coo_kernel::llm::models::{Chosen, Models};
use coo_kernel::mission::descriptor::Human;
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::ledger::{Ledger, Used};
use coo_kernel::mission::script;
use coo_kernel::mission::state::Event;

use crate::effects::stop::Stop;
use crate::machine::{Deadline, Stopwatch};
use crate::mission::queue::Place;
use crate::mission::source::Program;
use crate::progress::{Journal, Update};
use crate::runtime::sandbox::{RNG_SEED, StepEnd, StepRun, WALL_CLOCK_START_S, run_step};
use crate::runtime::tape::Tape;
use crate::state::store::Durability;

/// The results of a mission that has ended or was stopped.
pub struct Executed {
    /// The tape that `execute` was given.
    pub tape: Tape,
    /// Why the mission stopped before its end; `Ok` if it reached COMPLETE or FAILED.
    pub stopped: Result<(), Stop>,
    /// Why the mission reached FAILED.
    pub failure: Option<Failure>,
    /// Output of the last step. For a step that failed, its standard output up to the failure.
    pub output: Vec<u8>,
    /// Standard error of all steps, in order.
    pub stderr: Vec<u8>,
    /// Use of every bound, including fuel and memory.
    pub used: Used,
    /// Frames of a trap, innermost first.
    pub backtrace: Vec<String>,
    /// Digest of the linear memories after each guest step; `None` if it was not requested.
    pub memory_sha256: Vec<Option<Digest>>,
}

/// Runs the mission of `program` on `tape`, to its end or until it stops. A mission that has a place in a
/// batch ends when the missions before it have. `wall_clock_max` bounds
/// the real time of each step; the first one has what preparing the program left of it. Every
/// outcome, including a failure, is in the result.
pub async fn execute(
    program: &Program,
    models: &Chosen,
    wall_clock_max: Duration,
    tape: Tape,
    place: Option<&Place>,
) -> Executed {
    let mut run = Executed {
        tape,
        stopped: Ok(()),
        failure: None,
        output: Vec::new(),
        stderr: Vec::new(),
        used: Used::default(),
        backtrace: Vec::new(),
        memory_sha256: Vec::new(),
    };
    run.stopped = begin(program, &mut run.tape).await;
    if run.stopped.is_err() {
        return run;
    }
    let authority = program.plan.authority();
    let terms = &program.plan.descriptor().llm.models;
    let asks = Models::new(terms, &models.aliases);
    let mut ledger = Ledger::new(*authority.limits(), asks);
    let mut begun = Some(program.begun);
    let steps = &program.plan.descriptor().steps;
    for (i, step) in steps.iter().enumerate() {
        run.tape.tell(&Update::Step {
            number: i + 1,
            of: steps.len(),
            id: &step.id,
        });
        let ended;
        if let Some(human) = &step.human {
            let waiting = Stopwatch::start();
            ended = human_step(&step.id, human, &mut run.tape, place).await;
            // It may have waited for missions before it in a batch.
            begun = begun.map(|begun| begun.later(waiting.elapsed()));
        } else {
            let deadline = match begun.take() {
                Some(begun) => Deadline::since(begun, wall_clock_max),
                None => Deadline::after(wall_clock_max),
            };
            (run, ledger, ended) = one_step(program, models, deadline, step, run, ledger).await;
        }
        match ended {
            Ok(()) => {}
            Err(Stop::Failed(failure)) => {
                let failure = authority.attribute(failure);
                let end = Some(failure.clone());
                run.stopped = on_this_world(&mut run.tape, place).await;
                if run.stopped.is_ok() {
                    run.stopped = run.tape.transition(Event::Failed, end);
                }
                // A failure that could not be recorded did not end the mission.
                run.failure = run.stopped.is_ok().then_some(failure);
                break;
            }
            Err(stop) => {
                run.stopped = Err(stop);
                break;
            }
        }
    }
    run.used = ledger.used();
    if run.stopped.is_ok() && run.failure.is_none() {
        run.stopped = on_this_world(&mut run.tape, place).await;
        if run.stopped.is_ok() {
            run.stopped = finish(&mut run.tape);
        }
    }
    if run.stopped.is_ok() {
        run.stopped = run.tape.expect_end();
    }
    run
}

/// Brings an execution that is about to end to its place, and to the world as it is then: the mission ends
/// as it ends on the world of this moment. From here to the end nothing waits.
async fn on_this_world(tape: &mut Tape, place: Option<&Place>) -> Result<(), Stop> {
    if let (Some(place), Some(hold)) = (place, tape.hold())
        && !place.may_end(hold.has_asked())
    {
        hold.release()?;
        place.wait().await;
    }
    tape.catch_up().await
}

async fn begin(program: &Program, tape: &mut Tape) -> Result<(), Stop> {
    let (descriptor, authority) = (program.plan.descriptor(), program.plan.authority());
    let kept = tape.keep(program.canonical.as_bytes())?;
    let script = program.script.as_ref();
    let script = script.map(|script| tape.keep(script.text.as_bytes()));
    tape.begin(&MissionBody {
        descriptor: kept.sha256,
        mission_type: descriptor.mission_type.clone(),
        module: program.module,
        script: script.transpose()?,
        surface: program.surface,
    })?;
    tape.transition(Event::Admitted, None)?;
    tape.event(
        Kind::Environment,
        &EnvironmentBody {
            arguments: descriptor.arguments.clone(),
            engine: descriptor.engine,
            environment: descriptor.environment.clone(),
            governance: authority.policy().governance.clone(),
            limits: *authority.limits(),
            llm: descriptor.llm.sampling(),
            rng_seed: RNG_SEED,
            rules: authority.policy().rules,
            rules_sha256: authority.policy().rules_sha256,
            wall_clock_start_s: WALL_CLOCK_START_S,
        },
    )?;
    tape.transition(Event::EnvironmentCaptured, None)?;
    // If the process is killed after this commit, the journal shows how far the mission came.
    tape.commit(Durability::Process).await?;
    if !tape.is_behind() {
        tape.tell(&Update::OnRecord(Journal::Resumable));
    }
    Ok(())
}

async fn one_step(
    program: &Program,
    models: &Chosen,
    deadline: Deadline,
    step: &coo_kernel::mission::descriptor::Step,
    mut run: Executed,
    ledger: Ledger,
) -> (Executed, Ledger, Result<(), Stop>) {
    let input = match start_step(step, &mut run.tape) {
        Ok(input) => input,
        Err(error) => return (run, ledger, Err(error)),
    };
    let runner_input = match runner_input(program, &input) {
        Ok(input) => input,
        Err(error) => return (run, ledger, Err(error)),
    };
    let end = run_step(
        &program.sandbox.engine,
        &program.linked,
        StepRun {
            tape: run.tape,
            ledger,
            model: models.default.as_deref(),
            plan: &program.plan,
            argument: runner_input.as_deref().unwrap_or(&input),
            input: &input,
            runs_script: runner_input.is_some(),
            deadline,
            digest_memory: program.digest_memory,
        },
    )
    .await;
    let StepEnd {
        result,
        stdout,
        stderr,
        tape,
        ledger,
        memory_sha256,
        backtrace,
    } = end;
    run.memory_sha256.push(memory_sha256);
    run.tape = tape;
    run.backtrace = backtrace;
    if program.script.is_some() && result.as_ref().is_ok_and(|output| *output != stdout) {
        // The script has an output besides what it prints, which people still want to see.
        run.stderr.extend_from_slice(&stdout);
    }
    run.stderr.extend_from_slice(&stderr);
    let ended = match result {
        // The step itself did not end, so its end is not recorded.
        Err(error @ (Stop::Interrupted(_) | Stop::Diverged(_) | Stop::Moved | Stop::Paused)) => {
            Err(error)
        }
        result => end_step(
            &mut run.tape,
            &step.id,
            result.as_deref().ok(),
            &stdout,
            &stderr,
        )
        .and(result),
    };
    let ended = match ended {
        Ok(output) => {
            run.output = output;
            Ok(())
        }
        Err(error) => {
            // The reader of a failed program gets only what it printed before the failure.
            run.output = stdout;
            Err(error)
        }
    };
    (run, ledger, ended)
}

/// Returns what a runner receives; none for a mission that is no script.
fn runner_input(program: &Program, input: &str) -> Result<Option<String>, Stop> {
    let script = program.script.as_ref();
    let input = script.map(|script| script::runner_input(&script.text, input));
    Ok(input.transpose().map_err(anyhow::Error::from)?)
}

/// Asks a person. Without a recorded decision the run stops here (PAUSED); after the decision it
/// resumes from its journal.
async fn human_step(
    id: &str,
    human: &Human,
    tape: &mut Tape,
    place: Option<&Place>,
) -> Result<(), Stop> {
    on_this_world(tape, place).await?;
    let body = StepStartedBody {
        id: id.to_owned(),
        input: tape.keep(human.ask.as_bytes())?,
    };
    tape.event(Kind::StepStarted, &body)?;
    tape.transition(Event::HumanStepReached, None)?;
    tape.decision()?.outcome()?;
    tape.transition(Event::Approved, None)
}

fn start_step(
    step: &coo_kernel::mission::descriptor::Step,
    tape: &mut Tape,
) -> Result<String, Stop> {
    let input = step.input_text()?;
    let body = StepStartedBody {
        id: step.id.clone(),
        input: tape.keep(input.as_bytes())?,
    };
    tape.event(Kind::StepStarted, &body)?;
    Ok(input)
}

fn end_step(
    tape: &mut Tape,
    id: &str,
    output: Option<&[u8]>,
    stdout: &[u8],
    stderr: &[u8],
) -> Result<(), Stop> {
    let body = StepReturnedBody {
        id: id.to_owned(),
        output: output.map(|output| tape.keep(output)).transpose()?,
        stderr: tape.keep(stderr)?,
        stdout: tape.keep(stdout)?,
    };
    tape.event(Kind::StepReturned, &body)?;
    Ok(())
}

fn finish(tape: &mut Tape) -> Result<(), Stop> {
    tape.transition(Event::StepsReturned, None)?;
    let changes = tape.changes().clone();
    tape.event(Kind::World, &changes)?;
    tape.transition(Event::ReportWritten, None)
}
