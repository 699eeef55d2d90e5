//! The API keys that this process knows: the one in the environment, and those it has read from
//! `.env`. Text for people is searched for them before it is printed, and data before it is
//! recorded. The kernel decides which text counts as a key. Never prints or stores a key.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Result, anyhow, bail};
use coo_kernel::credentials::pairing::KEY;
use coo_kernel::credentials::secret;

use crate::hint::Hint as _;
use crate::machine;

static OF_ENVIRONMENT: OnceLock<Option<String>> = OnceLock::new();
/// Keys from places other than the environment.
static READ: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Adds a key that was read: from now on nothing shows or stores it.
pub fn learn(key: &str) {
    let mut read = read();
    if secret::counts(key) && !read.iter().any(|known| known == key) {
        read.push(key.to_owned());
    }
}

/// Returns the key in the environment.
fn of_environment() -> Option<&'static String> {
    let key = OF_ENVIRONMENT.get_or_init(|| {
        machine::env_text(KEY)
            .map(|key| key.trim().to_owned())
            .filter(|key| secret::counts(key))
    });
    key.as_ref()
}

/// Returns the keys from other places.
fn read() -> MutexGuard<'static, Vec<String>> {
    READ.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns text for people with every key replaced.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    let known: Vec<String> = of_environment()
        .into_iter()
        .chain(read().iter())
        .cloned()
        .collect();
    secret::without(text, &known, secret::REDACTED)
}

/// Redacts bytes that need not be text, as `redacted` does. Bytes without a key stay unchanged.
#[must_use]
pub fn redacted_bytes(content: &[u8]) -> Cow<'_, [u8]> {
    if !occur_in(content) {
        return Cow::Borrowed(content);
    }
    let text = String::from_utf8_lossy(content);
    Cow::Owned(redacted(&text).into_owned().into_bytes())
}

/// Returns whether `content` contains a key.
#[must_use]
pub fn occur_in(content: &[u8]) -> bool {
    let holds = |key: &String| secret::occurs_in(content, key);
    of_environment().is_some_and(holds) || read().iter().any(holds)
}

/// Refuses to record `content` if it contains a key; `what` names it in the error.
pub fn refuse_in(what: &str, content: &[u8]) -> Result<()> {
    if occur_in(content) {
        bail!(
            anyhow!("{what}: contains the API key, which is recorded nowhere").hint(
                "take the key out of the mission, and replace the key if others may have seen it"
            )
        );
    }
    Ok(())
}
