//! A visit: its states, who may change them, and when.

use chrono::{DateTime, TimeDelta, Utc};
use common::auth::Role;
use common::ids::{AppointmentId, UserId};

use super::change::{Change, Refusal};
use super::schedule::Slot;
use super::status::{Action, Status};

/// A visit as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Appointment {
    pub id: AppointmentId,
    pub patient_id: UserId,
    pub doctor_id: UserId,
    pub slot: Slot,
    pub state: State,
    pub reason: Option<String>,
    pub made_by: By,
    /// When the patient, or the desk for them, wanted this visit. `None` while only its doctor does.
    pub agreed_at: Option<DateTime<Utc>>,
    /// How long before the start a patient may still cancel or move; fixed at booking.
    pub notice: TimeDelta,
    /// Grows by one with every change.
    pub version: u32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Where a visit stands, with what is known only there.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    Booked,
    Confirmed,
    Completed,
    Cancelled(Cancellation),
    NoShow,
}

/// How a visit came to be cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancellation {
    pub by: By,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

/// Somebody in the role in which they acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    pub id: UserId,
    pub role: Role,
}

/// Somebody's attempt to change a visit that they take part in or administer; see [`Appointment::act`].
#[derive(Debug, Clone, Copy)]
pub struct Act {
    by: By,
    at: DateTime<Utc>,
}

/// What a booking fixes.
#[derive(Debug, Clone)]
pub struct Booking {
    pub patient_id: UserId,
    pub doctor_id: UserId,
    pub slot: Slot,
    pub reason: Option<String>,
    pub notice: TimeDelta,
    pub by: By,
    pub at: DateTime<Utc>,
}

impl Appointment {
    /// A new visit and the first entry of its history.
    pub fn book(booking: Booking) -> (Self, Change) {
        let Booking {
            patient_id,
            doctor_id,
            slot,
            reason,
            notice,
            by,
            at,
        } = booking;
        let appointment = Self {
            id: AppointmentId::generate(),
            patient_id,
            doctor_id,
            slot,
            state: State::Booked,
            reason: reason.clone(),
            made_by: by,
            agreed_at: (by.role != Role::Doctor).then_some(at),
            notice,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        let change = Change {
            version: 1,
            action: Action::Booked,
            from: None,
            to: Status::Booked,
            from_start: None,
            to_start: slot.start,
            by,
            reason,
            at,
        };
        (appointment, change)
    }

    /// The right to try something with this visit: for its patient, its doctor and administrators.
    /// `None` for anybody else, who must not learn that it exists.
    pub fn act(&self, by: By, at: DateTime<Utc>) -> Option<Act> {
        let takes_part = match by.role {
            Role::Admin => true,
            Role::Doctor => by.id == self.doctor_id,
            Role::Patient => by.id == self.patient_id,
        };
        takes_part.then_some(Act { by, at })
    }

    pub fn status(&self) -> Status {
        match self.state {
            State::Booked => Status::Booked,
            State::Confirmed => Status::Confirmed,
            State::Completed => Status::Completed,
            State::Cancelled(_) => Status::Cancelled,
            State::NoShow => Status::NoShow,
        }
    }

    /// Its doctor made it, and its patient has not said yes.
    pub fn awaits_patient(&self) -> bool {
        self.agreed_at.is_none() && matches!(self.state, State::Booked | State::Confirmed)
    }

    /// Until when its patient may cancel or move it.
    pub fn cancellable_until(&self) -> DateTime<Utc> {
        self.slot.start - self.notice
    }

    /// Cancel it; a second time changes nothing.
    pub fn cancel(&mut self, act: Act, reason: Option<String>) -> Result<Option<Change>, Refusal> {
        if matches!(self.state, State::Cancelled(_)) {
            return Ok(None);
        }
        self.must_be_ahead(act, Action::Cancelled)?;
        self.must_be_in_time(act)?;
        let cancellation = Cancellation {
            by: act.by,
            reason: reason.clone(),
            at: act.at,
        };
        let change = self.enter(State::Cancelled(cancellation), Action::Cancelled, act);
        Ok(Some(Change { reason, ..change }))
    }

    /// Move it to `slot`; where it already is, nothing changes.
    ///
    /// A confirmation holds for the time it was given for: when the patient moves the visit, its doctor is asked
    /// again. A patient who moves a visit that the doctor made has thereby agreed to it.
    pub fn reschedule(&mut self, act: Act, slot: Slot) -> Result<Option<Change>, Refusal> {
        self.must_be_ahead(act, Action::Rescheduled)?;
        if (slot.start, slot.end) == (self.slot.start, self.slot.end) {
            return Ok(None);
        }
        self.must_be_in_time(act)?;
        let from_start = self.slot.start;
        self.slot = slot;
        let next = if act.by.role == Role::Patient {
            self.agreed_at.get_or_insert(act.at);
            State::Booked
        } else {
            self.state.clone()
        };
        let change = self.enter(next, Action::Rescheduled, act);
        Ok(Some(Change {
            from_start: Some(from_start),
            ..change
        }))
    }

    /// The doctor (or the desk) promises the visit; the patient, where the doctor alone made it, agrees to it.
    pub fn confirm(&mut self, act: Act) -> Result<Option<Change>, Refusal> {
        let by_patient = act.by.role == Role::Patient;
        if by_patient && self.made_by.role != Role::Doctor {
            return Err(Refusal::NotForPatients);
        }
        self.must_be_ahead(act, Action::Confirmed)?;
        let settled = if by_patient {
            self.agreed_at.is_some()
        } else {
            self.status() == Status::Confirmed
        };
        if settled {
            return Ok(None);
        }
        if by_patient {
            self.agreed_at = Some(act.at);
        }
        Ok(Some(self.enter(State::Confirmed, Action::Confirmed, act)))
    }

    /// It took place. The patient may have been received earlier than planned, so the start does not matter.
    pub fn complete(&mut self, act: Act) -> Result<Option<Change>, Refusal> {
        staff_only(act)?;
        match self.status() {
            Status::Completed => Ok(None),
            Status::Booked | Status::Confirmed => {
                Ok(Some(self.enter(State::Completed, Action::Completed, act)))
            }
            from => Err(Refusal::InvalidTransition {
                from,
                action: Action::Completed,
            }),
        }
    }

    /// The patient did not come.
    pub fn no_show(&mut self, act: Act) -> Result<Option<Change>, Refusal> {
        staff_only(act)?;
        match self.status() {
            Status::NoShow => Ok(None),
            Status::Booked | Status::Confirmed if act.at < self.slot.start => Err(Refusal::NotBegun),
            Status::Booked | Status::Confirmed => Ok(Some(self.enter(State::NoShow, Action::NoShow, act))),
            from => Err(Refusal::InvalidTransition {
                from,
                action: Action::NoShow,
            }),
        }
    }

    fn must_be_ahead(&self, act: Act, action: Action) -> Result<(), Refusal> {
        match self.status() {
            Status::Booked | Status::Confirmed if act.at < self.slot.start => Ok(()),
            Status::Booked | Status::Confirmed => Err(Refusal::Begun { action }),
            from => Err(Refusal::InvalidTransition { from, action }),
        }
    }

    /// The notice binds patients only: the clinic must be able to cancel when a doctor falls ill.
    fn must_be_in_time(&self, act: Act) -> Result<(), Refusal> {
        let until = self.cancellable_until();
        if act.by.role == Role::Patient && act.at > until {
            return Err(Refusal::WindowClosed { until });
        }
        Ok(())
    }

    fn enter(&mut self, state: State, action: Action, act: Act) -> Change {
        let from = self.status();
        self.state = state;
        self.version += 1;
        self.updated_at = act.at;
        Change {
            version: self.version,
            action,
            from: Some(from),
            to: self.status(),
            from_start: Some(self.slot.start),
            to_start: self.slot.start,
            by: act.by,
            reason: None,
            at: act.at,
        }
    }
}

fn staff_only(act: Act) -> Result<(), Refusal> {
    if act.by.role == Role::Patient {
        Err(Refusal::NotForPatients)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
