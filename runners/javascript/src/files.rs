//! Where an import leads: to a file of the script, to a module of the runner, or to a sentence that
//! says why there is no such. Nothing is read from anywhere but the envelope and this program.

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Exception, Module, Result};

use crate::envelope::Envelope;
use crate::native::{self, Host};

/// The module of natives.
const HOST: &str = "coo:host";
/// The module that starts the script.
pub const MAIN: &str = "coo:main";
/// Marks the name of a file when a module of the runner imports it.
const FILE: &str = "file:";

macro_rules! modules {
    ($($name:literal: $file:literal,)*) => {
        &[$(($name, include_str!(concat!("../js/", $file)))),*]
    };
}

/// The modules of the runner. A name with `coo:` is for its own modules alone.
const MODULES: &[(&str, &str)] = modules! {
    "@anthropic-ai/sdk": "anthropic.js",
    "coo": "coo.js",
    "coo:calls": "calls.js",
    "coo:clone": "clone.js",
    "coo:console": "console.js",
    "coo:encoding": "encoding.js",
    "coo:events": "web_events.js",
    "coo:failure": "failure.js",
    "coo:globals": "globals.js",
    "coo:inspect": "inspect.js",
    "coo:intl": "intl.js",
    "coo:main": "main.js",
    "coo:refused": "refused.js",
    "coo:require": "require.js",
    "coo:sdk": "sdk.js",
    "coo:stack": "stack.js",
    "coo:timers": "timers.js",
    "coo:url": "url.js",
    "dotenv": "dotenv.js",
    "dotenv/config": "dotenv.js",
    "node:assert": "node/assert.js",
    "node:buffer": "node/buffer.js",
    "node:crypto": "node/crypto.js",
    "node:events": "node/events.js",
    "node:fs": "node/fs.js",
    "node:fs/promises": "node/fs_promises.js",
    "node:os": "node/os.js",
    "node:path": "node/path.js",
    "node:perf_hooks": "node/perf_hooks.js",
    "node:process": "node/process.js",
    "node:querystring": "node/querystring.js",
    "node:timers": "node/timers.js",
    "node:timers/promises": "node/timers_promises.js",
    "node:url": "node/url.js",
    "node:util": "node/util.js",
    "openai": "openai.js",
};

/// Names of the same modules.
const ALIASES: &[(&str, &str)] = &[
    ("node:assert/strict", "node:assert"),
    ("node:path/posix", "node:path"),
    ("openai/index", "openai"),
];

/// What Node.js has and the sandbox has not, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "child_process",
        "a mission starts no other programs; do the work in the script itself",
    ),
    (
        "cluster",
        "a mission is one process; make several model calls at once with Promise.all",
    ),
    (
        "dgram",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\"",
    ),
    (
        "dns",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\"",
    ),
    (
        "http",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\", and give other data as the input",
    ),
    (
        "http2",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\", and give other data as the input",
    ),
    (
        "https",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\", and give other data as the input",
    ),
    (
        "net",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\"",
    ),
    (
        "readline",
        "there is nobody to ask; the input is process.stdin, or coo.input",
    ),
    (
        "readline/promises",
        "there is nobody to ask; the input is process.stdin, or coo.input",
    ),
    (
        "sqlite",
        "use db.query and db.execute of \"coo\": their database is on record",
    ),
    (
        "tls",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\"",
    ),
    ("vm", "a mission runs its own script alone"),
    (
        "worker_threads",
        "a mission has no threads; make several model calls at once with Promise.all",
    ),
    (
        "axios",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\", and give other data as the input",
    ),
    (
        "node-fetch",
        "a mission has no network; ask models through \"openai\", \"@anthropic-ai/sdk\" or \"coo\", and give other data as the input",
    ),
    (
        "zod",
        "write the JSON Schema itself: response_format and tools take it",
    ),
];

fn builtin(name: &str) -> Option<&'static str> {
    let known = |name: &str| {
        let by_name = MODULES.iter().find(|(known, _)| *known == name);
        by_name.map(|(known, _)| *known)
    };
    let aliased = |name: &str| {
        let by_name = ALIASES.iter().find(|(known, _)| *known == name);
        by_name.map(|(_, target)| *target)
    };
    known(name).or_else(|| aliased(name)).or_else(|| {
        let name = format!("node:{name}");
        known(&name).or_else(|| aliased(&name))
    })
}

/// Whether this is the name of a module of the runner, not of a file.
pub fn is_own(name: &str) -> bool {
    name.starts_with("coo:") || MODULES.iter().any(|(known, _)| *known == name)
}

/// Returns the full name of what `name` means in the module `base`.
pub fn resolve(ctx: Ctx<'_>, base: String, name: String) -> Result<String> {
    let found = native::with_script(|script| find(script, &base, &name));
    match found.unwrap_or_else(|| Err("there is no script".to_owned())) {
        Ok(found) => Ok(found),
        Err(text) => Err(Exception::throw_message(&ctx, &text)),
    }
}

fn find(script: &Envelope, base: &str, name: &str) -> std::result::Result<String, String> {
    if is_own(base)
        || script
            .files
            .get(base)
            .is_some_and(|text| is_common_js(base, text))
    {
        if let Some(file) = name.strip_prefix(FILE)
            && is_own(base)
        {
            return Ok(file.to_owned());
        }
        if name == HOST && is_own(base) || name.starts_with("coo:") && is_own(name) {
            return Ok(name.to_owned());
        }
    }
    if name.starts_with("./") || name.starts_with("../") || name == "." || name == ".." {
        return relative(script, base, name);
    }
    if !name.starts_with("coo:")
        && let Some(own) = builtin(name)
    {
        return Ok(own.to_owned());
    }
    let plain = name.strip_prefix("node:").unwrap_or(name);
    let why = if let Some((_, instead)) = REFUSED.iter().find(|(known, _)| *known == plain) {
        instead
    } else if name.contains("://") || name.starts_with("data:") {
        "a mission has no network; put it into a file beside the script"
    } else if name.starts_with('/') {
        "a mission sees no file system; import it by a path relative to the script"
    } else if name.starts_with("node:") {
        "this runner has no such module of Node.js"
    } else {
        "a mission has no node_modules; put its source into a file beside the script and import that by a relative path"
    };
    Err(refusal(name, base, why))
}

/// The text of a failed import, from which `js/failure.js` finds the line.
fn refusal(name: &str, base: &str, why: &str) -> String {
    format!("module '{name}', imported from {base}, can't be imported: {why}")
}

fn relative(script: &Envelope, base: &str, name: &str) -> std::result::Result<String, String> {
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(refusal(name, base, "it is outside the script's folder"));
                }
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let mut tried = vec![path.clone()];
    // TypeScript names the file that a compiler would make.
    for (from, to) in [
        (".js", ".ts"),
        (".mjs", ".mts"),
        (".cjs", ".cts"),
        (".js", ".tsx"),
    ] {
        if let Some(stem) = path.strip_suffix(from) {
            tried.push(format!("{stem}{to}"));
        }
    }
    for ending in [
        ".js",
        ".ts",
        ".mjs",
        ".cjs",
        ".mts",
        ".cts",
        ".tsx",
        ".jsx",
        ".json",
        "/index.js",
        "/index.ts",
        "/index.mjs",
        "/index.cjs",
    ] {
        tried.push(format!("{path}{ending}").trim_start_matches('/').to_owned());
    }
    let found = tried
        .into_iter()
        .find(|path| script.files.contains_key(path));
    found.ok_or_else(|| refusal(name, base, &format!("there is no file '{path}'")))
}

/// Whether a file is in the older module system of Node.js: it says so by its name, or uses its names
/// and no statement of the newer one.
pub fn is_common_js(path: &str, text: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("cjs" | "cts") => return true,
        Some("mjs" | "mts" | "json") => return false,
        _ => {}
    }
    let is_module = text.lines().map(str::trim_start).any(|line| {
        let after = |word: &str| line.strip_prefix(word).and_then(|rest| rest.chars().next());
        after("import").is_some_and(|next| " {*\"'".contains(next))
            || after("export").is_some_and(|next| " {*".contains(next))
    });
    let uses = |word: &str| text.contains(word);
    !is_module && (uses("require(") || uses("module.exports") || uses("exports."))
}

/// Returns the module that stands for a file of the older system: what it exports, by the names that
/// its text shows.
fn stand_in(path: &str, text: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (place, _) in text.match_indices("exports.") {
        let rest = &text[place + "exports.".len()..];
        let end =
            rest.find(|next: char| !(next.is_ascii_alphanumeric() || next == '_' || next == '$'));
        let name = &rest[..end.unwrap_or(rest.len())];
        let after = rest[name.len()..].trim_start();
        if after.starts_with('=') && !after.starts_with("==") {
            names.push(name);
        }
    }
    for (place, _) in text.match_indices("module.exports") {
        let rest = text[place + "module.exports".len()..].trim_start();
        let Some(body) = rest.strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let Some(body) = body.strip_prefix('{') else {
            continue;
        };
        let members = body.split('}').next().unwrap_or_default();
        names.extend(
            members
                .split(',')
                .map(|member| member.split(':').next().unwrap_or_default().trim()),
        );
    }
    names.sort_unstable();
    names.dedup();
    names.retain(|name| {
        *name != "default"
            && !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
    });
    let path = serde_json::Value::from(path);
    let mut module = format!(
        "import {{ requireFile }} from 'coo:require'; const $m = requireFile({path}); export default $m;"
    );
    for (number, name) in names.iter().enumerate() {
        module += &format!(" const $m{number} = $m?.{name}; export {{ $m{number} as {name} }};");
    }
    module
}

/// Resolves and loads for QuickJS.
pub struct Files;

impl Resolver for Files {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        resolve(ctx.clone(), base.to_owned(), name.to_owned())
    }
}

impl Loader for Files {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if name == HOST {
            return Module::declare_def::<Host, _>(ctx.clone(), name);
        }
        if let Some((_, text)) = MODULES.iter().find(|(known, _)| *known == name) {
            return Module::declare(ctx.clone(), name, *text);
        }
        let text = native::with_script(|script| script.files.get(name).cloned()).flatten();
        let Some(text) = text else {
            let text = format!("there is no file '{name}'");
            return Err(Exception::throw_message(ctx, &text));
        };
        if name.ends_with(".json") {
            let literal = serde_json::Value::from(text);
            let text = format!("export default JSON.parse({literal});");
            return Module::declare(ctx.clone(), name, text);
        }
        if is_common_js(name, &text) {
            return Module::declare(ctx.clone(), name, stand_in(name, &text));
        }
        Module::declare(ctx.clone(), name, text)
    }
}
