//! What a recording tape performs calls with and writes to: the parts of a live run, and a batch of
//! writes that a commit makes durable. Never decides what is recorded.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;
use coo_kernel::effects::artefact::{WriteAnswer, WritePermit, WriteRequest};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::DecisionBody;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::limits::Limits;

use super::recorded::Recorded;
use super::together::Ready;
use crate::effects::gateway::Gateway;
use crate::effects::stop::Stop;
use crate::runtime::live::Live;
use crate::state::store::{Carried, Durability, WriteBatch};

/// Bytes of a batch that is written before the next commit would write it.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// See the module.
pub struct Recorder {
    /// The mission's number.
    pub id: MissionId,
    pub live: Live,
    /// Answers to human steps that were given beforehand, in order.
    pub decisions: VecDeque<DecisionBody>,
    /// The mission's limits, under which statements are performed again.
    pub limits: Limits,
    pub(super) batch: WriteBatch,
    has_lost_writes: bool,
    /// Answers that the run was given before and that are not in its journal, by request and time.
    pub(super) carried: BTreeMap<(Digest, u64), Carried>,
    /// How calls that were made together have ended, by request and time.
    pub(super) ready: BTreeMap<(Digest, u64), Ready>,
}

impl Recorder {
    /// Creates the recorder of mission `id`.
    pub fn new(
        id: MissionId,
        live: Live,
        decisions: Vec<DecisionBody>,
        limits: Limits,
    ) -> Result<Self> {
        let shared = live.hold.shared();
        let carried = shared.with_store(|store| store.carried(id.number()))?;
        Ok(Self {
            id,
            live,
            decisions: decisions.into(),
            limits,
            batch: WriteBatch::default(),
            has_lost_writes: false,
            carried: carried
                .into_iter()
                .map(|carried| ((carried.request_sha256, carried.nth), carried))
                .collect(),
            ready: BTreeMap::new(),
        })
    }

    /// Makes everything so far durable; waits for the run's turn.
    pub async fn commit(&mut self, durability: Durability) -> Result<(), Stop> {
        self.live.hold.take().await?;
        self.write()?;
        if durability == Durability::Power {
            self.live.hold.shared().sync().await?;
        }
        Ok(())
    }

    /// Commits everything so far. The run has its turn.
    pub(super) fn write(&mut self) -> Result<()> {
        // What could not be written is gone, and nothing is written after it.
        self.has_lost_writes = true;
        self.live.hold.commit(&mut self.batch)?;
        self.has_lost_writes = false;
        Ok(())
    }

    /// Returns whether the store holds less than the run has recorded.
    pub const fn has_lost_writes(&self) -> bool {
        self.has_lost_writes
    }

    /// Stages a file and keeps its content.
    pub fn stage(
        &mut self,
        permit: &WritePermit,
        request: &WriteRequest,
        content: &[u8],
    ) -> Result<WriteAnswer, Stop> {
        self.batch.put_content(&request.sha256, content);
        let shared = self.live.hold.shared();
        let (root, gateway) = (shared.root(), &mut self.live.gateway);
        Ok(shared.with_store(|store| gateway.stage(root, store, permit, request))?)
    }

    /// Returns whether the batch is so large that it should be written.
    pub(super) fn is_full(&self) -> bool {
        self.batch.bytes() > BATCH_BYTES_MAX
    }

    /// Returns whether `recorded` has no further event.
    pub(super) fn is_at_end_of(&self, recorded: &mut Recorded) -> Result<bool, Stop> {
        if recorded.front().is_some() {
            return Ok(false);
        }
        let shared = self.live.hold.shared();
        shared.with_store(|store| Ok(recorded.peek(store)?.is_none()))
    }

    /// Forgets everything that the run has asked of the world and the gateway.
    pub(super) fn forget(&mut self) {
        self.live.hold.forget();
        self.live.gateway = Gateway::default();
    }

    /// Takes the writes that are not made yet, to be made when the run ends.
    pub fn take_batch(&mut self) -> WriteBatch {
        std::mem::take(&mut self.batch)
    }
}
