//! From a text to its id, a million times in a few milliseconds.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use foldhash::quality::RandomState;

/// Ids by the 64-bit hash of their texts.
///
/// The texts themselves are not looked at, which would cost a cache miss each. The seed is random and no two tokens share a
/// hash (whoever builds an index sees to it), so every token is found for what it is; a text that is no token is taken
/// for one of 262,144 once in 2^46 look-ups, and makes a file that a loader refuses.
#[derive(Default)]
pub struct Index {
    seed: RandomState,
    ids: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
}

impl Index {
    /// Room for `len` texts, with a new seed.
    pub fn with_capacity(len: usize) -> Self {
        Self { seed: RandomState::default(), ids: HashMap::with_capacity_and_hasher(len, Default::default()) }
    }

    /// The id of a text.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.ids.get(&self.seed.hash_one(text)).copied()
    }

    /// Adds a text; gives the id of the one that is there already, and then leaves it.
    pub fn insert(&mut self, text: &str, id: u32) -> Option<u32> {
        let found = *self.ids.entry(self.seed.hash_one(text)).or_insert(id);
        (found != id).then_some(found)
    }

    /// Removes a text if it has this id.
    pub fn remove(&mut self, text: &str, id: u32) {
        let hash = self.seed.hash_one(text);
        if self.ids.get(&hash) == Some(&id) {
            self.ids.remove(&hash);
        }
    }
}

/// The hash of a key that is one.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the only keys are 64-bit numbers")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
