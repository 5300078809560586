//! Writing to somebody by hand, and the ledger.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use common::auth::{Admin, Caller, Role};
use common::extract::{Json, Path, Query};
use common::ids::{AppointmentId, NotificationId, UserId};
use common::page::List;
use common::problem::{Checks, Problem};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::AppState;
use crate::domain::audience::{Facts, Notice};
use crate::domain::channel::Channel;
use crate::domain::status::Status;
use crate::domain::template::Template;
use crate::domain::text::{check_message, check_subject};
use crate::error::Error;
use crate::store::ledger;
use crate::store::listing::{self, Filter, Notification};

const LIST: &str = "notifications";
const MAX_SUBJECT: usize = 200;
const MAX_MAIL: usize = 10_000;
/// What Twilio takes.
const MAX_SMS: usize = 1_600;
/// How long a message written by hand is worth sending.
const USEFUL: TimeDelta = TimeDelta::days(7);

/// A message written by an administrator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyRequest {
    /// The recipient.
    pub user_id: UserId,
    pub channel: Channel,
    /// One line, at most 200 characters; for e-mail only.
    #[serde(default)]
    pub subject: Option<String>,
    /// At most 10 000 characters by e-mail and 1600 by SMS. No health information.
    pub message: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    status: Option<Status>,
    channel: Option<Channel>,
    /// The recipient.
    user_id: Option<UserId>,
    appointment_id: Option<AppointmentId>,
    /// 1 to 100, by default 20.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Write to a user.
#[utoipa::path(
    post, path = "/notify", tag = "notifications", request_body = NotifyRequest,
    responses(
        (status = 202, description = "Queued; `Location` says where to look", body = Notification),
        (status = 404, description = "No such user"),
        (status = 422, description = "`no-address`, or a text that is empty, too long or broken"),
    )
)]
pub async fn notify(
    State(state): State<AppState>,
    _: Admin,
    Json(request): Json<NotifyRequest>,
) -> Result<(StatusCode, HeaderMap, Json<Notification>), Error> {
    let facts = check(&request)?;
    let card = state.users.find(request.user_id).await?.ok_or(Error::NotFound)?;
    if request.channel == Channel::Sms && card.phone.is_none() {
        return Err(Error::NoAddress(request.channel));
    }
    let now = state.clock.now();
    let notice = message(request.user_id, facts, now);
    let mut db = state.pool.acquire().await?;
    let id = ledger::add(&mut db, &notice, request.channel, None, now).await?;
    let queued = listing::find(&mut db, id).await?.ok_or(Error::NotFound)?;
    state.wake.all();
    Ok((StatusCode::ACCEPTED, location(id), Json(queued)))
}

fn check(request: &NotifyRequest) -> Result<Facts, Problem> {
    let mut checks = Checks::default();
    let max = if request.channel == Channel::Sms {
        MAX_SMS
    } else {
        MAX_MAIL
    };
    let message = checks.take("/message", check_message(&request.message, max));
    let subject = match &request.subject {
        Some(subject) => checks.take("/subject", check_subject(subject, MAX_SUBJECT)),
        None => None,
    };
    checks.finish()?;
    Ok(Facts {
        subject,
        message,
        ..Facts::default()
    })
}

fn message(user_id: UserId, facts: Facts, now: DateTime<Utc>) -> Notice {
    Notice {
        user_id,
        template: Template::Message,
        sms: false,
        // The same words twice are two messages.
        key: Uuid::now_v7().to_string(),
        appointment_id: None,
        version: 0,
        facts,
        due_at: now,
        expires_at: Some(now + USEFUL),
    }
}

fn location(id: NotificationId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(path) = HeaderValue::try_from(format!("/notifications/{id}")) {
        headers.insert(header::LOCATION, path);
    }
    headers
}

/// One's own notifications, the newest first; an administrator's: all.
#[utoipa::path(
    get, path = "/notifications", tag = "notifications", params(ListQuery),
    responses((status = 200, body = List<Notification>))
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Notification>>, Error> {
    let page = state
        .cursors
        .page::<NotificationId>(caller.id, LIST, query.limit, query.cursor.as_deref())?;
    let filter = Filter {
        visible_to: visible_to(&caller),
        user_id: query.user_id,
        status: query.status,
        channel: query.channel,
        appointment_id: query.appointment_id,
        before: page.after,
    };
    let rows = listing::list(&mut *state.pool.acquire().await?, &filter, page.fetch()).await?;
    Ok(Json(page.list(rows, |row| row.id)))
}

/// Whose notifications the caller may see; `None`: everybody's.
fn visible_to(caller: &Caller) -> Option<UserId> {
    (caller.role != Role::Admin).then_some(caller.id)
}

/// One notification.
#[utoipa::path(
    get, path = "/notifications/{id}", tag = "notifications", params(("id" = NotificationId, Path)),
    responses((status = 200, body = Notification), (status = 404))
)]
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<NotificationId>,
) -> Result<Json<Notification>, Error> {
    let found = listing::find(&mut *state.pool.acquire().await?, id).await?;
    let visible = |one: &Notification| visible_to(&caller).is_none_or(|user| one.user_id == user);
    found.filter(visible).map(Json).ok_or(Error::NotFound)
}

/// Send a failed notification again.
#[utoipa::path(
    post, path = "/notifications/{id}/retry", tag = "notifications", params(("id" = NotificationId, Path)),
    responses(
        (status = 202, description = "Queued again", body = Notification),
        (status = 404),
        (status = 409, description = "`invalid-transition`: it has not failed"),
    )
)]
pub async fn retry(
    State(state): State<AppState>,
    _: Admin,
    Path(id): Path<NotificationId>,
) -> Result<(StatusCode, Json<Notification>), Error> {
    let mut db = state.pool.acquire().await?;
    listing::find(&mut db, id).await?.ok_or(Error::NotFound)?;
    let now = state.clock.now();
    if !listing::requeue(&mut db, id, now, now + USEFUL).await? {
        return Err(Error::NotFailed);
    }
    let queued = listing::find(&mut db, id).await?.ok_or(Error::NotFound)?;
    state.wake.all();
    Ok((StatusCode::ACCEPTED, Json(queued)))
}
