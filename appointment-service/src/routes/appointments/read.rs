//! One visit, its history, and its calendar file.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use common::auth::{Caller, Role};
use common::extract::{Json, Path, Query};
use common::ids::{AppointmentId, UserId};
use common::page::List;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{AppointmentView, by, present_one};
use crate::AppState;
use crate::domain::appointment::{Act, Appointment};
use crate::domain::calendar;
use crate::domain::change::Change;
use crate::domain::status::{Action, Status};
use crate::error::Error;
use crate::store::{appointments, changes};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1 to 100.
    limit: Option<u32>,
    cursor: Option<String>,
}

/// One entry of a visit's history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppointmentChange)]
pub struct ChangeView {
    /// The version that the visit had after it.
    version: u32,
    action: Action,
    /// Who.
    by: UserId,
    by_role: Role,
    /// When.
    at: DateTime<Utc>,
    /// The status before; `null` for the booking.
    from: Option<Status>,
    /// The status after.
    to: Status,
    from_start_at: Option<DateTime<Utc>>,
    to_start_at: DateTime<Utc>,
    reason: Option<String>,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        Self {
            version: change.version,
            action: change.action,
            by: change.by.id,
            by_role: change.by.role,
            at: change.at,
            from: change.from,
            to: change.to,
            from_start_at: change.from_start,
            to_start_at: change.to_start,
            reason: change.reason,
        }
    }
}

/// The visit and the caller's right to act on it; [`Error::NotFound`] for those whom it does not concern.
pub(super) async fn visible(
    state: &AppState,
    caller: &Caller,
    id: AppointmentId,
) -> Result<(Appointment, Act), Error> {
    let visit = appointments::find(&mut *state.pool.acquire().await?, id)
        .await?
        .ok_or(Error::NotFound)?;
    let act = visit
        .act(by(caller), state.core.clock.now())
        .ok_or(Error::NotFound)?;
    Ok((visit, act))
}

/// A visit.
#[utoipa::path(get, path = "/appointments/{id}", tag = "appointments", params(("id" = AppointmentId, Path)),
    responses((status = 200, body = AppointmentView), (status = 404)))]
pub async fn one(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<AppointmentId>,
) -> Result<Json<AppointmentView>, Error> {
    let (visit, _) = visible(&state, &caller, id).await?;
    present_one(&state, visit).await.map(Json)
}

/// Every change of a visit, the first one first.
#[utoipa::path(get, path = "/appointments/{id}/history", tag = "appointments",
    params(("id" = AppointmentId, Path), PageQuery), responses((status = 200, body = List<ChangeView>), (status = 404)))]
pub async fn history(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<AppointmentId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<ChangeView>>, Error> {
    let (visit, _) = visible(&state, &caller, id).await?;
    let page = state
        .core
        .cursors
        .page::<u32>(caller.id, "history", query.limit, query.cursor.as_deref())?;
    let connection = &mut *state.pool.acquire().await?;
    let rows = changes::list(connection, visit.id, page.after.unwrap_or_default(), page.fetch()).await?;
    let rows: Vec<ChangeView> = rows.into_iter().map(ChangeView::from).collect();
    Ok(Json(page.list(rows, |change| change.version)))
}

/// A visit as a calendar file.
#[utoipa::path(get, path = "/appointments/{id}/calendar", tag = "appointments", params(("id" = AppointmentId, Path)),
    responses((status = 200, content_type = "text/calendar", body = String), (status = 404)))]
pub async fn calendar(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<AppointmentId>,
) -> Result<Response, Error> {
    let (visit, _) = visible(&state, &caller, id).await?;
    let view = present_one(&state, visit.clone()).await?;
    let with = if caller.role == Role::Doctor {
        view.patient_name
    } else {
        view.doctor_name
    };
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"appointment.ics\"",
        ),
    ];
    Ok((headers, calendar::export(&visit, &with.unwrap_or_default())).into_response())
}
