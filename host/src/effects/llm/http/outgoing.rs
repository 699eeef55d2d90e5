//! The body of a request as the HTTP library takes it, piece by piece, and a count of what it has
//! taken. Invariant: after `Handed::stop` nothing more leaves, so that its result is final. Taken
//! is not yet received: the library and the system hold up to some hundred kilobytes. The count
//! never says that less left than may have.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::machine::asynchronous;

/// Bytes that the library takes at a time. Small enough to see that a server stops reading.
const PIECE_BYTES: usize = 64 * 1024;

/// What of a request's body has been handed over.
#[derive(Debug, Default)]
struct Count {
    taken: usize,
    total: usize,
    is_stopped: bool,
}

/// Watches what is handed over of one request.
#[derive(Debug, Clone)]
pub(super) struct Handed(Arc<Mutex<Count>>);

impl Handed {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of bytes taken if it lies between the first and the last.
    pub(super) fn partly(&self) -> Option<usize> {
        let count = self.count();
        (count.taken > 0 && count.taken < count.total).then_some(count.taken)
    }

    /// Holds back what has not left yet. Returns whether everything has.
    pub(super) fn stop(&self) -> bool {
        let mut count = self.count();
        count.is_stopped = true;
        count.taken == count.total
    }
}

/// A turn for everything else that the runtime has to do.
type Turn = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// The body of one request.
pub(super) struct Outgoing {
    rest: Bytes,
    handed: Handed,
    is_withheld: bool,
    /// Taken between two pieces. The library writes what it has and looks whether the server has
    /// answered already, and other calls get their turn.
    turn: Option<Turn>,
}

/// Returns a body, and what watches it.
pub(super) fn watched(body: Bytes) -> (Outgoing, Handed) {
    let handed = Handed(Arc::new(Mutex::new(Count {
        total: body.len(),
        ..Count::default()
    })));
    let outgoing = Outgoing {
        rest: body,
        handed: handed.clone(),
        is_withheld: false,
        turn: None,
    };
    (outgoing, handed)
}

/// Returns a body that announces its length and never gives a byte, and what watches it.
pub(super) fn withheld(body: Bytes) -> (Outgoing, Handed) {
    let (outgoing, handed) = watched(body);
    let outgoing = Outgoing {
        is_withheld: true,
        ..outgoing
    };
    (outgoing, handed)
}

/// The body was stopped; the library gives the connection up.
#[derive(Debug)]
pub(super) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call was given up")
    }
}

impl std::error::Error for Stopped {}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        if self.is_withheld {
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(turn) = &mut self.turn {
            ready!(turn.as_mut().poll(context));
            self.turn = None;
        }
        let piece_bytes = self.rest.len().min(PIECE_BYTES);
        {
            let mut count = self.handed.count();
            if count.is_stopped {
                return Poll::Ready(Some(Err(Stopped)));
            }
            count.taken += piece_bytes;
        }
        let piece = self.rest.split_to(piece_bytes);
        if !self.rest.is_empty() {
            self.turn = Some(Box::pin(asynchronous::catch_up()));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes the next piece, as the library does.
    fn take(body: &mut Outgoing) -> Option<Result<usize, Stopped>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut next = Pin::new(&mut *body).poll_frame(&mut context);
        // The turns between two pieces are few.
        for _ in 0..10 {
            if next.is_ready() {
                break;
            }
            next = Pin::new(&mut *body).poll_frame(&mut context);
        }
        match next {
            Poll::Ready(next) => next.map(|piece| {
                piece.map(|frame| frame.into_data().map_or(0, |data: Bytes| data.len()))
            }),
            Poll::Pending => panic!("the body has stopped by itself"),
        }
    }

    #[test]
    fn a_withheld_body_announces_its_length_and_gives_nothing() {
        let (mut body, handed) = withheld(Bytes::from_static(b"text"));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut context).is_pending());
        assert_eq!(body.size_hint().exact(), Some(4));
        assert!(!body.is_end_stream() && !handed.stop());
    }

    proptest! {
        #[test]
        fn a_stopped_body_gives_nothing_more_and_says_whether_it_was_whole(
            length in 0_usize..400_000,
            pieces in 0_usize..9,
        ) {
            let (mut body, handed) = watched(Bytes::from(vec![b'x'; length]));
            let mut taken = 0;
            for _ in 0..pieces {
                prop_assert_eq!(body.size_hint().exact(), Some((length - taken) as u64));
                match take(&mut body) {
                    Some(Ok(bytes)) => taken += bytes,
                    other => prop_assert!(other.is_none() && body.is_end_stream()),
                }
                let partly = (taken > 0 && taken < length).then_some(taken);
                prop_assert_eq!(handed.partly(), partly);
            }
            prop_assert_eq!(handed.stop(), taken == length);
            match take(&mut body) {
                None => prop_assert_eq!(taken, length),
                Some(next) => prop_assert!(next.is_err()),
            }
        }
    }
}
