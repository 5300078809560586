//! How many uploads are received at once: in all, and by one user, so that one cannot keep out the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::ids::UserId;

/// Counts the uploads that are being received.
#[derive(Clone)]
pub struct Slots {
    most: usize,
    most_per_user: usize,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// One upload's place, free again when dropped.
pub struct Slot {
    user: UserId,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Everybody together.
    House,
    /// This user alone.
    User,
}

impl Slots {
    /// Places for `most` uploads, of which one user may take `most_per_user`.
    pub fn new(most: usize, most_per_user: usize) -> Self {
        Self {
            most,
            most_per_user,
            taken: Arc::default(),
        }
    }

    /// Take a place.
    pub fn take(&self, user: UserId) -> Result<Slot, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&user).is_some_and(|own| *own >= self.most_per_user) {
            return Err(Full::User);
        }
        if taken.values().sum::<usize>() >= self.most {
            return Err(Full::House);
        }
        *taken.entry(user).or_default() += 1;
        Ok(Slot {
            user,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_all_places_and_places_become_free() {
        let slots = Slots::new(3, 2);
        let (greedy, modest, late) = (UserId::generate(), UserId::generate(), UserId::generate());
        let held: Vec<_> = [slots.take(greedy), slots.take(greedy), slots.take(modest)]
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(slots.take(greedy).err(), Some(Full::User));
        assert_eq!(slots.take(late).err(), Some(Full::House));
        drop(held);
        assert!(slots.take(late).is_ok());
        assert!(slots.take(greedy).is_ok());
    }
}
