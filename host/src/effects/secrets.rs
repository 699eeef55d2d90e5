//! The API keys that this process knows: the environment's, and what it has read from `.env`. Words
//! for people are searched for them before they are printed, and what is recorded before it is
//! written. Which text counts is the kernel's rule. Never prints a key and never stores one.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Result, bail};
use coo_kernel::credentials::secret;

use crate::effects::surroundings::KEY;
use crate::machine;

static OF_ENVIRONMENT: OnceLock<Option<String>> = OnceLock::new();
/// Keys that other places than the environment have.
static READ: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A key was read: from now on nothing shows or keeps it.
pub fn learn(key: &str) {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if secret::counts(key) && !read.iter().any(|known| known == key) {
        read.push(key.to_owned());
    }
}

/// Every key that is searched for.
fn known() -> Vec<String> {
    let environment = OF_ENVIRONMENT.get_or_init(|| {
        machine::env_text(KEY)
            .map(|key| key.trim().to_owned())
            .filter(|key| secret::counts(key))
    });
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    environment.iter().chain(read.iter()).cloned().collect()
}

/// Words for people, without any key.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    secret::without(text, &known(), secret::REDACTED)
}

/// As `redacted`, for bytes that need not be text. Without a key in them they stay as they are.
#[must_use]
pub fn redacted_bytes(content: &[u8]) -> Cow<'_, [u8]> {
    if !occur_in(content) {
        return Cow::Borrowed(content);
    }
    let text = String::from_utf8_lossy(content);
    Cow::Owned(redacted(&text).into_owned().into_bytes())
}

/// Whether a key is in `content`.
#[must_use]
pub fn occur_in(content: &[u8]) -> bool {
    known().iter().any(|key| secret::occurs_in(content, key))
}

/// Refuses what would be recorded, `what`, if a key is in it.
pub fn refuse_in(what: &str, content: &[u8]) -> Result<()> {
    if occur_in(content) {
        bail!(
            "{what}: contains the API key, which is recorded nowhere; take the key out of the mission, and replace the key where somebody else may have seen it"
        );
    }
    Ok(())
}
