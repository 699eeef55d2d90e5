//! Everything through which a run acts outside its sandbox: the model, the missions' database (the
//! world) and the write gateway; also the environment and the secrets that they need.

pub mod environment;
pub mod gateway;
pub mod llm;
pub mod secrets;
pub mod stop;
pub mod world;
