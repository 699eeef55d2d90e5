//! Scripts as people write them, in the folder of their language: each runs unedited against a server
//! whose answers a file beside it describes, replays byte for byte, and has one chain head under any
//! time zone, language, home and working directory. `NAME.json` has the answers, `NAME.expected` the
//! output, `NAME.input` the input, if any.

mod carried;
mod failures;
mod node;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use coo::inside::machine::env_os;

use crate::support::model_server::{ModelServer, Recorded, Response, Step};
use crate::support::{Ran, World, copy_folder, mission_id};

/// Environment variable: the runner for Python, which `.ci/build-python` makes.
const PYTHON: &str = "COO_TEST_PYTHON";

/// Returns the folder of the scripts of this language.
fn folder(language: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    top.join("tests/scripts").join(language)
}

/// Returns the text of the last message of a request.
fn last_text(request: &Value) -> String {
    let content = &request["messages"].as_array().unwrap().last().unwrap()["content"];
    let Some(parts) = content.as_array() else {
        return content.as_str().unwrap_or_default().to_owned();
    };
    let texts = parts.iter().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Returns what the server says: `text`, `tool_calls` or both.
fn said(say: &Value) -> Response {
    let calls = say["tool_calls"].as_array().into_iter().flatten();
    let calls: Vec<Value> = calls
        .map(|call| {
            let function =
                json!({"name": call["name"], "arguments": call["arguments"].to_string()});
            json!({"id": call["id"], "type": "function", "function": function})
        })
        .collect();
    let mut message = json!({"role": "assistant", "content": say["text"]});
    let mut reason = "stop";
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
        reason = "tool_calls";
    }
    Response::json(
        200,
        &json!({
            "id": "test-1",
            "model": "test/model",
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }),
    )
}

/// Starts a server that answers by rules: the first whose `when` is in the last message says its n-th
/// answer, and its last one from then on.
fn server(rules: &Value) -> ModelServer {
    let rules = rules["rules"].as_array().unwrap().clone();
    let mut counts = vec![0; rules.len()];
    ModelServer::answering(move |request: &Recorded| -> Step {
        let text = last_text(&request.json());
        let applies = |rule: &Value| text.contains(rule["when"].as_str().unwrap());
        let Some(place) = rules.iter().position(applies) else {
            let body = json!({"error": {"message": format!("no rule for {text:?}")}});
            return Response::json(400, &body).into();
        };
        let say = rules[place]["say"].as_array().unwrap();
        let nth = counts[place].min(say.len() - 1);
        counts[place] += 1;
        said(&say[nth]).into()
    })
}

/// Returns a world in which `run` asks this server, with the scripts of the language in `at`.
fn world(language: &str, at: &str, server: &ModelServer) -> World {
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("COO_LLM_MODEL", "test/model");
    copy_folder(&folder(language), &world.path().join(at));
    if language != "py" {
        return world;
    }
    // As `coo runner add` installs it.
    let data = world.path().join("data");
    std::fs::create_dir_all(data.join("coo/runners")).unwrap();
    let runner = env_os(PYTHON).expect("COO_TEST_PYTHON names the runner");
    std::os::unix::fs::symlink(runner, data.join("coo/runners/python.wasm")).unwrap();
    world.with("XDG_DATA_HOME", data.to_str().unwrap())
}

/// Runs the script `at/name`, with its input, if it has one.
fn run(world: &World, at: &str, name: &str) -> Ran {
    let stem = name.rsplit_once('.').unwrap().0;
    let script = format!("{at}/{name}");
    let input = format!("{at}/{stem}.input");
    let mut arguments = vec!["run", &script];
    if world.path().join(&input).exists() {
        arguments.extend(["--input", &input]);
    }
    world.coo(&arguments)
}

/// Checks one script of a language.
fn check(language: &str, name: &str) {
    let stem = name.rsplit_once('.').unwrap().0;
    let read = |ending: &str| {
        let path = folder(language).join(format!("{stem}.{ending}"));
        std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {}", path.display()))
    };
    let rules: Value = serde_json::from_str(&read("json")).unwrap();

    let here = server(&rules);
    let first = world(language, "scripts", &here);
    let ran = run(&first, "scripts", name);
    let fails = folder(language).join(format!("{stem}.fails"));
    let fails = std::fs::read_to_string(fails).ok();
    if let Some(reason) = &fails {
        assert!(ran.stderr.contains(reason.trim_end()), "{}", ran.stderr);
    }
    let code = i32::from(fails.is_some());
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.stdout, read("expected"), "{}", ran.stderr);
    let id = mission_id(&ran);
    drop(here);
    let replayed = first.coo(&["replay", &id]);
    assert!(
        replayed.stdout.contains("Result: IDENTICAL"),
        "{replayed:?}"
    );

    let there = server(&rules);
    let second = world(language, "else/where", &there)
        .with("TZ", "Asia/Tokyo")
        .with("LC_ALL", "tr_TR.UTF-8")
        .with("LANG", "tr_TR.UTF-8")
        .with("HOME", "/nowhere");
    let again = run(&second, "else/where", name);
    assert_eq!(again.code, code, "{again:?}");
    let head = |world: &World| {
        let shown = world.coo(&["inspect", &id]).stdout;
        let line = shown.lines().find(|line| line.contains("Chain head: "));
        line.unwrap_or_else(|| panic!("{shown}")).to_owned()
    };
    assert_eq!(head(&first), head(&second), "the chain of {name}");
}

/// One test for each script, and one that finds a forgotten script.
macro_rules! scripts {
    (# $attribute:tt $language:ident: $($test:ident $name:literal,)*) => {
        mod $language {
            $(#[test]
            # $attribute
            fn $test() {
                super::check(stringify!($language), $name);
            })*

            #[test]
            fn every_script_is_tested() {
                let mut found: Vec<String> = std::fs::read_dir(super::folder(stringify!($language)))
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .filter(|name| ["js", "mjs", "ts", "py"].iter().any(|ending| name.ends_with(&format!(".{ending}"))))
                    .collect();
                found.sort();
                assert_eq!(found, [$($name),*]);
            }
        }
    };
}

scripts! {
    #[cfg(test)]
    js:
    chat "chat.js",
    claude_tools "claude_tools.js",
    csv "csv.js",
    dates "dates.js",
    debate "debate.ts",
    dedupe "dedupe.mjs",
    extract "extract.ts",
    pool "pool.js",
    redact "redact.js",
    retry "retry.js",
    tools "tools.js",
}

scripts! {
    #[ignore = "needs the runner for Python: COO_TEST_PYTHON=$(.ci/build-python)"]
    py:
    broken_key "broken_key.py",
    chat_history "chat_history.py",
    claude_async "claude_async.py",
    claude_tools "claude_tools.py",
    csv_enrich "csv_enrich.py",
    extract_invoice "extract_invoice.py",
    mission_api "mission_api.py",
    prompt_chain "prompt_chain.py",
    rag_small "rag_small.py",
    retry_json "retry_json.py",
    summarise_many "summarise_many.py",
    support_triage "support_triage.py",
    weather_agent "weather_agent.py",
}
