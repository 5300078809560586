//! How many there may be of something at once: altogether, and under one key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts over all workers.
#[derive(Clone, Debug)]
pub struct Caps(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    per_key: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_key: HashMap<u128, usize>,
}

/// One that is counted; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    caps: Arc<Inner>,
    key: u128,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Altogether,
    UnderThisKey,
}

impl Caps {
    /// Allow `total`, and `per_key` of them under one key.
    pub fn new(total: usize, per_key: usize) -> Self {
        Self(Arc::new(Inner {
            total,
            per_key,
            open: Mutex::default(),
        }))
    }

    /// Whether as many are allowed as in `other`.
    pub fn allows_as_many(&self, other: &Self) -> bool {
        (self.0.total, self.0.per_key) == (other.0.total, other.0.per_key)
    }

    /// A place under `key`.
    ///
    /// # Errors
    /// There is none left.
    pub fn take(&self, key: u128) -> Result<Place, Full> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.0.total {
            return Err(Full::Altogether);
        }
        let under_key = open.by_key.entry(key).or_default();
        if *under_key >= self.0.per_key {
            return Err(Full::UnderThisKey);
        }
        *under_key += 1;
        open.total += 1;
        Ok(Place {
            caps: Arc::clone(&self.0),
            key,
        })
    }

    /// How many there are now.
    pub fn open(&self) -> usize {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(under_key) = open.by_key.get_mut(&self.key) {
            *under_key -= 1;
            if *under_key == 0 {
                open.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_altogether_and_per_key() {
        let caps = Caps::new(3, 2);
        let first = caps.take(1).expect("the first");
        let _second = caps.take(1).expect("the second");
        assert_eq!(caps.take(1).err(), Some(Full::UnderThisKey), "two under one key");
        let _third = caps.take(2).expect("another key");
        assert_eq!(caps.take(3).err(), Some(Full::Altogether), "three altogether");
        drop(first);
        assert_eq!(caps.open(), 2);
        assert!(caps.take(1).is_ok());
    }

    #[test]
    fn keys_without_places_are_forgotten() {
        let caps = Caps::new(10, 10);
        for key in 0..5 {
            drop(caps.take(key));
        }
        assert!(caps.0.open.lock().expect("not poisoned").by_key.is_empty());
    }
}
