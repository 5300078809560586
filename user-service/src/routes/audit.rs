//! `GET /audit`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::auth::Admin;
use common::extract::{Json, Query};
use common::ids::{SessionId, UserId};
use common::page::List;
use common::period::Moment;
use common::problem::Checks;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::audit::Row;
use crate::error::Error;
use crate::state::AppState;
use crate::store::audit::{self, Filter};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Concerning or done by this user.
    user_id: Option<UserId>,
    /// Such as `login` or `user.role_changed`.
    action: Option<String>,
    /// From this date (UTC) or this instant on.
    #[param(example = "2026-01-01")]
    from: Option<String>,
    /// Up to this date (UTC), included, or this instant, not included.
    #[param(example = "2026-12-31")]
    to: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// One thing that happened.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the chain.
    seq: i64,
    at: DateTime<Utc>,
    action: String,
    /// `SUCCESS` or `REFUSED`.
    outcome: String,
    /// Who did it.
    actor_id: Option<UserId>,
    /// Whose account it concerns.
    user_id: Option<UserId>,
    session_id: Option<SessionId>,
    address: Option<String>,
    request_id: Option<String>,
    #[schema(value_type = Object)]
    details: Box<serde_json::value::RawValue>,
}

impl TryFrom<Row> for AuditEntry {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            seq: row.seq,
            at: row.at,
            action: row.action,
            outcome: row.outcome,
            actor_id: row.actor,
            user_id: row.user,
            session_id: row.session,
            address: row.address,
            request_id: row.request_id,
            details: serde_json::value::RawValue::from_string(row.details).map_err(anyhow::Error::from)?,
        })
    }
}

/// Account and security events, newest first.
#[utoipa::path(get, path = "/audit", tag = "administration", params(ListQuery),
    responses((status = 200, body = List<AuditEntry>)), security(("bearer" = [])))]
pub async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<AuditEntry>>, Error> {
    let page = state
        .cursors
        .page::<i64>(caller.id, "audit", query.limit, query.cursor.as_deref())?;
    let mut checks = Checks::default();
    let (from, to) = Moment::period((query.from.as_deref(), query.to.as_deref()), &mut checks);
    checks.finish()?;
    let filter = Filter {
        user: query.user_id,
        action: query.action,
        from: from.map(Moment::begin),
        to: to.map(Moment::end),
    };
    let rows = audit::list(&mut *state.db.acquire().await?, &filter, page.after, page.fetch()).await?;
    let entries = rows
        .into_iter()
        .map(AuditEntry::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.list(entries, |entry| entry.seq)))
}
