//! `PUT /records/{patient_id}/{record_id}/withdrawal`

use axum::extract::State;
use common::auth::Caller;
use common::extract::{Json, Path};
use common::ids::{RecordId, UserId};
use common::problem::{Checks, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::RecordView;
use crate::access::{Attempt, admit};
use crate::audit::Action;
use crate::domain::record::{Immovable, stored_instant};
use crate::domain::text;
use crate::error::Error;
use crate::store::records::StoredRecord;
use crate::{AppState, store, writing};

/// Why a record is withdrawn.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// At most 1000 characters.
    pub reason: String,
}

/// Mark a record as entered in error: doctors' lists no longer show it, the patient sees it as withdrawn.
///
/// Doing so again changes nothing.
#[utoipa::path(
    put, path = "/records/{patient_id}/{record_id}/withdrawal", tag = "records", security(("bearer" = [])),
    params(("patient_id" = UserId, Path), ("record_id" = RecordId, Path, description = "The newest version")),
    request_body = Withdraw,
    responses(
        (status = 200, body = RecordView), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument),
    ),
)]
pub async fn withdraw(
    State(app): State<AppState>,
    caller: Caller,
    Path((patient, head)): Path<(UserId, RecordId)>,
    Json(body): Json<Withdraw>,
) -> Result<Json<RecordView>, Error> {
    let mut checks = Checks::default();
    let Some(reason) = checks.take("/reason", text::reason(&body.reason)) else {
        return Err(checks.into_problem().into());
    };
    let db = app.db().await?;
    let found = store::records::find(db, patient, head).await?;
    let outline = found.as_ref().map(StoredRecord::outline);
    admit(
        &app,
        Attempt::on_record(&caller, patient, Action::Withdraw, (head, outline.as_ref())),
    )
    .await?;
    let (record, outline) = found.zip(outline).ok_or(Error::NotFound)?;
    outline.check_withdrawable(head)?;
    if !outline.is_withdrawn {
        let now = stored_instant(app.clock.now());
        let withdrawal = app
            .vault
            .seal_withdrawal(writing::version(&record, head)?, &reason, now)?;
        store::records::withdraw(db, head, &withdrawal).await?;
    }
    // Read again: somebody else may have been first, with an amendment or with a withdrawal.
    let record = store::records::find(db, patient, head)
        .await?
        .ok_or(Error::NotFound)?;
    if record.withdrawal.is_none() {
        return Err(Immovable::NotTheHead.into());
    }
    Ok(Json(RecordView::open(
        &app.vault,
        &record,
        writing::version(&record, head)?,
    )?))
}
