//! The directory of doctors, their verification and their hours.

use axum::extract::State;
use common::auth::{Admin, Caller, Role};
use common::clients::users::{Availability, Verification};
use common::extract::{Json, Path, Query};
use common::ids::UserId;
use common::page::List;
use common::problem::{Checks, Problem, ProblemDocument};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::views::Doctor;
use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::user::{Account, MAX_NOTE, verification_str};
use crate::domain::{availability, text};
use crate::error::Error;
use crate::events;
use crate::state::AppState;
use crate::store::doctors::{self, Decision, Filter};
use crate::store::{credentials, users};

/// Which doctors.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Exactly this, whatever the case.
    specialization: Option<String>,
    /// Part of name or specialization.
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// An administrator's decision about a doctor's licence.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationForm {
    status: Decided,
    note: Option<String>,
}

/// How it was decided.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decided {
    /// The licence is good.
    Verified,
    /// It is not.
    Rejected,
}

/// Verified doctors, by name.
#[utoipa::path(get, path = "/doctors", tag = "doctors", params(ListQuery),
    responses((status = 200, body = List<Doctor>)), security(("bearer" = [])))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Doctor>>, Error> {
    let page =
        state
            .cursors
            .page::<(String, UserId)>(caller.id, "doctors", query.limit, query.cursor.as_deref())?;
    let filter = Filter {
        specialization: query.specialization,
        text: query.q,
    };
    let rows = doctors::list(
        &mut *state.db.acquire().await?,
        &filter,
        page.after.as_ref(),
        page.fetch(),
    )
    .await?;
    let list = page.list(rows, |doctor| (doctor.name.clone(), doctor.id));
    Ok(Json(List {
        items: list.items.iter().filter_map(Doctor::of).collect(),
        next_cursor: list.next_cursor,
    }))
}

/// One doctor. Who is not verified is seen only by administrators and by themselves.
#[utoipa::path(get, path = "/doctors/{id}", tag = "doctors", params(("id" = UserId, Path)),
    responses((status = 200, body = Doctor), (status = 404, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UserId>,
) -> Result<Json<Doctor>, Error> {
    let account = users::find(&mut *state.db.acquire().await?, id).await?;
    let visible = |account: &Account| account.is_listed() || caller.is(id) || caller.role == Role::Admin;
    let doctor = account.filter(visible).as_ref().and_then(Doctor::of);
    Ok(Json(doctor.ok_or(Error::NotFound)?))
}

/// Decide about a doctor's licence.
#[utoipa::path(put, path = "/doctors/{id}/verification", tag = "administration", params(("id" = UserId, Path)),
    request_body = VerificationForm,
    responses((status = 200, body = Doctor), (status = 404, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn verify(
    State(state): State<AppState>,
    Admin(caller): Admin,
    client: Client,
    Path(id): Path<UserId>,
    Json(body): Json<VerificationForm>,
) -> Result<Json<Doctor>, Error> {
    let mut checks = Checks::default();
    let note = body
        .note
        .and_then(|raw| checks.take("/note", text::line(&raw, MAX_NOTE)));
    checks.finish()?;
    let verification = match body.status {
        Decided::Verified => Verification::Verified,
        Decided::Rejected => Verification::Rejected,
    };
    let mut change = Change::begin(&state).await?;
    credentials::lock(change.db(), id).await?.ok_or(Error::NotFound)?;
    let before = find_doctor(&mut change, id).await?;
    let decision = Decision {
        verification,
        note: note.as_deref(),
        by: caller.id,
        at: change.now(),
    };
    doctors::decide(change.db(), id, &decision).await?;
    let (from, to) = (before.verification, verification_str(verification));
    if verification == Verification::Verified && from != verification {
        change.tell(id, &events::verified(id));
    }
    let entry = Entry::done("doctor.verification")
        .by(caller.id)
        .about(id)
        .in_session(caller.session);
    change.note(
        entry
            .from(client.network())
            .with("from", verification_str(from))
            .with("to", to),
    );
    let doctor = find_doctor(&mut change, id).await?;
    change.commit().await?;
    Ok(Json(doctor))
}

/// Set a doctor's hours.
#[utoipa::path(put, path = "/doctors/{id}/availability", tag = "doctors", params(("id" = UserId, Path)),
    request_body = Availability,
    responses((status = 200, body = Availability), (status = 422, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn set_availability(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Path(id): Path<UserId>,
    Json(body): Json<Availability>,
) -> Result<Json<Availability>, Error> {
    match caller.role {
        Role::Admin => {}
        Role::Doctor if caller.is(id) => {}
        _ => {
            return Err(Problem::forbidden(
                "not-your-calendar",
                "only the doctor or an administrator may do this",
            )
            .into());
        }
    }
    let mut checks = Checks::default();
    availability::check(&body, "", &mut checks);
    checks.finish()?;
    let mut change = Change::begin(&state).await?;
    credentials::lock(change.db(), id).await?.ok_or(Error::NotFound)?;
    find_doctor(&mut change, id).await?;
    doctors::set_availability(change.db(), id, &body).await?;
    let entry = Entry::done("doctor.availability")
        .by(caller.id)
        .about(id)
        .in_session(caller.session);
    change.note(entry.from(client.network()));
    change.commit().await?;
    Ok(Json(body))
}

async fn find_doctor(change: &mut Change, id: UserId) -> Result<Doctor, Error> {
    let account = users::find(change.db(), id).await?;
    account.as_ref().and_then(Doctor::of).ok_or(Error::NotFound)
}
