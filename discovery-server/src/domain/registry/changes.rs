//! The changes of the last minutes, for readers that merge them into what they have.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::lease::Shown;

const KEPT: TimeDelta = TimeDelta::seconds(180);

/// Beyond this, the oldest go early; a reader that misses them sees it by the hash and fetches everything.
const MOST: usize = 20_000;

/// Recent changes, oldest first.
#[derive(Debug, Default)]
pub struct Changes {
    recent: VecDeque<(DateTime<Utc>, Shown)>,
    revision: u64,
}

impl Changes {
    /// Remember what became of an instance.
    pub(super) fn note(&mut self, shown: Shown, now: DateTime<Utc>) {
        self.revision += 1;
        self.recent.push_back((now, shown));
        if self.recent.len() > MOST {
            self.recent.pop_front();
        }
    }

    /// Drop what everybody must have seen by now.
    pub(super) fn forget(&mut self, now: DateTime<Utc>) {
        let old = self.recent.iter().take_while(|(at, _)| now - *at > KEPT).count();
        if old > 0 {
            self.recent.drain(..old);
            self.revision += 1;
        }
    }

    /// Every change, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Shown> {
        self.recent.iter().map(|(_, shown)| shown)
    }

    /// Differs whenever [`Changes::iter`] would.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}
