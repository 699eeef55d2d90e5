//! `coo config`: shows the configuration of the state root, and changes one field of it. A change is
//! checked like a file that is read, and with what live calls check. Never prints or takes a secret.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::credentials::secret;

use super::print;
use crate::effects::environment::{BASE_URL, MODEL};
use crate::effects::llm::http::{Endpoint, server_of};
use crate::effects::secrets;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::session::Session;
use crate::state::config::{Config, FIELDS};
use crate::state::state_root::StateRoot;

/// The fields that a variable of the environment or `.env` takes precedence over.
const OVERRIDDEN: [(&str, &str); 2] = [("llm.base_url", BASE_URL), (DEFAULT_MODEL, MODEL)];

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show every field and its value
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change one field
    Set {
        /// Field, such as `llm.default_model`; 'coo config show' lists all
        #[arg(help = "Field, such as llm.default_model; 'coo config show' lists all")]
        key: String,
        /// Value: text or a number; JSON for lists and objects; null for no model
        value: String,
    },
}

pub fn cmd_config(root: &Path, options: &Options) -> Result<ExitCode> {
    match &options.command {
        Command::Show { json } => show(root, *json),
        Command::Set { key, value } => set(root, key, value),
    }
}

fn no_root(root: &Path) -> anyhow::Error {
    anyhow!("no state root at {}", root.display()).hint("'coo init' makes one")
}

fn show(root: &Path, json: bool) -> Result<ExitCode> {
    let session = Session::open(root, Purpose::Read, print::note)?;
    let session = session.ok_or_else(|| no_root(root))?;
    session.environment.learn_key();
    let config = without_secrets(session.config()?.clone());
    if json {
        print::json("coo-configuration/1", &config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = FIELDS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, _) in FIELDS {
        let value = config.field(name)?;
        let value = value.map_or_else(|| "-".to_owned(), |value| print::one_line(&value));
        let _ = writeln!(text, "{name:<width$}  {value}");
    }
    print::out(&text)?;
    for (field, variable) in OVERRIDDEN {
        say_if_overridden(&session, field, variable);
    }
    Ok(ExitCode::SUCCESS)
}

/// Replaces what nobody should have written into the file.
fn without_secrets(mut config: Config) -> Config {
    if server_of(&config.llm.base_url).is_err() || secret::looks_like_key(&config.llm.base_url) {
        secret::REDACTED.clone_into(&mut config.llm.base_url);
    }
    if let Some(model) = &mut config.llm.default_model
        && secret::looks_like_key(model)
    {
        secret::REDACTED.clone_into(model);
    }
    config
}

fn say_if_overridden(session: &Session, field: &str, variable: &str) {
    if session.environment.get(variable).is_some() {
        print::note(&format!(
            "{variable} is set and takes precedence over {field}"
        ));
    }
}

fn holds_key(text: &str) -> bool {
    secret::looks_like_key(text) || secrets::occur_in(text.as_bytes())
}

/// The field of the model that is asked if the environment names none.
pub const DEFAULT_MODEL: &str = "llm.default_model";

fn set(root: &Path, key: &str, value: &str) -> Result<ExitCode> {
    StateRoot::open_existing(root)?.ok_or_else(|| no_root(root))?;
    let session = Session::create(root, Purpose::Change, print::note)?;
    let (session, now) = change(session, key, value)?;
    print::out(&format!("{key} = {}\n", print::one_line(&now)))?;
    for (field, variable) in OVERRIDDEN.into_iter().filter(|(field, _)| *field == key) {
        say_if_overridden(&session, field, variable);
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a name of a model that can't be written to the configuration, before anything is made.
pub fn check_model(model: &str) -> Result<()> {
    refuse_key(DEFAULT_MODEL, model)?;
    Config::fresh().with(DEFAULT_MODEL, model)?;
    Ok(())
}

/// Says if the environment or `.env` names another model.
pub fn say_if_model_overridden(session: &Session) {
    say_if_overridden(session, DEFAULT_MODEL, MODEL);
}

fn refuse_key(key: &str, value: &str) -> Result<()> {
    if [key, value].iter().any(|text| holds_key(text)) {
        bail!(
            anyhow!("configuration: an API key was given, and config.json holds none")
                .hint("set OPENROUTER_API_KEY in the environment or in .env")
        );
    }
    Ok(())
}

/// Changes one field of the configuration. Returns the session with it, and the value that the field
/// has now.
pub fn change(session: Session, key: &str, value: &str) -> Result<(Session, String)> {
    session.environment.learn_key();
    refuse_key(key, value)?;
    let shown = || {
        format!(
            "configuration {}",
            session.root.path().join("config.json").display()
        )
    };
    let config = session.config()?.with(key, value).with_context(shown)?;
    let checked = endpoint(&config).check();
    checked.with_context(|| format!("{}: {key}", shown()))?;
    session.root.configure(&config)?;
    let now = config.field(key)?.unwrap_or_else(|| "null".to_owned());
    Ok((session.configured(config), now))
}

/// Returns what live calls make of the configuration, without a key.
fn endpoint(config: &Config) -> Endpoint {
    let llm = &config.llm;
    Endpoint {
        base_url: llm.base_url.clone(),
        api_key: None,
        max_tokens_field: llm.max_tokens_field.clone(),
        timeout: Duration::from_secs(llm.timeout_seconds),
        attempts: llm.attempts,
    }
}
