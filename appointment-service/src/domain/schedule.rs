//! From a doctor's hours on the wall to instants that can be booked.
//!
//! Hours are wall-clock times in the doctor's zone and are resolved date by date, so that nine o'clock stays
//! nine o'clock when the clocks change. On the nights when they do:
//! * a start that the wall clock skips is no slot; one that it shows twice is the first of the two;
//! * a visit's length is measured in real minutes;
//! * a window ends at the first instant at which the wall clock has reached its end.
//!
//! A window whose end is not after its start runs over midnight and ends on the next date; `00:00` as an end is
//! midnight. Its slots after midnight bear the next date. An exception for a date replaces that date's weekly
//! windows, and `available: false` also ends a window of the day before at midnight.

pub mod wire;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

/// A stretch of time in which one visit fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    /// The zone of the wall clock beside which the slot was offered.
    pub zone: Tz,
}

impl Slot {
    /// The date on the doctor's wall at the start.
    pub fn date(&self) -> NaiveDate {
        self.start.with_timezone(&self.zone).date_naive()
    }

    /// The time on the doctor's wall at the start.
    pub fn time(&self) -> NaiveTime {
        self.start.with_timezone(&self.zone).time()
    }

    pub fn minutes(&self) -> i64 {
        (self.end - self.start).num_minutes()
    }
}

/// From `start` to `end` on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub start: NaiveTime,
    pub end: NaiveTime,
}

/// When a doctor receives patients.
#[derive(Debug, Clone)]
pub struct Hours {
    pub zone: Tz,
    /// Whole minutes, from one minute to one day.
    pub visit: TimeDelta,
    pub weekly: Vec<(Weekday, Window)>,
    /// `None`: not there on that date.
    pub exceptions: Vec<(NaiveDate, Option<Window>)>,
}

/// Why a date and time name no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSlot {
    #[error("does not exist: the clocks go forward over it")]
    Skipped,
    #[error("is outside the doctor's hours")]
    OutsideHours,
    #[error("is not the start of a slot")]
    OffGrid,
}

impl Hours {
    /// The slot that begins at `time` on `date`.
    pub fn slot_at(&self, date: NaiveDate, time: NaiveTime) -> Result<Slot, NoSlot> {
        let Some(instant) = self.zone.from_local_datetime(&date.and_time(time)).earliest() else {
            return Err(NoSlot::Skipped);
        };
        if let Some(slot) = self.slots_on(date).into_iter().find(|slot| slot.start == instant) {
            return Ok(slot);
        }
        let local = date.and_time(time);
        let open = self
            .windows_touching(date)
            .iter()
            .any(|(day, window)| day.and_time(window.start) <= local && local < window.close_on(*day));
        Err(if open {
            NoSlot::OffGrid
        } else {
            NoSlot::OutsideHours
        })
    }

    /// Every slot whose start bears `date`, in order.
    pub fn slots_on(&self, date: NaiveDate) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self
            .windows_touching(date)
            .into_iter()
            .flat_map(|(day, window)| self.cut(day, window))
            .filter(|slot| slot.date() == date)
            .collect();
        slots.sort_by_key(|slot| slot.start);
        slots.dedup_by_key(|slot| slot.start);
        slots
    }

    /// The windows that can hold slots of `date`: its own, and those of the day before.
    fn windows_touching(&self, date: NaiveDate) -> Vec<(NaiveDate, Window)> {
        let own = self.windows_of(date).into_iter().map(|window| (date, window));
        let absent = self
            .exceptions
            .iter()
            .any(|(day, window)| *day == date && window.is_none());
        let before = date.pred_opt().filter(|_| !absent);
        let late = before
            .into_iter()
            .flat_map(|day| self.windows_of(day).into_iter().map(move |window| (day, window)));
        late.chain(own).collect()
    }

    fn windows_of(&self, date: NaiveDate) -> Vec<Window> {
        let excepted: Vec<Option<Window>> = self
            .exceptions
            .iter()
            .filter(|(day, _)| *day == date)
            .map(|(_, window)| *window)
            .collect();
        if !excepted.is_empty() {
            return excepted.into_iter().flatten().collect();
        }
        self.weekly
            .iter()
            .filter(|(day, _)| *day == date.weekday())
            .map(|(_, window)| *window)
            .collect()
    }

    /// Walks the wall clock from the window's start in steps of one visit.
    fn cut(&self, day: NaiveDate, window: Window) -> Vec<Slot> {
        let close = window.close_on(day);
        let Some(closing) = self.first_instant_from(close) else {
            return Vec::new();
        };
        let mut slots: Vec<Slot> = Vec::new();
        let mut local = day.and_time(window.start);
        while local < close {
            if let Some(start) = self.zone.from_local_datetime(&local).earliest() {
                let slot = Slot {
                    start: start.to_utc(),
                    end: start.to_utc() + self.visit,
                    zone: self.zone,
                };
                // After the clocks went forward the wall is ahead of the visits that began before.
                let clear = slots.last().is_none_or(|before| before.end <= slot.start);
                if clear && slot.end <= closing {
                    slots.push(slot);
                }
            }
            local += self.visit;
        }
        slots
    }

    /// The first instant at which the wall clock shows `local` or, if it skips that, later.
    fn first_instant_from(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        // The longest stretch ever skipped is a whole day (Samoa, 2011).
        (0..=24 * 60)
            .find_map(|minutes| {
                self.zone
                    .from_local_datetime(&(local + TimeDelta::minutes(minutes)))
                    .earliest()
            })
            .map(|instant| instant.to_utc())
    }
}

impl Window {
    fn close_on(&self, day: NaiveDate) -> NaiveDateTime {
        let date = if self.end > self.start {
            day
        } else {
            day + Days::new(1)
        };
        date.and_time(self.end)
    }
}

/// The slots of `days` that begin after `now` and meet none of `busy`, which is sorted and does not overlap itself.
pub fn free_slots(
    hours: &Hours,
    days: impl Iterator<Item = NaiveDate>,
    now: DateTime<Utc>,
    busy: &[(DateTime<Utc>, DateTime<Utc>)],
) -> impl Iterator<Item = Slot> {
    days.flat_map(|day| hours.slots_on(day))
        .filter(move |slot| slot.start > now && !meets(busy, slot))
}

fn meets(busy: &[(DateTime<Utc>, DateTime<Utc>)], slot: &Slot) -> bool {
    let next = busy.partition_point(|(_, end)| *end <= slot.start);
    busy.get(next).is_some_and(|(start, _)| *start < slot.end)
}

#[cfg(test)]
mod tests;
