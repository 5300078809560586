//! Which of several instances to ask: the less busy of two drawn at random.

use std::cell::Cell;

/// A small generator of its own per core: the draw needs to be cheap and even, not unguessable.
#[derive(Debug)]
pub struct Dice {
    state: Cell<u64>,
}

impl Dice {
    /// Begin with any seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Cell::new(seed),
        }
    }

    /// An even number below `bound`, which must not be 0 (splitmix64).
    fn below(&self, bound: usize) -> usize {
        let next = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(next);
        let mut mixed = next;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let scaled = (u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// The index of the less loaded of two of `count` candidates; `None` if there is none.
    pub fn choose(&self, count: usize, load: impl Fn(usize) -> usize) -> Option<usize> {
        if count < 2 {
            return (count == 1).then_some(0);
        }
        let first = self.below(count);
        // Drawing among the others makes the two distinct.
        let second = (first + 1 + self.below(count - 1)) % count;
        Some(if load(second) < load(first) { second } else { first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_loaded_of_two_wins() {
        let dice = Dice::new(1);
        assert_eq!(dice.choose(0, |_| 0), None);
        assert_eq!(dice.choose(1, |_| 9), Some(0));
        for _ in 0..100 {
            assert_eq!(dice.choose(2, |index| [5, 4][index]), Some(1));
        }
    }

    #[test]
    fn equal_candidates_share_evenly() {
        let dice = Dice::new(7);
        let mut drawn = [0_u32; 5];
        for _ in 0..10_000 {
            drawn[dice.choose(5, |_| 0).expect("one of five")] += 1;
        }
        assert!(
            drawn.iter().all(|count| (1_700..2_300).contains(count)),
            "{drawn:?}"
        );
    }

    #[test]
    fn the_busiest_of_many_is_never_chosen() {
        let dice = Dice::new(3);
        assert!((0..1000).all(|_| dice.choose(4, |index| usize::from(index == 2)) != Some(2)));
    }
}
