//! Everything through which a run acts outside its sandbox: the model, the missions' database and
//! the write gateway.

pub mod environment;
pub mod gateway;
pub mod llm;
pub mod secrets;
pub mod stop;
pub mod world;
