//! A key goes only to a server that is named where the key is. Every combination of where key and
//! server are named, against servers that write down what they get.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, ran, shown};

const OF_ENVIRONMENT: &str = "sk-or-v1-environment-0123456789";
const OF_DOT_ENV: &str = "sk-or-v1-dot-env-0123456789";
const LIVE: [&str; 3] = ["run", "demo", "--live"];

fn server() -> ModelServer {
    ModelServer::answering(|_| Response::completion("An answer.").into())
}

fn configured(world: &World, base_url: Option<&str>) {
    assert_eq!(world.coo(&["init"]).code, 0);
    let path = world.root().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["llm"]["base_url"] = json!(base_url.unwrap_or("https://openrouter.ai/api/v1"));
    std::fs::write(path, config.to_string()).unwrap();
}

fn run(world: &World, variables: &[(&str, &str)]) -> Ran {
    let mut command = world.command(&LIVE);
    command.envs(variables.iter().copied());
    ran(command.output().unwrap())
}

/// How the first of `servers` was asked, and that nobody else was.
fn asked(servers: &[&ModelServer]) -> Vec<Option<String>> {
    let [first, others @ ..] = servers else {
        panic!("no server");
    };
    for other in others {
        assert_eq!(other.requests().len(), 0);
    }
    let requests = first.requests();
    let keys = requests
        .iter()
        .map(|request| request.header("authorization").map(str::to_owned));
    keys.collect()
}

#[test]
fn a_key_goes_to_a_server_that_is_named_where_the_key_is() {
    // Where servers are named, from the first that counts; where keys are; whose key is sent to the
    // first server, or none; `Err` where nothing may be sent at all.
    let (e, d) = (Some(OF_ENVIRONMENT), Some(OF_DOT_ENV));
    let rows = [
        ("environment", "environment", Ok(e)),
        ("environment", ".env", Ok(d)),
        ("environment", "both", Ok(e)),
        ("environment", "none", Ok(None)),
        ("environment, .env", "environment", Ok(e)),
        ("environment, .env", ".env", Err(".env")),
        ("environment, .env", "both", Ok(e)),
        ("environment, config.json", "environment", Ok(e)),
        (".env", "environment", Err("the environment")),
        (".env", ".env", Ok(d)),
        (".env", "both", Ok(d)),
        (".env", "none", Ok(None)),
        (".env, config.json", "environment", Err("the environment")),
        (".env, config.json", "both", Ok(d)),
        ("config.json", "environment", Err("the environment")),
        ("config.json", ".env", Err(".env")),
        ("config.json", "both", Err("the environment")),
        ("config.json", "none", Ok(None)),
    ];
    let world = World::new();
    let mut refusals = String::new();
    for (named, keys, expected) in rows {
        let servers = ["environment", ".env", "config.json"].map(|place| (place, server()));
        let url = |place: &str| {
            let (_, server) = servers.iter().find(|(name, _)| *name == place)?;
            let is_named = named.split(", ").any(|name| name == place);
            is_named.then(|| server.base_url())
        };
        let has = |place| keys == place || keys == "both";
        let mut dot_env = String::new();
        if let Some(url) = url(".env") {
            writeln!(dot_env, "COO_LLM_BASE_URL={url}").unwrap();
        }
        if has(".env") {
            writeln!(dot_env, "OPENROUTER_API_KEY={OF_DOT_ENV}").unwrap();
        }
        world.file(".env", dot_env);
        configured(&world, url("config.json").as_deref());
        let environment_url = url("environment");
        let mut variables = Vec::new();
        if let Some(url) = &environment_url {
            variables.push(("COO_LLM_BASE_URL", url.as_str()));
        }
        if has("environment") {
            variables.push(("OPENROUTER_API_KEY", OF_ENVIRONMENT));
        }
        let case = format!("server of {named}, key of {keys}");

        let first = named.split(", ").next().unwrap();
        let (mut in_order, others): (Vec<_>, Vec<_>) =
            servers.iter().partition(|(place, _)| *place == first);
        in_order.extend(others);
        let in_order: Vec<&ModelServer> = in_order.iter().map(|(_, server)| server).collect();

        let ended = run(&world, &variables);
        let said = format!("{ended:?}");
        assert!(!said.contains(OF_ENVIRONMENT) && !said.contains(OF_DOT_ENV));
        let origin = in_order[0].origin();
        match expected {
            Ok(key) => {
                assert_eq!(ended.code, 0, "{case}: {ended:?}");
                let bearer = key.map(|key| format!("Bearer {key}"));
                assert_eq!(asked(&in_order), [bearer], "{case}");
                let line = format!(": model calls go to {origin}, named by ");
                assert_eq!(ended.stderr.matches(&line).count(), 1, "{ended:?}");
                assert_eq!(ended.stdout, "An answer.");
            }
            Err(whose) => {
                assert_eq!(ended.code, 5, "{case}: {ended:?}");
                assert_eq!(asked(&in_order), [], "{case}");
                let allow = format!(
                    "COO_LLM_ALLOW_HOST={}",
                    origin.strip_prefix("http://").unwrap()
                );
                refusals += &shown(&format!("run demo --live # {case}"), &ended);
                // The snapshot has no ports.
                for word in [&origin, &allow] {
                    assert!(ended.stderr.contains(word), "{case}: {word}: {ended:?}");
                }
                // What it advises.
                let host = origin.strip_prefix("http://").unwrap();
                variables.push(("COO_LLM_ALLOW_HOST", host));
                assert_eq!(run(&world, &variables).code, 0, "{case}");
                let key = if whose == ".env" {
                    OF_DOT_ENV
                } else {
                    OF_ENVIRONMENT
                };
                assert_eq!(asked(&in_order), [Some(format!("Bearer {key}"))], "{case}");
            }
        }
    }
    assert_snapshot!(refusals, @"
    $ coo run demo --live # server of environment, .env, key of .env
    --- standard error
    [coo] DEMO-000006 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000006: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by the environment, and the API key comes from .env in the working directory, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else set OPENROUTER_API_KEY in the environment, too
    hint: 'coo resume DEMO-000006' continues where it stopped
    --- exit 5
    $ coo run demo --live # server of .env, key of environment
    --- standard error
    [coo] DEMO-000010 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000010: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by .env in the working directory, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else put the server's own key into .env, or remove COO_LLM_BASE_URL there
    hint: 'coo resume DEMO-000010' continues where it stopped
    --- exit 5
    $ coo run demo --live # server of .env, config.json, key of environment
    --- standard error
    [coo] DEMO-000015 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000015: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by .env in the working directory, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else put the server's own key into .env, or remove COO_LLM_BASE_URL there
    hint: 'coo resume DEMO-000015' continues where it stopped
    --- exit 5
    $ coo run demo --live # server of config.json, key of environment
    --- standard error
    [coo] DEMO-000018 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000018: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by config.json of the state root, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else correct llm.base_url in config.json, or set COO_LLM_BASE_URL in the environment
    hint: 'coo resume DEMO-000018' continues where it stopped
    --- exit 5
    $ coo run demo --live # server of config.json, key of .env
    --- standard error
    [coo] DEMO-000020 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000020: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by config.json of the state root, and the API key comes from .env in the working directory, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else correct llm.base_url in config.json, or set COO_LLM_BASE_URL in the environment
    hint: 'coo resume DEMO-000020' continues where it stopped
    --- exit 5
    $ coo run demo --live # server of config.json, key of both
    --- standard error
    [coo] DEMO-000022 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000022: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by config.json of the state root, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else correct llm.base_url in config.json, or set COO_LLM_BASE_URL in the environment
    hint: 'coo resume DEMO-000022' continues where it stopped
    --- exit 5
    ");
    for (path, content) in world.root_files() {
        let text = String::from_utf8_lossy(&content);
        let holds = text.contains(OF_ENVIRONMENT) || text.contains(OF_DOT_ENV);
        assert!(!holds, "{}", path.display());
    }
}

#[test]
fn only_the_environment_allows_hosts_and_only_the_host_it_names() {
    let world = World::new();
    let server = server();
    let host = server.origin().replace("http://", "");
    let other = "127.0.0.1:1";
    world.file(
        ".env",
        format!(
            "COO_LLM_BASE_URL={}\nCOO_LLM_ALLOW_HOST={host}\n",
            server.base_url()
        ),
    );
    let mut said = String::new();
    for allowed in ["", other, "localhost"] {
        let variables = [
            ("OPENROUTER_API_KEY", OF_ENVIRONMENT),
            ("COO_LLM_ALLOW_HOST", allowed),
        ];
        let ended = run(&world, &variables);
        said += &shown(&format!("run demo --live # allowed: {allowed}"), &ended);
    }
    assert_snapshot!(said, @"
    $ coo run demo --live # allowed: 
    --- standard error
    [coo] DEMO-000001 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by .env in the working directory, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else put the server's own key into .env, or remove COO_LLM_BASE_URL there
    hint: 'coo resume DEMO-000001' continues where it stopped
    --- exit 5
    $ coo run demo --live # allowed: 127.0.0.1:1
    --- standard error
    [coo] DEMO-000002 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000002: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by .env in the working directory, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else put the server's own key into .env, or remove COO_LLM_BASE_URL there
    hint: 'coo resume DEMO-000002' continues where it stopped
    --- exit 5
    $ coo run demo --live # allowed: localhost
    --- standard error
    [coo] DEMO-000003 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000003: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): nothing was sent: the server http://127.0.0.1:<port> is named by .env in the working directory, and the API key comes from the environment, which does not name it
    hint: to send the key there, set COO_LLM_ALLOW_HOST=127.0.0.1:<port> in the environment; else put the server's own key into .env, or remove COO_LLM_BASE_URL there
    hint: 'coo resume DEMO-000003' continues where it stopped
    --- exit 5
    ");
    let variables = [
        ("OPENROUTER_API_KEY", OF_ENVIRONMENT),
        ("COO_LLM_ALLOW_HOST", "http://no-host"),
    ];
    let ended = run(&world, &variables);
    assert_snapshot!(shown("run demo --live", &ended), @"
    $ coo run demo --live
    --- standard error
    [coo] DEMO-000004 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000004: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): COO_LLM_ALLOW_HOST: is not host or host:port
    hint: give one like models.example:8443
    hint: 'coo resume DEMO-000004' continues where it stopped
    --- exit 5
    ");
    assert_eq!(server.requests().len(), 0);
    let variables = [
        ("OPENROUTER_API_KEY", OF_ENVIRONMENT),
        ("COO_LLM_ALLOW_HOST", "127.0.0.1"),
    ];
    assert_eq!(run(&world, &variables).code, 0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_a_file_says_is_taken_literally_and_takes_no_secret_along() {
    const SECRET: &str = "aws-0123456789-abcdefghij";
    let server = server();
    let world = World::new();
    world.file(
        ".env",
        format!(
            "COO_LLM_BASE_URL={}/${{AWS_SECRET_ACCESS_KEY}}/v1\n\
             COO_LLM_MODEL=\"m-${{OPENROUTER_API_KEY}}-$AWS_SECRET_ACCESS_KEY\"\n\
             HTTPS_PROXY={}\n",
            server.origin(),
            server.origin()
        ),
    );
    let ended = run(
        &world,
        &[
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("OPENROUTER_API_KEY", OF_ENVIRONMENT),
        ],
    );
    assert_eq!(ended.code, 5, "{ended:?}");
    let without_key = run(&world, &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
    let mut text = format!("{ended:?}{without_key:?}{:?}", server.requests());
    for (path, content) in world.root_files() {
        write!(
            text,
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&content)
        )
        .unwrap();
    }
    for secret in [SECRET, OF_ENVIRONMENT] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("m-${OPENROUTER_API_KEY}-$AWS_SECRET_ACCESS_KEY"));
}

#[test]
fn an_address_with_a_secret_in_it_is_refused_unseen() {
    let world = World::new();
    let mut said = String::new();
    for (what, base_url) in [
        ("user", "https://user:pass-0123456789@host.example/v1"),
        ("query", "https://host.example/v1?key=pass-0123456789"),
        ("fragment", "https://host.example/v1#pass-0123456789"),
    ] {
        let by_file = {
            world.file(".env", format!("COO_LLM_BASE_URL={base_url}\n"));
            run(&world, &[])
        };
        world.file(".env", "");
        let by_variable = run(
            &world,
            &[
                ("COO_LLM_BASE_URL", base_url),
                ("OPENROUTER_API_KEY", OF_ENVIRONMENT),
            ],
        );
        for ended in [by_file, by_variable] {
            said += &shown(&format!("run demo --live # {what}"), &ended);
        }
    }
    assert!(!said.contains("pass-0123456789"), "{said}");
    assert_snapshot!(said, @"
    $ coo run demo --live # user
    --- standard error
    [coo] DEMO-000001 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): the server that .env in the working directory names: base URL refused: it has a user name or password
    hint: give the key by its own setting only
    hint: 'coo resume DEMO-000001' continues where it stopped
    --- exit 5
    $ coo run demo --live # user
    --- standard error
    [coo] DEMO-000002 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000002: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): the server that the environment names: base URL refused: it has a user name or password
    hint: give the key by its own setting only
    hint: 'coo resume DEMO-000002' continues where it stopped
    --- exit 5
    $ coo run demo --live # query
    --- standard error
    [coo] DEMO-000003 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000003: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): the server that .env in the working directory names: base URL refused: it has a query (?)
    hint: give one like https://openrouter.ai/api/v1
    hint: 'coo resume DEMO-000003' continues where it stopped
    --- exit 5
    $ coo run demo --live # query
    --- standard error
    [coo] DEMO-000004 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000004: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): the server that the environment names: base URL refused: it has a query (?)
    hint: give one like https://openrouter.ai/api/v1
    hint: 'coo resume DEMO-000004' continues where it stopped
    --- exit 5
    $ coo run demo --live # fragment
    --- standard error
    [coo] DEMO-000005 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000005: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): the server that .env in the working directory names: base URL refused: it has a fragment (#)
    hint: give one like https://openrouter.ai/api/v1
    hint: 'coo resume DEMO-000005' continues where it stopped
    --- exit 5
    $ coo run demo --live # fragment
    --- standard error
    [coo] DEMO-000006 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000006: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): the server that the environment names: base URL refused: it has a fragment (#)
    hint: give one like https://openrouter.ai/api/v1
    hint: 'coo resume DEMO-000006' continues where it stopped
    --- exit 5
    ");
    for (path, content) in world.root_files() {
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("pass-0123456789"), "{}", path.display());
    }
}

#[test]
fn a_key_in_the_place_of_a_model_is_refused_unseen() {
    let world = World::new();
    let mut said = String::new();
    for (model, key) in [
        (OF_ENVIRONMENT, ""),
        ("gsk_0123456789abcdefABCDEF", ""),
        ("vendor/own-0123456789abcdef", "own-0123456789abcdef"),
    ] {
        let variables = [("COO_LLM_MODEL", model), ("OPENROUTER_API_KEY", key)];
        let ended = run(&world, &variables);
        said += &shown("run demo --live", &ended);
        assert!(!format!("{ended:?}").contains("0123456789"), "{ended:?}");
    }
    assert_snapshot!(said, @"
    $ coo run demo --live
    --- standard error
    ERROR: model: the name that is set for it holds an API key, and names are recorded
    hint: set COO_LLM_MODEL to the model's name and the key by OPENROUTER_API_KEY only
    --- exit 1
    $ coo run demo --live
    --- standard error
    ERROR: model: the name that is set for it holds an API key, and names are recorded
    hint: set COO_LLM_MODEL to the model's name and the key by OPENROUTER_API_KEY only
    --- exit 1
    $ coo run demo --live
    --- standard error
    ERROR: model: the name that is set for it holds an API key, and names are recorded
    hint: set COO_LLM_MODEL to the model's name and the key by OPENROUTER_API_KEY only
    --- exit 1
    ");
    assert_eq!(world.list(&["missions"]), json!([]));
}
