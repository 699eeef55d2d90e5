//! The rules for the provider's key: where it may come from, which host it may be sent to, and how
//! it is found in a text. Nothing here holds a key.

pub mod dot_env;
pub mod pairing;
pub mod secret;
