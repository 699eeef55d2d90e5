//! The provider's key: where it may come from, which host it may go to, and how to find it in a
//! text. Nothing here holds a key.

pub mod dot_env;
pub mod pairing;
pub mod secret;
