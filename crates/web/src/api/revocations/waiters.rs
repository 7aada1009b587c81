//! How many requests wait, from one address and in all. A waiting one costs memory alone, and not much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// In all. Each holds a connection, of which `server.max_connections` caps the number, too.
const MOST: usize = 4_096;
/// From one address, or one IPv6 network of 64 bits: behind one may stand a whole site.
const MOST_OF_ONE: u32 = 1_024;

/// Who waits.
#[derive(Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<Count>>);

#[derive(Default)]
struct Count {
    all: usize,
    by_block: HashMap<[u8; 9], u32>,
}

/// A place among them, given back when it is dropped.
pub(crate) struct Place {
    waiters: Waiters,
    block: [u8; 9],
}

impl Waiters {
    /// Takes a place for `block`, if there is one.
    pub(crate) fn enter(&self, block: [u8; 9]) -> Option<Place> {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = count.by_block.get(&block).copied().unwrap_or(0);
        if count.all >= MOST || own >= MOST_OF_ONE {
            return None;
        }
        count.all += 1;
        count.by_block.insert(block, own + 1);
        metrics::gauge!("portcullis_revocation_feed_waiters").set(count.all as f64);
        Some(Place { waiters: self.clone(), block })
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.waiters.0.lock().unwrap_or_else(PoisonError::into_inner);
        count.all -= 1;
        metrics::gauge!("portcullis_revocation_feed_waiters").set(count.all as f64);
        if let Some(own) = count.by_block.get_mut(&self.block) {
            *own -= 1;
            if *own == 0 {
                count.by_block.remove(&self.block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_places_come_back() {
        let waiters = Waiters::default();
        let mut of_one: Vec<_> = std::iter::from_fn(|| waiters.enter([0; 9])).collect();
        assert_eq!((of_one.len(), waiters.len()), (MOST_OF_ONE as usize, MOST_OF_ONE as usize));
        let other = waiters.enter([1; 9]).expect("another address");
        of_one.pop();
        of_one.push(waiters.enter([0; 9]).expect("one has left"));
        assert!(waiters.enter([0; 9]).is_none());
        drop((of_one, other));
        assert_eq!(waiters.len(), 0);
        assert!(waiters.0.lock().expect("not poisoned").by_block.is_empty());
    }

    #[test]
    fn there_is_an_end_in_all() {
        let waiters = Waiters::default();
        let all: Vec<_> = (0_u64..)
            .map_while(|at| {
                let mut block = [0; 9];
                block[1..].copy_from_slice(&at.to_be_bytes());
                waiters.enter(block)
            })
            .collect();
        assert_eq!(all.len(), MOST);
    }
}
