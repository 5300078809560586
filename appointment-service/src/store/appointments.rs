//! Table `appointments`: one visit at a time.

use chrono::{DateTime, TimeDelta, Utc};
use common::ids::{AppointmentId, UserId};
use sqlx::MySqlConnection;

use super::row::Row;
use crate::domain::appointment::{Appointment, State};
use crate::domain::schedule::Slot;

pub async fn insert(connection: &mut MySqlConnection, visit: &Appointment) -> sqlx::Result<()> {
    let minutes = notice_minutes(visit);
    sqlx::query!(
        "insert into appointments (id, patient_id, doctor_id, start_at, end_at, time_zone, local_date, status, reason,
             made_by, made_by_role, agreed_at, notice_minutes, version, created_at, updated_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        visit.id,
        visit.patient_id,
        visit.doctor_id,
        visit.slot.start,
        visit.slot.end,
        visit.slot.zone.name(),
        visit.slot.date(),
        visit.status().as_str(),
        visit.reason,
        visit.made_by.id,
        visit.made_by.role.as_str(),
        visit.agreed_at,
        minutes,
        visit.version,
        visit.created_at,
        visit.updated_at,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Write back what a change can touch.
pub async fn update(connection: &mut MySqlConnection, visit: &Appointment) -> sqlx::Result<()> {
    let cancellation = match &visit.state {
        State::Cancelled(cancellation) => Some(cancellation),
        _ => None,
    };
    sqlx::query!(
        "update appointments set start_at = ?, end_at = ?, time_zone = ?, local_date = ?, status = ?, agreed_at = ?,
             cancelled_by = ?, cancelled_by_role = ?, cancelled_reason = ?, cancelled_at = ?, version = ?, updated_at = ?
         where id = ?",
        visit.slot.start,
        visit.slot.end,
        visit.slot.zone.name(),
        visit.slot.date(),
        visit.status().as_str(),
        visit.agreed_at,
        cancellation.map(|c| c.by.id),
        cancellation.map(|c| c.by.role.as_str()),
        cancellation.and_then(|c| c.reason.as_deref()),
        cancellation.map(|c| c.at),
        visit.version,
        visit.updated_at,
        visit.id,
    )
    .execute(connection)
    .await
    .map(drop)
}

pub async fn find(connection: &mut MySqlConnection, id: AppointmentId) -> sqlx::Result<Option<Appointment>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: AppointmentId", patient_id as "patient_id: UserId", doctor_id as "doctor_id: UserId",
             start_at as "start_at: DateTime<Utc>", end_at as "end_at: DateTime<Utc>", time_zone, status, reason,
             made_by as "made_by: UserId", made_by_role, agreed_at as "agreed_at: DateTime<Utc>", notice_minutes,
             cancelled_by as "cancelled_by: UserId", cancelled_by_role, cancelled_reason,
             cancelled_at as "cancelled_at: DateTime<Utc>", version,
             created_at as "created_at: DateTime<Utc>", updated_at as "updated_at: DateTime<Utc>"
           from appointments where id = ?"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    row.map(Appointment::try_from).transpose()
}

/// Hold the visit until the end of the transaction, then read it.
pub async fn find_locked(
    connection: &mut MySqlConnection,
    id: AppointmentId,
) -> sqlx::Result<Option<Appointment>> {
    let held = sqlx::query!(
        r#"select id as "id: AppointmentId" from appointments where id = ? for update"#,
        id
    )
    .fetch_optional(&mut *connection)
    .await?;
    match held {
        None => Ok(None),
        Some(_) => find(connection, id).await,
    }
}

/// Whether a visit of `doctor` other than `except` meets `slot`. A locking read, so that it sees what was committed
/// up to now even when the transaction has read something before.
pub async fn doctor_is_taken(
    connection: &mut MySqlConnection,
    doctor: UserId,
    slot: &Slot,
    except: Option<AppointmentId>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        r#"select id as "id: AppointmentId" from appointments
           where doctor_id = ? and start_at < ? and start_at > ? - interval 1 day and end_at > ?
             and status <> 'CANCELLED' and not id <=> ?
           limit 1 for update"#,
        doctor,
        slot.end,
        slot.start,
        slot.start,
        except,
    )
    .fetch_optional(connection)
    .await
    .map(|met| met.is_some())
}

/// The same for the patient.
pub async fn patient_is_busy(
    connection: &mut MySqlConnection,
    patient: UserId,
    slot: &Slot,
    except: Option<AppointmentId>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        r#"select id as "id: AppointmentId" from appointments
           where patient_id = ? and start_at < ? and start_at > ? - interval 1 day and end_at > ?
             and status <> 'CANCELLED' and not id <=> ?
           limit 1 for update"#,
        patient,
        slot.end,
        slot.start,
        slot.start,
        except,
    )
    .fetch_optional(connection)
    .await
    .map(|met| met.is_some())
}

/// When `doctor` is taken between `from` and `to`, in order.
pub async fn taken_times(
    connection: &mut MySqlConnection,
    doctor: UserId,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::Result<Vec<(DateTime<Utc>, DateTime<Utc>)>> {
    let rows = sqlx::query!(
        r#"select start_at as "start_at: DateTime<Utc>", end_at as "end_at: DateTime<Utc>" from appointments
           where doctor_id = ? and start_at < ? and start_at > ? - interval 1 day and end_at > ? and status <> 'CANCELLED'
           order by start_at"#,
        doctor, to, from, from,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.start_at, row.end_at)).collect())
}

/// How many visits a patient holds and asks for.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Still ahead.
    pub open: i64,
    /// Booked by the patient within the last 24 hours, those cancelled since included.
    pub made_today: i64,
}

pub async fn load(
    connection: &mut MySqlConnection,
    patient: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<Load> {
    let open = sqlx::query_scalar!(
        "select count(*) from appointments where patient_id = ? and start_at > ? and status in ('BOOKED', 'CONFIRMED')",
        patient,
        now,
    )
    .fetch_one(&mut *connection)
    .await?;
    let yesterday = now - TimeDelta::hours(24);
    let made_today = sqlx::query_scalar!(
        "select count(*) from appointments where made_by = ? and created_at > ?",
        patient,
        yesterday,
    )
    .fetch_one(connection)
    .await?;
    Ok(Load { open, made_today })
}

/// The visit by which `doctor` treats `patient` at `now`, if there is one, and its end: agreed or begun, not
/// cancelled, not missed, and ended later than `horizon`. Of several, the one that ends last.
pub async fn treating(
    connection: &mut MySqlConnection,
    doctor: UserId,
    patient: UserId,
    now: DateTime<Utc>,
    horizon: DateTime<Utc>,
) -> sqlx::Result<Option<(AppointmentId, DateTime<Utc>)>> {
    let row = sqlx::query!(
        r#"select id as "id: AppointmentId", end_at as "end_at: DateTime<Utc>" from appointments
           where doctor_id = ? and patient_id = ? and status in ('BOOKED', 'CONFIRMED', 'COMPLETED')
             and (agreed_at is not null or start_at <= ?) and end_at > ?
           order by end_at desc limit 1"#,
        doctor,
        patient,
        now,
        horizon,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.id, row.end_at)))
}

fn notice_minutes(visit: &Appointment) -> u32 {
    u32::try_from(visit.notice.num_minutes()).unwrap_or_default()
}
