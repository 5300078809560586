//! `GET /records/{patient_id}/access-log`: who did or tried what.

use std::collections::HashMap;

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::auth::Caller;
use common::extract::{Json, Path, Query};
use common::ids::{RecordId, UserId};
use common::page::List;
use common::problem::ProblemDocument;
use serde::Serialize;
use utoipa::ToSchema;

use super::grants::Paging;
use crate::access::{Attempt, admit};
use crate::audit::Action;
use crate::error::Error;
use crate::store::access_log::{Placed, Tail};
use crate::{AppState, store};

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessLogEntry)]
pub struct EntryView {
    /// Counts the patient's entries from 1.
    pub seq: i64,
    pub patient_id: UserId,
    pub user_id: UserId,
    /// As it is now; `null` if it cannot be found out.
    pub user_name: Option<String>,
    /// `PATIENT`, `DOCTOR` or `ADMIN`.
    pub role: String,
    /// `LIST`, `READ`, `DOWNLOAD`, `READ_VERSIONS`, `CREATE`, `PRESCRIBE`, `AMEND`, `WITHDRAW`, `LIST_GRANTS`, `GRANT`,
    /// `REVOKE_GRANT`, `READ_ACCESS_LOG`
    pub action: String,
    pub record_id: Option<RecordId>,
    /// `ALLOWED` or `REFUSED`
    pub outcome: String,
    /// What decided: `OWN_RECORD`, `AUTHOR`, `APPOINTMENT`, `GRANT`, `BREAK_GLASS`, `ANY_DOCTOR`, `OVERSIGHT`; for a refusal `ROLE`,
    /// `NOT_VERIFIED`, `NOT_THE_PATIENT`, `NO_RELATIONSHIP`, `NOT_THE_AUTHOR`, `UNKNOWN`
    pub rule: String,
    /// The doctor's words on breaking the glass; only for the patient.
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
    pub request_id: String,
    /// Whether this entry is what was written, and the one before it is still there.
    pub intact: bool,
}

/// Every read, write and refusal concerning a patient's records, newest first.
#[utoipa::path(
    get, path = "/records/{patient_id}/access-log", tag = "records", security(("bearer" = [])),
    params(("patient_id" = UserId, Path), Paging),
    responses((status = 200, body = List<EntryView>), (status = 403, body = ProblemDocument)),
)]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(patient): Path<UserId>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<EntryView>>, Error> {
    let page = app
        .cursors
        .page::<i64>(caller.id, "access-log", paging.limit, paging.cursor.as_deref())?;
    admit(&app, Attempt::on_patient(&caller, patient, Action::ReadAccessLog)).await?;
    let rows = store::access_log::list(app.db().await?, patient, page.after, page.fetch()).await?;
    let names = names(&app, &rows).await;
    let mut views: Vec<EntryView> = (0..rows.len()).map(|at| view(&app, &rows, at, &names)).collect();
    if !caller.is(patient) {
        // A doctor's words about an emergency are about the patient's health: nothing for those who only oversee.
        for view in &mut views {
            view.reason = None;
        }
    }
    Ok(Json(page.list(views, |view| view.seq)))
}

/// The names of those who appear. The log is readable without them.
async fn names(app: &AppState, rows: &[Placed]) -> HashMap<UserId, String> {
    let mut ids: Vec<UserId> = rows.iter().map(|placed| placed.row.user_id.into()).collect();
    ids.sort_unstable();
    ids.dedup();
    match app.users.lookup(&ids).await {
        Ok(cards) => cards.into_iter().map(|card| (card.id, card.name)).collect(),
        Err(error) => {
            tracing::warn!(%error, "access log without names");
            HashMap::new()
        }
    }
}

fn view(app: &AppState, rows: &[Placed], at: usize, names: &HashMap<UserId, String>) -> EntryView {
    let Placed { seq, row, .. } = &rows[at];
    // The row before stands after it: newest first. The last one of the answer is there only to be stood on.
    let before = rows
        .get(at + 1)
        .map(|row| Tail {
            seq: row.seq,
            tag: row.tag.clone(),
        })
        .unwrap_or_default();
    let intact = app.audit.verifies(&rows[at], &before);
    let is_read_in_full = at + 1 < rows.len() || *seq == 1;
    if is_read_in_full && !intact {
        metrics::counter!("records_integrity_failures_total").increment(1);
        tracing::error!(alert = true, patient = %row.patient_id, seq, "the access log was tampered with");
    }
    EntryView {
        seq: *seq,
        patient_id: row.patient_id.into(),
        user_id: row.user_id.into(),
        user_name: names.get(&row.user_id.into()).cloned(),
        role: row.role.clone(),
        action: row.action.clone(),
        record_id: row.record_id.map(Into::into),
        outcome: row.outcome.clone(),
        rule: row.rule.clone(),
        reason: app.audit.reason(row),
        at: row.at,
        request_id: row.request_id.clone(),
        intact,
    }
}
