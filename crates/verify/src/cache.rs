//! Tokens that were found good, so that the next request with one costs a look-up and not a signature.
//!
//! - The key is the whole token, compared byte for byte. The hash (keyed, of 64 bits) only finds the place; two
//!   tokens of one hash displace each other and are never taken for each other.
//! - Bounded: a shard has a young and an old generation. What is looked up moves to the young one; when that is
//!   full, the old one goes. No clock, no list, no work per entry.
//! - Nothing here decides whether an entry is still good: whoever looks up does.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState},
    mem,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

const SHARDS: usize = 16;

/// A bounded map from tokens to `T`, cheap to look into from many threads.
pub(crate) struct Cache<T> {
    hasher: RandomState,
    shards: [RwLock<Shard<T>>; SHARDS],
    /// Entries of one generation of one shard; zero turns the cache off.
    generation_capacity: usize,
}

struct Shard<T> {
    young: Generation<T>,
    old: Generation<T>,
}

type Generation<T> = HashMap<u64, Entry<T>, BuildHasherDefault<Identity>>;

struct Entry<T> {
    token: Box<str>,
    value: T,
}

impl<T: Clone> Cache<T> {
    /// A cache of at most `capacity` tokens; with less than 32 of none.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| {
                RwLock::new(Shard { young: Generation::default(), old: Generation::default() })
            }),
            generation_capacity: capacity / (2 * SHARDS),
        }
    }

    pub(crate) fn get(&self, token: &str) -> Option<T> {
        if self.generation_capacity == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(token);
        {
            let shard = self.read(hash);
            if let Some(value) = find(&shard.young, hash, token) {
                return Some(value);
            }
            find(&shard.old, hash, token)?;
        }
        // Between the two locks the entry may have moved or gone.
        let mut shard = self.write(hash);
        match shard.old.remove(&hash) {
            Some(entry) if *entry.token == *token => {
                let value = entry.value.clone();
                self.insert_entry(&mut shard, hash, entry);
                Some(value)
            }
            _ => find(&shard.young, hash, token),
        }
    }

    pub(crate) fn insert(&self, token: &str, value: T) {
        if self.generation_capacity == 0 {
            return;
        }
        let hash = self.hasher.hash_one(token);
        let entry = Entry { token: token.into(), value };
        self.insert_entry(&mut self.write(hash), hash, entry);
    }

    pub(crate) fn remove(&self, token: &str) {
        let hash = self.hasher.hash_one(token);
        let mut shard = self.write(hash);
        shard.young.remove(&hash);
        shard.old.remove(&hash);
    }

    fn insert_entry(&self, shard: &mut Shard<T>, hash: u64, entry: Entry<T>) {
        if shard.young.len() >= self.generation_capacity {
            shard.old = mem::take(&mut shard.young);
        }
        shard.young.insert(hash, entry);
    }

    // A panic elsewhere cannot leave a shard half-changed in a way that matters: at worst an entry is missing.
    fn read(&self, hash: u64) -> RwLockReadGuard<'_, Shard<T>> {
        self.shards[shard_of(hash)].read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, hash: u64) -> RwLockWriteGuard<'_, Shard<T>> {
        self.shards[shard_of(hash)].write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<T: Clone>(generation: &Generation<T>, hash: u64, token: &str) -> Option<T> {
    generation.get(&hash).filter(|entry| *entry.token == *token).map(|entry| entry.value.clone())
}

/// Bits that the maps use neither for the bucket (low) nor for the tag (the seven highest).
fn shard_of(hash: u64) -> usize {
    (hash >> 48) as usize % SHARDS
}

/// The key is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len<T: Clone>(cache: &Cache<T>) -> usize {
        cache
            .shards
            .iter()
            .map(|shard| shard.read().expect("not poisoned"))
            .map(|s| s.young.len() + s.old.len())
            .sum()
    }

    #[test]
    fn what_goes_in_comes_out() {
        let cache = Cache::new(1000);
        assert_eq!(cache.get("a"), None);
        cache.insert("a", 1);
        cache.insert("b", 2);
        cache.insert("a", 3);
        assert_eq!((cache.get("a"), cache.get("b"), cache.get("ab")), (Some(3), Some(2), None));
        cache.remove("a");
        assert_eq!((cache.get("a"), cache.get("b")), (None, Some(2)));
    }

    #[test]
    fn it_never_grows_beyond_its_capacity_and_keeps_what_is_used() {
        let cache = Cache::new(320);
        cache.insert("used", 0);
        for n in 0..5000 {
            cache.insert(&n.to_string(), n);
            assert_eq!(cache.get("used"), Some(0), "after {n}");
            assert!(len(&cache) <= 320, "{} after {n}", len(&cache));
        }
        assert!(len(&cache) > 100);
        assert_eq!(cache.get("0"), None);
    }

    #[test]
    fn a_capacity_of_zero_keeps_nothing() {
        let cache = Cache::new(0);
        cache.insert("a", 1);
        assert_eq!((cache.get("a"), len(&cache)), (None, 0));
    }

    #[test]
    fn two_tokens_of_one_hash_are_not_taken_for_each_other() {
        let mut generation = Generation::default();
        generation.insert(7, Entry { token: "a".into(), value: 1 });
        assert_eq!(find(&generation, 7, "a"), Some(1));
        assert_eq!(find(&generation, 7, "b"), None);
    }
}
