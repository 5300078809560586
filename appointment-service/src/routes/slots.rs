//! Free slots.

use axum::extract::State;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use common::auth::Caller;
use common::extract::{Json, Path, Query};
use common::ids::UserId;
use common::problem::Checks;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::schedule::wire::parse_date;
use crate::domain::schedule::{Hours, Slot, free_slots};
use crate::error::Error;
use crate::store::appointments;
use crate::{AppState, directory};

const MOST_DAYS: i64 = 31;
/// Alternatives to a slot that is taken are looked for on so many days.
const NEAR: u64 = 14;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// First date, on the doctor's wall: `YYYY-MM-DD`.
    from: Option<String>,
    /// Last date, included; at most 31 days in all.
    to: Option<String>,
}

/// A time that can be booked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Slot)]
pub struct SlotView {
    /// The doctor's wall-clock date; goes into a booking.
    date: NaiveDate,
    /// The doctor's wall-clock time; goes into a booking.
    #[schema(example = "09:30")]
    time: String,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FreeSlots {
    /// IANA name of the doctor's zone.
    time_zone: String,
    slot_minutes: i64,
    slots: Vec<SlotView>,
}

impl From<&Slot> for SlotView {
    fn from(slot: &Slot) -> Self {
        Self {
            date: slot.date(),
            time: slot.time().format("%H:%M").to_string(),
            start_at: slot.start,
            end_at: slot.end,
        }
    }
}

/// The free slots of a doctor.
#[utoipa::path(get, path = "/doctors/{id}/slots", tag = "appointments",
    params(("id" = UserId, Path, description = "The doctor"), Span),
    responses((status = 200, body = FreeSlots), (status = 404, description = "No such doctor"), (status = 422)))]
pub async fn list(
    State(state): State<AppState>,
    _: Caller,
    Path(doctor): Path<UserId>,
    Query(span): Query<Span>,
) -> Result<Json<FreeSlots>, Error> {
    let (from, to) = span.read()?;
    let hours = directory::doctor(&state.users, doctor).await?;
    let slots = free_between(&state, doctor, &hours, (from, to)).await?;
    Ok(Json(FreeSlots {
        time_zone: hours.zone.name().to_owned(),
        slot_minutes: hours.visit.num_minutes(),
        slots: slots.iter().map(SlotView::from).collect(),
    }))
}

impl Span {
    fn read(&self) -> Result<(NaiveDate, NaiveDate), Error> {
        let mut checks = Checks::default();
        let from = checks.take("/from", parse_date(self.from.as_deref().unwrap_or_default()));
        let to = checks.take("/to", parse_date(self.to.as_deref().unwrap_or_default()));
        let (Some(from), Some(to)) = (from, to) else {
            return Err(checks.into_problem().into());
        };
        if to < from {
            checks.refuse("/to", "must not be before `from`");
        } else if (to - from).num_days() >= MOST_DAYS {
            checks.refuse("/to", format!("must be within {MOST_DAYS} days from `from`"));
        }
        checks.finish()?;
        Ok((from, to))
    }
}

/// What a patient who just missed a slot may take instead.
pub async fn next_free(
    state: &AppState,
    doctor: UserId,
    hours: &Hours,
    wanted: Slot,
) -> Result<Vec<Slot>, Error> {
    let from = wanted.date();
    let mut free = free_between(state, doctor, hours, (from, from + Days::new(NEAR))).await?;
    free.retain(|slot| slot.start > wanted.start);
    free.truncate(state.settings.current().booking.next_free);
    Ok(free)
}

async fn free_between(
    state: &AppState,
    doctor: UserId,
    hours: &Hours,
    (from, to): (NaiveDate, NaiveDate),
) -> Result<Vec<Slot>, Error> {
    let now = state.core.clock.now();
    let today = now.with_timezone(&hours.zone).date_naive();
    let last = today + Days::new(state.settings.current().booking.horizon_days.into());
    let (from, to) = (from.max(today), to.min(last));
    if to < from {
        return Ok(Vec::new());
    }
    // A day on any wall begins and ends within a day of the same one in UTC.
    let begin = from.and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::days(1);
    let end = to.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(3);
    let busy = appointments::taken_times(&mut *state.pool.acquire().await?, doctor, begin, end).await?;
    let days = from.iter_days().take_while(|day| *day <= to);
    Ok(free_slots(hours, days, now, &busy).collect())
}
