//! Reads a journal ahead of a tape, a segment at a time, each verified against the chain before anything
//! of it is used. A replay verifies the next segment on a thread of its own while the guest is answered
//! from this one, because the digests take as long as the guest does. Compares nothing.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, anyhow};
use coo_kernel::journal::{Broken, Chain, SEGMENT_BYTES, Seen, Segment, Verified};
use coo_kernel::mission::MissionId;

use crate::effects::stop::Stop;
use crate::state::store::Store;

/// A longer segment is verified when the tape comes to it, so that no two of them are in memory.
const AHEAD_BYTES_MAX: usize = 2 * SEGMENT_BYTES;

/// A journal that is being re-executed or replayed.
pub struct Recorded {
    pub(super) id: MissionId,
    current: Verified,
    verified: Chain,
    /// `None` for a journal that may change behind the tape.
    ahead: Option<Ahead>,
}

/// Verifies segments beside the tape, one at a time.
#[derive(Default)]
struct Ahead {
    verifier: Option<Verifier>,
    /// Whether the verifier has a segment.
    is_busy: bool,
}

/// A verified segment, and the chain that ends with it.
type Followed = Result<(Verified, Chain), Broken>;

struct Verifier {
    segments: SyncSender<(Segment, Chain)>,
    verified: Receiver<Followed>,
}

impl Recorded {
    /// Returns the journal of a run that re-executes it, and may replace its end.
    pub fn of(id: MissionId) -> Self {
        Self {
            id,
            current: Verified::default(),
            verified: Chain::default(),
            ahead: None,
        }
    }

    /// Returns the journal of a mission that has ended.
    pub fn of_ended(id: MissionId) -> Self {
        Self {
            ahead: Some(Ahead::default()),
            ..Self::of(id)
        }
    }

    /// Returns the next recorded event, after verifying its segment against the chain.
    pub fn peek(&mut self, store: &Store) -> Result<Option<Seen<'_>>, Stop> {
        if self.current.front().is_none() {
            self.advance(store)?;
        }
        Ok(self.current.front())
    }

    /// Returns the next recorded event, if its segment was read.
    pub fn front(&self) -> Option<Seen<'_>> {
        self.current.front()
    }

    /// Moves past the next event.
    pub fn pass(&mut self) {
        self.current.pass();
    }

    fn advance(&mut self, store: &Store) -> Result<(), Stop> {
        let Self {
            id,
            current,
            verified,
            ahead,
        } = self;
        // Before the next one is read, so that only one is in memory.
        *current = Verified::default();
        let found = match ahead.as_mut().and_then(Ahead::take) {
            Some(found) => found?.map(|(segment, chain)| {
                *verified = chain;
                segment
            }),
            None => match store.segment(id.number(), verified.seq(), None)? {
                Some(segment) => segment.verified(verified),
                None => return Ok(()),
            },
        };
        *current = found.map_err(|broken| anyhow!(broken).context(format!("mission {id}")))?;
        if let Some(ahead) = ahead
            && let Some(next) = store.segment(id.number(), verified.seq(), Some(AHEAD_BYTES_MAX))?
        {
            ahead.begin(next, *verified);
        }
        Ok(())
    }
}

impl Ahead {
    /// Begins to verify `segment`. Without a thread, the tape verifies it when it comes to it.
    fn begin(&mut self, segment: Segment, chain: Chain) {
        if self.verifier.is_none() {
            self.verifier = Verifier::start();
        }
        let sent = self
            .verifier
            .as_ref()
            .map(|verifier| verifier.segments.send((segment, chain)));
        self.is_busy = matches!(sent, Some(Ok(())));
    }

    /// Waits for the segment that is being verified, if there is one.
    fn take(&mut self) -> Option<Result<Followed, Stop>> {
        if !std::mem::take(&mut self.is_busy) {
            return None;
        }
        let received = self.verifier.as_ref()?.verified.recv();
        Some(
            received
                .context("journal: its verifier has ended")
                .map_err(Stop::from),
        )
    }
}

impl Verifier {
    /// Starts the thread, which ends with the tape.
    fn start() -> Option<Self> {
        let (segments, receiver) = sync_channel::<(Segment, Chain)>(1);
        let (sender, verified) = sync_channel(1);
        let work = move || {
            for (segment, mut chain) in receiver {
                let found = segment.verified(&mut chain);
                if sender
                    .send(found.map(|verified| (verified, chain)))
                    .is_err()
                {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("verifier".to_owned());
        thread.spawn(work).ok()?;
        Some(Self { segments, verified })
    }
}
