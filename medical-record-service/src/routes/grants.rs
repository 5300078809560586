//! `/records/{patient_id}/grants`: whom a patient lets in.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use common::auth::Caller;
use common::extract::{Json, Path, Query};
use common::ids::UserId;
use common::page::List;
use common::problem::{Problem, ProblemDocument};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Attempt, admit};
use crate::audit::Action;
use crate::domain::record::stored_instant;
use crate::error::Error;
use crate::store::grants::Grant;
use crate::{AppState, store};

/// Whom to let in, and until when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// A verified doctor.
    pub doctor_id: UserId,
    /// In the future; absent: until taken back.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A grant that holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
pub struct GrantView {
    pub patient_id: UserId,
    pub doctor_id: UserId,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Entries on a page, 1 to 100; 20 if absent.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

fn view(patient_id: UserId, grant: &Grant) -> GrantView {
    let Grant {
        doctor_id,
        created_at,
        expires_at,
    } = *grant;
    GrantView {
        patient_id,
        doctor_id,
        created_at,
        expires_at,
    }
}

/// Let a doctor read and write one's records. Granting again sets a new end (200).
#[utoipa::path(
    post, path = "/records/{patient_id}/grants", tag = "records", security(("bearer" = [])),
    params(("patient_id" = UserId, Path)), request_body = NewGrant,
    responses(
        (status = 201, body = GrantView), (status = 200, body = GrantView), (status = 403, body = ProblemDocument),
        (status = 404, description = "No such verified doctor", body = ProblemDocument), (status = 422, body = ProblemDocument),
    ),
)]
pub async fn give(
    State(app): State<AppState>,
    caller: Caller,
    Path(patient): Path<UserId>,
    Json(new): Json<NewGrant>,
) -> Result<Response, Error> {
    admit(&app, Attempt::on_patient(&caller, patient, Action::Grant)).await?;
    let now = stored_instant(app.clock.now());
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("/expires_at", "must be in the future"));
    }
    if !app
        .users
        .find(new.doctor_id)
        .await?
        .is_some_and(|card| card.is_verified_doctor())
    {
        return Err(Problem::not_found().detail("There is no such doctor.").into());
    }
    let expires_at = new.expires_at.map(stored_instant);
    let grant = Grant {
        doctor_id: new.doctor_id,
        created_at: now,
        expires_at,
    };
    let is_new = store::grants::put(app.db().await?, patient, &grant).await?;
    let place = format!("/records/{patient}/grants/{}", grant.doctor_id);
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, [(header::LOCATION, place)], Json(view(patient, &grant))).into_response())
}

/// The grants that hold now.
#[utoipa::path(
    get, path = "/records/{patient_id}/grants", tag = "records", security(("bearer" = [])),
    params(("patient_id" = UserId, Path), Paging),
    responses((status = 200, body = List<GrantView>), (status = 403, body = ProblemDocument)),
)]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(patient): Path<UserId>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<GrantView>>, Error> {
    let page = app
        .cursors
        .page::<UserId>(caller.id, "grants", paging.limit, paging.cursor.as_deref())?;
    admit(&app, Attempt::on_patient(&caller, patient, Action::ListGrants)).await?;
    let found = store::grants::list(
        app.db().await?,
        patient,
        app.clock.now(),
        page.after,
        page.fetch(),
    )
    .await?;
    let views = found.iter().map(|grant| view(patient, grant)).collect();
    Ok(Json(page.list(views, |view| view.doctor_id)))
}

/// Take a grant back. The doctor's next request is refused.
#[utoipa::path(
    delete, path = "/records/{patient_id}/grants/{doctor_id}", tag = "records", security(("bearer" = [])),
    params(("patient_id" = UserId, Path), ("doctor_id" = UserId, Path)),
    responses((status = 204), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)),
)]
pub async fn take_back(
    State(app): State<AppState>,
    caller: Caller,
    Path((patient, doctor)): Path<(UserId, UserId)>,
) -> Result<StatusCode, Error> {
    admit(&app, Attempt::on_patient(&caller, patient, Action::RevokeGrant)).await?;
    let removed = store::grants::remove(app.db().await?, patient, doctor).await?;
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::NotFound)
    }
}
