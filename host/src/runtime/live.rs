//! The parts that only a recording run has: the missions' database (the world), the gateway's
//! staging area, and access to a model. A replay is created without them, so it can't change
//! anything.

use crate::effects::gateway::Gateway;
use crate::effects::llm::Model;
use crate::effects::world::World;
use crate::progress::Sink;

/// The effects that a recording run performs its calls with.
pub struct Live {
    pub world: World,
    /// The files that the run has staged.
    pub gateway: Gateway,
    pub model: Model,
    /// Learns how far the run is.
    pub tell: Sink,
}
