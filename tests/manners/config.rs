//! `coo config` shows and changes `config.json`: a value that would be refused when it is read is
//! not written, and no secret is printed or taken.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{World, shown};

const KEY: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";

fn world() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["init"]).code, 0);
    world
}

fn stored(world: &World) -> Vec<u8> {
    std::fs::read(world.root().join("config.json")).unwrap()
}

#[test]
fn every_field_is_shown_and_can_be_set() {
    let world = world();
    let mut told = shown("config show", &world.coo(&["config", "show"]));
    for (key, value) in [
        ("llm.attempts", "6"),
        ("llm.base_url", "http://127.0.0.1:8080/v1"),
        ("llm.default_model", "vendor/model"),
        ("llm.default_model", "null"),
        ("llm.max_tokens_field", "max_completion_tokens"),
        ("llm.timeout_seconds", "30"),
        (
            "llm.limits",
            r#"{"https://openrouter.ai": {"requests_per_minute": 60}, "*": {"calls_in_flight": 4}}"#,
        ),
        (
            "llm.prices",
            r#"{"models": {"vendor/model": {"input_micros": 3000000, "output_micros": 15000000}}}"#,
        ),
        (
            "governance.ceiling",
            r#"{"tier": 1, "limits": {"fuel": 1000}}"#,
        ),
        ("governance.protected", r#"["reports/*"]"#),
        ("tools", r#"["cargo", "node"]"#),
    ] {
        let command = ["config", "set", key, value];
        told += &shown(&command.join(" "), &world.coo(&command));
    }
    told += &shown("config show", &world.coo(&["config", "show"]));
    assert_snapshot!(told, @r#"
    $ coo config show
    llm.default_model     HuggingFaceTB/SmolLM2-135M-Instruct
    llm.base_url          https://openrouter.ai/api/v1
    llm.attempts          4
    llm.timeout_seconds   120
    llm.max_tokens_field  max_tokens
    llm.models            -
    llm.limits            -
    llm.prices            -
    governance.ceiling    {"limits":{"artefact_bytes":67108864,"artefacts":1000,"fuel":20000000000,"host_bytes":1073741824,"llm_calls":1000,"llm_tokens":100000000},"paths":["**"],"tier":3}
    governance.protected  -
    rulesets              {"constitutional_lint":"<sha256>","governance_leak":"<sha256>","mission":"<sha256>"}
    tools                 -
    --- exit 0
    $ coo config set llm.attempts 6
    llm.attempts = 6
    --- exit 0
    $ coo config set llm.base_url http://127.0.0.1:<port>/v1
    llm.base_url = http://127.0.0.1:<port>/v1
    --- exit 0
    $ coo config set llm.default_model vendor/model
    llm.default_model = vendor/model
    --- exit 0
    $ coo config set llm.default_model null
    llm.default_model = null
    --- exit 0
    $ coo config set llm.max_tokens_field max_completion_tokens
    llm.max_tokens_field = max_completion_tokens
    --- exit 0
    $ coo config set llm.timeout_seconds 30
    llm.timeout_seconds = 30
    --- exit 0
    $ coo config set llm.limits {"https://openrouter.ai": {"requests_per_minute": 60}, "*": {"calls_in_flight": 4}}
    llm.limits = {"*":{"calls_in_flight":4},"https://openrouter.ai":{"requests_per_minute":60}}
    --- exit 0
    $ coo config set llm.prices {"models": {"vendor/model": {"input_micros": 3000000, "output_micros": 15000000}}}
    llm.prices = {"currency":"USD","models":{"vendor/model":{"input_micros":3000000,"output_micros":15000000}}}
    --- exit 0
    $ coo config set governance.ceiling {"tier": 1, "limits": {"fuel": 1000}}
    governance.ceiling = {"limits":{"fuel":1000},"tier":1}
    --- exit 0
    $ coo config set governance.protected ["reports/*"]
    governance.protected = ["reports/*"]
    --- exit 0
    $ coo config set tools ["cargo", "node"]
    tools = ["cargo","node"]
    --- exit 0
    $ coo config show
    llm.default_model     -
    llm.base_url          http://127.0.0.1:<port>/v1
    llm.attempts          6
    llm.timeout_seconds   30
    llm.max_tokens_field  max_completion_tokens
    llm.models            -
    llm.limits            {"*":{"calls_in_flight":4},"https://openrouter.ai":{"requests_per_minute":60}}
    llm.prices            {"currency":"USD","models":{"vendor/model":{"input_micros":3000000,"output_micros":15000000}}}
    governance.ceiling    {"limits":{"fuel":1000},"tier":1}
    governance.protected  ["reports/*"]
    rulesets              {"constitutional_lint":"<sha256>","governance_leak":"<sha256>","mission":"<sha256>"}
    tools                 ["cargo","node"]
    --- exit 0
    "#);
    let mut shown: Value = world.json(&["config", "show"]);
    let format = shown.as_object_mut().unwrap().remove("format");
    assert_eq!(format, Some(json!("coo-configuration/1")));
    let file: Value = serde_json::from_slice(&stored(&world)).unwrap();
    assert_eq!(shown, file);
    // The next command reads what was written.
    let ran = world.coo(&["run", "demo"]);
    assert!(ran.stderr.contains("No model configured"), "{ran:?}");
}

#[test]
fn a_value_that_would_be_refused_is_not_written() {
    let world = world();
    let before = stored(&world);
    let mut told = String::new();
    for (key, value) in [
        ("llm.atempts", "6"),
        ("llm", "{}"),
        ("", "1"),
        ("llm.attempts", "many"),
        ("llm.attempts", "0"),
        ("llm.attempts", "11"),
        ("llm.attempts", "1.5"),
        ("llm.base_url", "models.example"),
        ("llm.base_url", "https://me:word@models.example/v1"),
        ("llm.max_tokens_field", "tokens"),
        ("llm.timeout_seconds", "3601"),
        ("llm.limits", r#"{"openrouter.ai": {"calls_in_flight": 0}}"#),
        ("llm.limits", r#"{"*": {"calls": 1}}"#),
        ("llm.prices", r#"{"currency": "U.S.$"}"#),
        ("llm.prices", r#"{"models": {"m": {"input_micros": 0.5}}}"#),
        ("governance.ceiling", r#"{"tier": 9}"#),
        ("governance.ceiling", r#"{"teir": 1}"#),
        ("governance.protected", "reports"),
        ("tools", r#""cargo""#),
    ] {
        let command = ["config", "set", key, value];
        told += &shown(&command.join(" "), &world.coo(&command));
        assert_eq!(stored(&world), before, "{key} {value}");
    }
    assert_snapshot!(told, @r#"
    $ coo config set llm.atempts 6
    --- standard error
    ERROR: configuration .coo/config.json: no field 'llm.atempts'
    hint: 'coo config show' lists all fields
    --- exit 1
    $ coo config set llm {}
    --- standard error
    ERROR: configuration .coo/config.json: no field 'llm'
    hint: 'coo config show' lists all fields
    --- exit 1
    $ coo config set  1
    --- standard error
    ERROR: configuration .coo/config.json: no field ''
    hint: 'coo config show' lists all fields
    --- exit 1
    $ coo config set llm.attempts many
    --- standard error
    ERROR: configuration .coo/config.json: llm.attempts: the value is not JSON
    hint: give a number, or a list or an object in quotes of the shell
    --- exit 1
    $ coo config set llm.attempts 0
    --- standard error
    ERROR: configuration .coo/config.json: llm.attempts: number of attempts refused: it is 0
    hint: use 1 to 10
    --- exit 1
    $ coo config set llm.attempts 11
    --- standard error
    ERROR: configuration .coo/config.json: llm.attempts: number of attempts refused: it is 11
    hint: use 1 to 10
    --- exit 1
    $ coo config set llm.attempts 1.5
    --- standard error
    ERROR: configuration .coo/config.json: llm.attempts: invalid type: floating point `1.5`, expected u32
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set llm.base_url models.example
    --- standard error
    ERROR: configuration .coo/config.json: llm.base_url: base URL refused: its scheme is neither http nor https
    hint: give one like https://openrouter.ai/api/v1
    --- exit 1
    $ coo config set llm.base_url https://me:word@models.example/v1
    --- standard error
    ERROR: configuration .coo/config.json: llm.base_url: base URL refused: it has a user name or password
    hint: give the key by its own setting only
    --- exit 1
    $ coo config set llm.max_tokens_field tokens
    --- standard error
    ERROR: configuration .coo/config.json: llm.max_tokens_field: field for the answer's length refused: it is "tokens"
    hint: use max_tokens or max_completion_tokens
    --- exit 1
    $ coo config set llm.timeout_seconds 3601
    --- standard error
    ERROR: configuration .coo/config.json: llm.timeout_seconds: timeout refused: it is 3601 s
    hint: use more than 0 and at most 3600 s
    --- exit 1
    $ coo config set llm.limits {"openrouter.ai": {"calls_in_flight": 0}}
    --- standard error
    ERROR: configuration .coo/config.json: llm.limits.openrouter.ai: names no server; https://host, https://host:port or * needed
    hint: and llm.limits.openrouter.ai.calls_in_flight: 0 found; 1 to 4294967295 needed, or leave it out for no limit
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set llm.limits {"*": {"calls": 1}}
    --- standard error
    ERROR: configuration .coo/config.json: llm.limits: unknown field `calls`, expected one of `calls_in_flight`, `requests_per_minute`, `tokens_per_minute`
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set llm.prices {"currency": "U.S.$"}
    --- standard error
    ERROR: configuration .coo/config.json: llm.prices.currency: 'U.S.$' found; 1 to 16 bytes of letters and digits needed
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set llm.prices {"models": {"m": {"input_micros": 0.5}}}
    --- standard error
    ERROR: configuration .coo/config.json: llm.prices: invalid type: floating point `0.5`, expected u64
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set governance.ceiling {"tier": 9}
    --- standard error
    ERROR: configuration .coo/config.json: governance: see docs/governance.md for its fields: tier: 9 found; 0 to 3 needed
    --- exit 1
    $ coo config set governance.ceiling {"teir": 1}
    --- standard error
    ERROR: configuration .coo/config.json: governance.ceiling: unknown field `teir`, expected one of `limits`, `paths`, `tier`
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set governance.protected reports
    --- standard error
    ERROR: configuration .coo/config.json: governance.protected: the value is not JSON
    hint: give a number, or a list or an object in quotes of the shell
    --- exit 1
    $ coo config set tools "cargo"
    --- standard error
    ERROR: configuration .coo/config.json: tools: invalid type: string "cargo", expected a sequence
    hint: see docs/configuration.md for its fields
    --- exit 1
    "#);
}

#[test]
fn no_secret_is_taken_or_shown() {
    let world = world().with("OPENROUTER_API_KEY", "an-odd-key-of-this-user");
    let before = stored(&world);
    for value in [KEY, "model-an-odd-key-of-this-user"] {
        for key in ["llm.default_model", "llm.base_url", "tools", "nothing"] {
            let ran = world.coo(&["config", "set", key, value]);
            assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
            assert!(!ran.stderr.contains(value), "{ran:?}");
            assert_eq!(stored(&world), before);
        }
    }
    let ran = world.coo(&["config", "set", KEY, "1"]);
    assert!(!ran.stderr.contains(KEY), "{ran:?}");
    let ran = world.coo(&["config", "set", "llm.default_model", KEY]);
    assert_snapshot!(shown("config set llm.default_model sk-…", &ran), @"
    $ coo config set llm.default_model sk-…
    --- standard error
    ERROR: configuration: an API key was given, and config.json holds none
    hint: set OPENROUTER_API_KEY in the environment or in .env
    --- exit 1
    ");
    // A file that was written by hand may hold one.
    for (field, value) in [
        ("default_model", KEY.to_owned()),
        ("base_url", format!("https://user:{KEY}@models.example/v1")),
        (
            "base_url",
            "https://an-odd-key-of-this-user.example/v1".to_owned(),
        ),
    ] {
        let config = serde_json::json!({"llm": {field: value}});
        world.file(".coo/config.json", config.to_string());
        for command in [&["config", "show"][..], &["config", "show", "--json"]] {
            let ran = world.coo(command);
            assert_eq!(ran.code, 0, "{ran:?}");
            let all = ran.stdout + &ran.stderr;
            assert!(
                !all.contains(KEY) && !all.contains("an-odd-key-of-this-user"),
                "{all}"
            );
        }
    }
}

#[test]
fn what_the_environment_says_instead_is_told() {
    let world = world()
        .with("COO_LLM_MODEL", "other/model")
        .with("OPENROUTER_API_KEY", KEY);
    world.file(".env", "COO_LLM_BASE_URL=https://models.example/v1\n");
    let mut told = shown("config show", &world.coo(&["config", "show"]));
    let set = ["config", "set", "llm.default_model", "vendor/model"];
    told += &shown(&set.join(" "), &world.coo(&set));
    assert_snapshot!(told, @r#"
    $ coo config show
    llm.default_model     HuggingFaceTB/SmolLM2-135M-Instruct
    llm.base_url          https://openrouter.ai/api/v1
    llm.attempts          4
    llm.timeout_seconds   120
    llm.max_tokens_field  max_tokens
    llm.models            -
    llm.limits            -
    llm.prices            -
    governance.ceiling    {"limits":{"artefact_bytes":67108864,"artefacts":1000,"fuel":20000000000,"host_bytes":1073741824,"llm_calls":1000,"llm_tokens":100000000},"paths":["**"],"tier":3}
    governance.protected  -
    rulesets              {"constitutional_lint":"<sha256>","governance_leak":"<sha256>","mission":"<sha256>"}
    tools                 -
    --- standard error
    [coo] COO_LLM_BASE_URL is set and takes precedence over llm.base_url
    [coo] COO_LLM_MODEL is set and takes precedence over llm.default_model
    --- exit 0
    $ coo config set llm.default_model vendor/model
    llm.default_model = vendor/model
    --- standard error
    [coo] COO_LLM_MODEL is set and takes precedence over llm.default_model
    --- exit 0
    "#);
}

#[test]
fn without_a_root_or_in_a_frozen_one_nothing_is_set() {
    let empty = World::new();
    let mut told = shown("config show", &empty.coo(&["config", "show"]));
    let set = ["config", "set", "llm.attempts", "2"];
    told += &shown(&set.join(" "), &empty.coo(&set));
    assert!(!empty.root().exists());
    let frozen = world();
    for command in [&["manifests", "write"][..], &["freeze"]] {
        assert_eq!(frozen.coo(command).code, 0);
    }
    let before = stored(&frozen);
    told += &shown(&set.join(" "), &frozen.coo(&set));
    assert_eq!(stored(&frozen), before);
    assert_eq!(frozen.coo(&["config", "show"]).code, 0);
    let broken = world();
    broken.file(".coo/config.json", r#"{"llm": {"atempts": 1}}"#);
    told += &shown("config show", &broken.coo(&["config", "show"]));
    told += &shown(&set.join(" "), &broken.coo(&set));
    assert_snapshot!(told, @"
    $ coo config show
    --- standard error
    ERROR: no state root at .coo
    hint: 'coo init' makes one
    --- exit 1
    $ coo config set llm.attempts 2
    --- standard error
    ERROR: no state root at .coo
    hint: 'coo init' makes one
    --- exit 1
    $ coo config set llm.attempts 2
    --- standard error
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: 'coo freeze lift' lifts the freeze
    --- exit 1
    $ coo config show
    --- standard error
    ERROR: configuration .coo/config.json: line 1: llm.atempts: no such field; did you mean 'attempts'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo config set llm.attempts 2
    --- standard error
    ERROR: configuration .coo/config.json: line 1: llm.atempts: no such field; did you mean 'attempts'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    ");
}
