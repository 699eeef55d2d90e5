//! The requests that the runs of one process have under way. A run that makes a request which another
//! one is making waits for its answer instead of paying for a second one: one after the other, the
//! later run would find the answer frozen. Keeps no answer itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use coo_kernel::form::digest::Digest;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// A request, and how often the run has made it.
type Key = (Digest, u64);

/// The requests under way. Clones share them.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<BTreeMap<Key, Weak<AsyncMutex<()>>>>>);

/// A request under way, until it is dropped.
pub struct Flight {
    flights: Flights,
    key: Key,
    /// `None` only while it is dropped.
    place: Option<OwnedMutexGuard<()>>,
}

impl Flights {
    fn places(&self) -> MutexGuard<'_, BTreeMap<Key, Weak<AsyncMutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: Key) -> Arc<AsyncMutex<()>> {
        let mut places = self.places();
        if let Some(place) = places.get(&key).and_then(Weak::upgrade) {
            return place;
        }
        let place = Arc::new(AsyncMutex::new(()));
        places.insert(key, Arc::downgrade(&place));
        place
    }

    /// Begins a request; `None` if it is under way already.
    pub fn try_enter(&self, key: Key) -> Option<Flight> {
        let place = self.place(key).try_lock_owned().ok()?;
        Some(self.begun(key, place))
    }

    /// Waits until the request is not under way, and begins it.
    pub async fn enter(&self, key: Key) -> Flight {
        let place = self.place(key).lock_owned().await;
        self.begun(key, place)
    }

    fn begun(&self, key: Key, place: OwnedMutexGuard<()>) -> Flight {
        Flight {
            flights: self.clone(),
            key,
            place: Some(place),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.place = None;
        // Those that wait for it keep its place.
        let mut places = self.flights.places();
        if places
            .get(&self.key)
            .is_some_and(|place| place.strong_count() == 0)
        {
            places.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_once_and_forgotten_when_it_has_ended() {
        let flights = Flights::default();
        let key = (Digest::of("a"), 1);
        let flight = flights.try_enter(key).unwrap();
        assert!(flights.try_enter(key).is_none());
        let other = flights.try_enter((Digest::of("a"), 2)).unwrap();
        drop(flight);
        assert_eq!(flights.places().len(), 1);
        drop(flights.try_enter(key).unwrap());
        drop(other);
        assert!(flights.places().is_empty());
    }
}
