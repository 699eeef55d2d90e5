//! The module `coo:host`: what the JavaScript side of the runner can ask of the sandbox. Scripts can't
//! import it. Every function gives a value or throws; none panics, whatever it is given.

use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rquickjs::context::EvalOptions;
use rquickjs::module::{Declarations, Exports, ModuleDef};
use rquickjs::promise::PromiseState;
use rquickjs::{Ctx, Exception, Function, Module, Object, Result, TypedArray, Value, qjs};

use crate::envelope::Envelope;
use crate::{digests, files, models, world};

/// A longer sleep is cut into several by nobody: no script waits for a century.
const SLEEP_MS_MAX: f64 = 3.0e12;
/// Bytes that one call draws from the random stream at most, as in Node.js.
const RANDOM_BYTES_MAX: usize = 65_536;

thread_local! {
    static SCRIPT: RefCell<Option<Envelope>> = const { RefCell::new(None) };
    static EXIT: Cell<Option<i32>> = const { Cell::new(None) };
    static BEGUN: Instant = Instant::now();
    static CHANCE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Keeps the script for the functions of this module.
pub fn keep(envelope: Envelope) {
    SCRIPT.set(Some(envelope));
}

/// Looks at the script.
pub fn with_script<T>(look: impl FnOnce(&Envelope) -> T) -> Option<T> {
    SCRIPT.with_borrow(|script| script.as_ref().map(look))
}

/// The status with which the script ended itself; none if it did not.
pub fn exit_status() -> Option<i32> {
    EXIT.get()
}

/// `coo:host`, with one object as its default export.
pub struct Host;

impl ModuleDef for Host {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("default")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let host = Object::new(ctx.clone())?;
        macro_rules! offer {
            ($($name:literal: $function:expr,)*) => {
                $(host.set($name, Function::new(ctx.clone(), $function)?.with_name($name)?)?;)*
            };
        }
        offer! {
            "print": print,
            "printBytes": print_bytes,
            "standardInput": standard_input,
            "script": script,
            "source": source,
            "now": now,
            "elapsed": elapsed,
            "sleep": sleep,
            "random": random,
            "chance": chance,
            "digest": digest,
            "toUtf8": to_utf8,
            "fromUtf8": from_utf8,
            "toBase64": to_base64,
            "fromBase64": from_base64,
            "exit": exit,
            "resolve": files::resolve,
            "evaluate": evaluate,
            "compile": compile,
            "complete": complete,
            "query": world::query,
            "execute": world::execute,
            "write": world::write,
        }
        exports.export("default", host)?;
        Ok(())
    }
}

fn print(to_error: bool, text: String) {
    put(to_error, text.as_bytes());
}

fn print_bytes(to_error: bool, bytes: TypedArray<'_, u8>) {
    put(to_error, &bytes_of(&bytes));
}

/// Returns a copy of the content of an array; nothing of a detached one.
pub fn bytes_of(array: &TypedArray<'_, u8>) -> Vec<u8> {
    #[allow(
        unsafe_code,
        reason = "rquickjs leaves it to the caller that no script runs meanwhile"
    )]
    // SAFETY: the bytes are copied before this function returns, and no script runs until then.
    let bytes = unsafe { array.as_bytes() };
    bytes.unwrap_or_default().to_vec()
}

/// The streams are buffers of the host, bounded by it: a failed write has ended the run already.
fn put(to_error: bool, bytes: &[u8]) {
    let _ = if to_error {
        std::io::stderr().write_all(bytes)
    } else {
        std::io::stdout().write_all(bytes)
    };
}

fn standard_input(ctx: Ctx<'_>) -> Result<TypedArray<'_, u8>> {
    let mut bytes = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut bytes) {
        return Err(Exception::throw_message(&ctx, &error.to_string()));
    }
    TypedArray::new(ctx, bytes)
}

fn script(ctx: Ctx<'_>) -> Result<Object<'_>> {
    let script = Object::new(ctx)?;
    with_script(|envelope| {
        script.set("main", envelope.main.as_str())?;
        script.set("input", envelope.input.as_str())
    })
    .unwrap_or(Ok(()))?;
    let environment = Object::new(script.ctx().clone())?;
    for (name, value) in std::env::vars_os() {
        environment.set(&*name.to_string_lossy(), &*value.to_string_lossy())?;
    }
    script.set("environment", environment)?;
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    script.set("arguments", arguments.collect::<Vec<_>>())?;
    Ok(script)
}

fn source(path: String) -> Option<String> {
    with_script(|envelope| envelope.files.get(&path).cloned()).flatten()
}

/// Milliseconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1000.0
}

/// Milliseconds since the script began, with their fraction.
fn elapsed() -> f64 {
    BEGUN.with(|begun| begun.elapsed().as_secs_f64()) * 1000.0
}

/// Moves the sandbox's clocks; takes no real time.
fn sleep(milliseconds: f64) {
    let milliseconds = milliseconds.clamp(0.0, SLEEP_MS_MAX);
    // To the nanosecond: the sum of many sleeps is then what an author expects.
    if let Ok(time) = Duration::try_from_secs_f64(milliseconds / 1000.0) {
        std::thread::sleep(time);
    }
}

fn random(ctx: Ctx<'_>, count: usize) -> Result<TypedArray<'_, u8>> {
    if count > RANDOM_BYTES_MAX {
        let text = format!("{count} random bytes wanted, limit {RANDOM_BYTES_MAX}");
        return Err(Exception::throw_range(&ctx, &text));
    }
    let mut bytes = vec![0; count];
    if let Err(error) = getrandom::fill(&mut bytes) {
        return Err(Exception::throw_message(&ctx, &error.to_string()));
    }
    TypedArray::new(ctx, bytes)
}

/// A number from 0 to below 1 for `Math.random`: SplitMix64, whose seed the sandbox's stream gives.
fn chance() -> f64 {
    let state = CHANCE.get().unwrap_or_else(|| {
        let mut seed = [0; 8];
        let _ = getrandom::fill(&mut seed);
        u64::from_le_bytes(seed)
    });
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    CHANCE.set(Some(state));
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    let number = (mixed >> 11) as f64;
    number / 9_007_199_254_740_992.0
}

fn digest<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    content: TypedArray<'js, u8>,
) -> Result<Option<TypedArray<'js, u8>>> {
    let digest = digests::digest(&algorithm, &bytes_of(&content));
    digest
        .map(|digest| TypedArray::new(ctx, digest))
        .transpose()
}

fn to_utf8(ctx: Ctx<'_>, text: String) -> Result<TypedArray<'_, u8>> {
    TypedArray::new(ctx, text.into_bytes())
}

/// Bytes that are no UTF-8 become U+FFFD, or nothing at all if `strict`.
fn from_utf8(bytes: TypedArray<'_, u8>, strict: bool) -> Option<String> {
    let bytes = bytes_of(&bytes);
    if strict {
        return String::from_utf8(bytes).ok();
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn to_base64(bytes: TypedArray<'_, u8>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes_of(&bytes))
}

/// With or without padding; nothing if it has other characters.
fn from_base64(ctx: Ctx<'_>, text: String) -> Result<Option<TypedArray<'_, u8>>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(text);
    decoded
        .ok()
        .map(|bytes| TypedArray::new(ctx, bytes))
        .transpose()
}

/// Ends the script, as `process.exit` does: no `catch` and no `finally` of it runs any more.
fn exit(ctx: Ctx<'_>, status: i32) -> Result<()> {
    EXIT.set(Some(status));
    let error = Exception::from_message(ctx.clone(), "the script has ended")?.into_value();
    #[allow(unsafe_code, reason = "rquickjs has no safe call for it")]
    // SAFETY: the context is in use here, and the value is one of its objects.
    unsafe {
        qjs::JS_SetUncatchableError(ctx.as_raw().as_ptr(), error.as_raw());
    }
    Err(ctx.throw(error))
}

/// Runs a module at once and to its end.
fn evaluate(ctx: Ctx<'_>, name: String, text: String) -> Result<()> {
    let promise = Module::evaluate(ctx.clone(), name, text)?;
    match promise.state() {
        PromiseState::Resolved => Ok(()),
        PromiseState::Rejected => promise.result::<()>().unwrap_or(Ok(())),
        PromiseState::Pending => Err(Exception::throw_message(
            &ctx,
            "a module that awaits at its top level can't be loaded by require(); import it",
        )),
    }
}

/// Evaluates an expression in sloppy mode, as the text of a file.
fn compile(ctx: Ctx<'_>, text: String, file: String) -> Result<Value<'_>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file);
    ctx.eval_with_options(text, options)
}

fn complete(ctx: Ctx<'_>, requests: String) -> Result<String> {
    models::complete(&requests).map_err(|text| Exception::throw_type(&ctx, &text))
}
