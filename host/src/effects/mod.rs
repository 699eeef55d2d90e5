//! What reaches the world outside a run: the model, the missions' database, the write gateway.

pub mod gateway;
pub mod llm;
pub mod secrets;
pub mod stop;
pub mod surroundings;
pub mod world;
