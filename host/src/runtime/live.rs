//! What only a recording run has: the world's database, the gateway's staging area and a
//! way to a model. A replay is made without it, and so can't touch anything.

use crate::effects::gateway::Gateway;
use crate::effects::llm::Model;
use crate::effects::world::World;

/// See the module.
pub struct Live {
    /// The mission world's database.
    pub world: World,
    /// Files about to be made.
    pub gateway: Gateway,
    /// Language models.
    pub model: Model,
}
