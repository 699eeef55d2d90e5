//! Models, servers and keys from the user's environment and the file `.env`. `.env` is read once,
//! when a command first needs a value from it, and never by other commands. The kernel decides
//! which key may go to which server. Writes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::credentials::dot_env;
use coo_kernel::credentials::pairing::KEY;
use coo_kernel::credentials::pairing::{self, Allowed, Keys, Known, Server, Source};
use coo_kernel::credentials::secret;
use coo_kernel::llm;
use coo_kernel::llm::models::{Mapped, Terms};

use crate::effects::llm::http::server_of;
use crate::effects::secrets;
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::machine::input_file;
use crate::state::config::{Config, DEFAULT_BASE_URL};

/// The variable for the server of live calls.
pub const BASE_URL: &str = "COO_LLM_BASE_URL";
/// The variable for the model.
pub const MODEL: &str = "COO_LLM_MODEL";
/// Variables that are read from `.env` if the environment does not set them.
pub const IN_DOT_ENV: [&str; 3] = [BASE_URL, MODEL, KEY];
const DOT_ENV: &str = ".env";
/// Number of lines of a foreign `.env` that a message names.
const LINES_NAMED: usize = 3;

/// The environment and the `.env` file of a process.
#[derive(Default)]
pub struct Environment {
    /// The folder of `.env`; `None` if no such file is read.
    folder: Option<PathBuf>,
    dot_env: OnceLock<DotEnv>,
    has_hinted: AtomicBool,
}

/// The usable part of `.env`.
#[derive(Default)]
struct DotEnv {
    values: BTreeMap<&'static str, String>,
    /// A line for the user about the parts of the file that are ignored.
    hint: Option<String>,
    /// Why the file cannot be understood, and what to do. Nothing is sent until it is corrected.
    trouble: Option<(String, String)>,
}

/// The server of live calls, and the key for it.
pub struct Access {
    pub base_url: String,
    /// The source that named the server.
    pub named_by: Source,
    /// The key and its source.
    pub key: Option<(String, Source)>,
}

impl Environment {
    /// Creates the value for a process that works in `folder`. Reads nothing yet.
    #[must_use]
    pub fn of(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..Self::default()
        }
    }

    fn dot_env(&self) -> &DotEnv {
        self.dot_env.get_or_init(|| {
            let read = self.folder.as_deref().map(read).unwrap_or_default();
            if let Some(key) = read.values.get(KEY) {
                secrets::learn(key.trim());
            }
            read
        })
    }

    /// Reads the key in `.env`, if there is one, so that from now on nothing shows or stores it.
    pub fn learn_key(&self) {
        self.dot_env();
    }

    /// Returns a variable from the environment or else from `.env`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        machine::env_text(name).or_else(|| self.dot_env().values.get(name).cloned())
    }

    /// Fails if `.env` cannot be understood.
    pub fn check(&self) -> Result<()> {
        match &self.dot_env().trouble {
            Some((trouble, next)) => bail!(anyhow!("{trouble}").hint(next.as_str())),
            None => Ok(()),
        }
    }

    /// Tells the user, once, which parts of `.env` are ignored.
    fn hint(&self, say: fn(&str)) {
        let DotEnv { hint, trouble, .. } = self.dot_env();
        let trouble = trouble
            .as_ref()
            .map(|(trouble, next)| hint::joined(trouble, [next.clone()]));
        if !self.has_hinted.swap(true, Ordering::Relaxed) {
            hint.iter().chain(&trouble).for_each(|line| say(line));
        }
    }

    /// Returns the model in force, or the prescribed error if there is none.
    pub fn model(&self, config: &Config, say: fn(&str)) -> Result<String> {
        self.default_model(config, say)?.context(llm::NO_MODEL)
    }

    /// Returns the model in force, if there is one.
    pub fn default_model(&self, config: &Config, say: fn(&str)) -> Result<Option<String>> {
        self.hint(say);
        let environment = machine::env_text(MODEL);
        let dot_env = self.dot_env().values.get(MODEL).map(String::as_str);
        let model = llm::resolve_model(
            environment.as_deref(),
            dot_env,
            config.llm.default_model.as_deref(),
        );
        if let Some(model) = model {
            ensure_no_key(model)?;
        }
        Ok(model.map(str::to_owned))
    }

    /// Returns the server of live calls and the key for it. Fails if the key may not go to that
    /// server. Connects to nothing.
    pub fn access(&self, config: &Config, say: fn(&str)) -> Result<Access> {
        let environment_url = machine::env_text(BASE_URL);
        let environment_key = machine::env_text(KEY);
        let nothing = DotEnv::default();
        // If the environment sets both, the file is not needed.
        let dot_env = if environment_url.is_some() && environment_key.is_some() {
            &nothing
        } else {
            self.hint(say);
            self.check()?;
            self.dot_env()
        };
        let dot_env_url = dot_env.values.get(BASE_URL);
        let configured = Some(&config.llm.base_url).filter(|url| *url != DEFAULT_BASE_URL);
        let named = [
            (environment_url.as_ref(), Source::Environment),
            (dot_env_url, Source::DotEnv),
            (configured, Source::Configuration),
        ];
        let (base_url, named_by) = named
            .into_iter()
            .find_map(|(url, by)| Some((url?.clone(), by)))
            .unwrap_or_else(|| (DEFAULT_BASE_URL.to_owned(), Source::BuiltIn));
        let server = Server {
            origin: server_of(&base_url)
                .with_context(|| format!("the server that {named_by} names"))?,
            named_by,
        };
        let allowed = machine::env_text(pairing::ALLOW_HOST).unwrap_or_default();
        let dot_env_origin = dot_env_url
            .map(|url| server_of(url))
            .transpose()
            .with_context(|| format!("the server that {} names", Source::DotEnv))?;
        let known = Known {
            built_in: &server_of(DEFAULT_BASE_URL)?,
            dot_env: dot_env_origin.as_deref(),
            allowed: &Allowed::parse(&allowed)?,
        };
        let keys = Keys {
            environment: environment_key.as_deref(),
            dot_env: dot_env.values.get(KEY).map(String::as_str),
        };
        let key = pairing::key(&server, keys, known)?;
        Ok(Access {
            key: key.map(|(key, source)| (key.to_owned(), source)),
            base_url,
            named_by,
        })
    }
}

/// Returns the models behind the aliases of a descriptor, with the prices that its bounds need.
pub fn models(
    config: &Config,
    terms: &BTreeMap<String, Terms>,
) -> Result<BTreeMap<String, Mapped>> {
    let mapped = |(alias, terms): (&String, &Terms)| {
        let Some(model) = config.llm.models.get(alias) else {
            bail!(
                anyhow!(
                    "model '{alias}': the mission asks it by this name, and the configuration maps \
                     no model to it"
                )
                .hint(format!(
                    "map one: coo config set llm.models '{{\"{alias}\": \"MODEL\"}}'"
                ))
            );
        };
        ensure_no_key(model)?;
        let price = config.llm.prices.models.get(model).copied();
        if terms.cost_micros.is_some() && price.is_none() {
            bail!(
                anyhow!("model '{alias}': the mission bounds its cost, and {model} has no price")
                    .hint("set llm.prices, or leave cost_micros out of the descriptor")
            );
        }
        let mapped = Mapped {
            model: model.clone(),
            price: price.filter(|_| terms.cost_micros.is_some()),
        };
        Ok((alias.clone(), mapped))
    };
    terms.iter().map(mapped).collect()
}

/// Fails if a model's name holds a key, which would be recorded with every request.
fn ensure_no_key(model: &str) -> Result<()> {
    if secret::looks_like_key(model) || secrets::occur_in(model.as_bytes()) {
        bail!(
            anyhow!("model: the name that is set for it holds an API key, and names are recorded")
                .hint(format!(
                    "set {MODEL} to the model's name and the key by {KEY} only"
                ))
        );
    }
    Ok(())
}

fn read(folder: &Path) -> DotEnv {
    let path = folder.join(DOT_ENV);
    let left = |hint: String| DotEnv {
        hint: Some(hint),
        ..DotEnv::default()
    };
    let kind = match std::fs::metadata(&path) {
        // Also the case of a link whose target is missing.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return DotEnv::default(),
        Err(_) => None,
        Ok(metadata) => input_file::kind(metadata.file_type()),
    };
    if kind == Some("a folder") {
        // Most often this is a Python virtual environment.
        return left(format!("file {DOT_ENV}: is a folder, and left alone"));
    }
    let content = match input_file::read(&path, dot_env::BYTES_MAX) {
        Ok(content) => content,
        Err(error) => {
            return DotEnv {
                trouble: Some((
                    format!(
                        "file {DOT_ENV}: nothing of it is used: {}",
                        hint::flat(&error)
                    ),
                    format!("correct or remove it, or set {BASE_URL} and {KEY} in the environment"),
                )),
                ..DotEnv::default()
            };
        }
    };
    let parsed = dot_env::parse(&content, &IN_DOT_ENV);
    let foreign = &parsed.foreign;
    let hint = (!foreign.is_empty()).then(|| {
        let named: Vec<String> = foreign
            .iter()
            .take(LINES_NAMED)
            .map(ToString::to_string)
            .collect();
        let more = foreign.len() - named.len();
        let and_more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let (noun, verb) = if foreign.len() == 1 {
            ("line", "is")
        } else {
            ("lines", "are")
        };
        format!(
            "file {DOT_ENV}: {noun} {}{and_more} {verb} not NAME=value, and left alone",
            named.join(", ")
        )
    });
    let trouble = parsed.broken.first().map(|(line, name)| {
        (
            format!("file {DOT_ENV}: line {line} begins with {name} and is not NAME=value"),
            "correct or remove it".to_owned(),
        )
    });
    DotEnv {
        values: parsed.values,
        hint,
        trouble,
    }
}
