//! The parts that only a recording run has: its hold on the root with the missions' database (the
//! world), the gateway's staging area, and access to a model. A replay is created without them, so it
//! can't change anything.

use crate::effects::gateway::Gateway;
use crate::effects::llm::{Flights, Model};
use crate::progress::Sink;
use crate::runtime::hold::Hold;

/// The effects that a recording run performs its calls with.
pub struct Live {
    /// The run's turn at the root, and the world.
    pub hold: Hold,
    /// The files that the run has staged.
    pub gateway: Gateway,
    pub model: Model,
    /// The requests that this process has under way.
    pub flights: Flights,
    /// Learns how far the run is.
    pub tell: Sink,
}
