//! What a source file of JavaScript or TypeScript imports, and its text without types. A module of the
//! set does that work, because its parser takes too long to compile: it runs here in an instance of its
//! own that imports nothing, so a source text can do no more than use fuel and memory.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use serde::Deserialize;
use wasmtime::{Instance, Module, Store, StoreLimits, StoreLimitsBuilder};

use crate::hint::Hint as _;
use crate::machine;
use crate::mission::workshop::compiled;
use crate::program::bundle;
use crate::program::code::Code;
use crate::program::compiler::Build;
use crate::program::engine::{self, Layout};

/// Name of the module in the set.
const MODULE: &str = "typescript";
/// Fuel for one file: some ten seconds.
const FUEL: u64 = 50_000_000_000;
/// Memory for one file, in bytes.
const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Real time that compiling the module may take.
const WALL_CLOCK_MAX: Duration = Duration::from_mins(10);

/// An import by a relative path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Import {
    /// As the source has it.
    pub path: String,
    /// Line of the import, from 1.
    pub line: u32,
}

/// What is known about a source file.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Parsed {
    /// The text without types. Every line and column stays where it was.
    pub source: String,
    pub imports: Vec<Import>,
}

/// The answer of the module.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Parsed(Parsed),
    Refused { line: u32, reason: String },
}

/// Returns what the file `name` imports, and its text as JavaScript.
pub fn parse(name: &str, source: String) -> Result<Parsed> {
    let is_typescript = matches!(super::extension(name), Some("ts" | "mts"));
    // Without such a text it can import nothing by a relative path.
    if !is_typescript && !source.contains("./") {
        return Ok(Parsed {
            source,
            imports: Vec::new(),
        });
    }
    match strip(&source, is_typescript)? {
        Answer::Parsed(parsed) => Ok(parsed),
        // The runner says it better, and as a failure of the mission, like every other of its errors.
        Answer::Refused { .. } if !is_typescript => Ok(Parsed {
            source,
            imports: Vec::new(),
        }),
        Answer::Refused { line, reason } => bail!(
            anyhow!("line {line}: {reason}")
                .hint("types are taken away, and what is left runs as JavaScript")
        ),
    }
}

fn strip(source: &str, is_typescript: bool) -> Result<Answer> {
    let shown = "its types can't be stripped";
    let answer = answer(source, is_typescript).context(shown)?;
    serde_json::from_slice(&answer).context(shown)
}

/// Lets the module work on `source`; returns its answer.
fn answer(source: &str, is_typescript: bool) -> Result<Vec<u8>> {
    let module = bundle::module(MODULE).context("its module is not in the set")?;
    let wasm = Bytes::from_static(module.wasm);
    let build = Build {
        settings: EngineSettings::default(),
        digest_memory: false,
        layout: Layout::of_process(),
    };
    let sandbox = engine::build_for(build.settings, build.digest_memory, build.layout)?;
    let code = compiled(
        MODULE,
        &Digest::of(&wasm),
        || Ok(wasm.clone()),
        &sandbox,
        build,
        WALL_CLOCK_MAX,
    )?;
    let Code::Module(module) = code else {
        bail!("the module that strips types is none");
    };
    let limits = StoreLimitsBuilder::new()
        .memory_size(MEMORY_BYTES_MAX)
        .build();
    let mut store = Store::new(&sandbox.engine, limits);
    store.limiter(|limits: &mut StoreLimits| limits);
    store.set_fuel(FUEL)?;
    machine::block_on(work(&mut store, &module, source, is_typescript))
}

async fn work(
    store: &mut Store<StoreLimits>,
    module: &Module,
    source: &str,
    is_typescript: bool,
) -> Result<Vec<u8>> {
    let instance = Instance::new_async(&mut *store, module, &[]).await?;
    let memory = instance.get_memory(&mut *store, "memory");
    let memory = memory.context("its module has no memory")?;
    let length = u32::try_from(source.len())?;
    let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "alloc")?;
    let pointer = alloc.call_async(&mut *store, length).await?;
    memory.write(&mut *store, pointer as usize, source.as_bytes())?;
    let strip = instance.get_typed_func::<(u32, u32, u32), u64>(&mut *store, "strip")?;
    let arguments = (pointer, length, u32::from(is_typescript));
    let place = strip.call_async(&mut *store, arguments).await?;
    let (pointer, length) = (place >> 32, place & u64::from(u32::MAX));
    let (pointer, length) = (usize::try_from(pointer)?, usize::try_from(length)?);
    let memory = memory.data(&*store).get(pointer..);
    let bytes = memory.and_then(|rest| rest.get(..length));
    Ok(bytes
        .context("its module gives an answer outside its memory")?
        .to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_become_spaces() {
        let parsed = parse("a.ts", "const x: number = 1 as any;\n".to_owned()).unwrap();
        assert_eq!(parsed.source, "const x         = 1       ;\n");
        let error = parse("a.ts", "\nenum A { B }".to_owned()).unwrap_err();
        assert!(error.to_string().starts_with("line 2: an enum"), "{error}");
        let error = parse("a.ts", "\nlet = = 1".to_owned()).unwrap_err();
        assert!(error.to_string().starts_with("line 2: "), "{error}");
        // What is wrong in JavaScript is the runner's to say.
        let kept = "import './b.js'; let = 1 2".to_owned();
        assert_eq!(parse("a.js", kept.clone()).unwrap().source, kept);
    }
}
