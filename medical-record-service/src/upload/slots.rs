//! How many uploads are received at once: in all, and by one user, so that one cannot keep out the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::ids::UserId;

/// Counts the uploads that are being received.
#[derive(Clone, Default)]
pub struct Slots {
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
    /// Take one of `most` places, of which one user has `most_per_user`.
    pub fn take(&self, user: UserId, most: usize, most_per_user: usize) -> Result<Slot, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&user).is_some_and(|own| *own >= most_per_user) {
            return Err(Full::User);
        }
        if taken.values().sum::<usize>() >= most {
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
        let slots = Slots::default();
        let take = |user| slots.take(user, 3, 2);
        let (greedy, modest, late) = (UserId::generate(), UserId::generate(), UserId::generate());
        let held = [take(greedy), take(greedy), take(modest)].map(Result::unwrap);
        assert_eq!(take(greedy).err(), Some(Full::User));
        assert_eq!(take(late).err(), Some(Full::House));
        drop(held);
        assert!(take(late).is_ok());
        assert!(take(greedy).is_ok());
    }
}
