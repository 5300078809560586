//! Setting up a second factor and taking it away.

use axum::extract::State;
use axum::response::IntoResponse;
use common::auth::Caller;
use common::extract::Json;
use common::problem::{Problem, ProblemDocument};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::error::Error;
use crate::passwords::confirm_own;
use crate::second_factor;
use crate::sessions::{self, Reason};
use crate::state::AppState;
use crate::store::{credentials, second_factors};
use crate::throttle::Watch;

/// The caller's password, once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    #[schema(value_type = String)]
    current_password: SecretString,
}

/// The first code of the new authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    #[schema(value_type = String)]
    code: SecretString,
}

/// The caller's password, once more, and a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    #[schema(value_type = String)]
    current_password: SecretString,
    #[schema(value_type = String)]
    code: SecretString,
}

/// What to put into an authenticator app.
#[derive(Serialize, ToSchema)]
pub struct Enrolment {
    /// Base 32.
    secret: String,
    /// The same, to be shown as a QR code.
    otpauth_url: String,
}

/// Codes for the day the authenticator is lost; shown this one time.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// Begin to set up an authenticator app.
#[utoipa::path(post, path = "/users/me/second-factor", tag = "accounts", request_body = Begin,
    responses((status = 201, body = Enrolment), (status = 409, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn begin(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Json(body): Json<Begin>,
) -> Result<impl IntoResponse, Error> {
    let (user, turn) = confirm_own(
        &state,
        &caller,
        ("/current_password", &body.current_password),
        &client,
    )
    .await?;
    drop(turn);
    let mut change = Change::begin(&state).await?;
    credentials::lock(change.db(), user.id)
        .await?
        .ok_or(Error::NotFound)?;
    let stored = second_factors::find(change.db(), user.id).await?;
    if stored.is_some_and(|stored| stored.confirmed_at.is_some()) {
        return Err(Problem::conflict("second-factor-exists", "A second factor is set up").into());
    }
    let app = second_factor::begin(&state, &mut change, (&user, &client)).await?;
    change.commit().await?;
    let otpauth_url = app.url().map_err(anyhow::Error::from)?;
    Ok((
        StatusCode::CREATED,
        Json(Enrolment {
            secret: app.secret_text(),
            otpauth_url,
        }),
    ))
}

/// End the setting up: from the next login on a code is needed. Every other session ends.
#[utoipa::path(post, path = "/users/me/second-factor/confirmation", tag = "accounts", request_body = Confirm,
    responses((status = 200, body = RecoveryCodes), (status = 422, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn confirm(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Json(body): Json<Confirm>,
) -> Result<Json<RecoveryCodes>, Error> {
    let mut watch = Watch::at_own(&state, caller.id, &client).await?;
    let turn = watch.turn(&state).await?;
    let mut change = Change::begin(&state).await?;
    let user = credentials::lock(change.db(), caller.id)
        .await?
        .ok_or(Error::NotFound)?;
    let Some(codes) = second_factor::finish(&state, &mut change, &user, &body.code).await? else {
        drop(change);
        let answer = Error::invalid("/code", "is not the code that the app shows now");
        let entry = wrong_code("second_factor.enrolled", &caller, &client);
        return Err(watch.refused(&state, Some(turn), entry, answer).await);
    };
    changed(change, (&caller, &client), "second_factor.enrolled").await?;
    let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Take the second factor away. Every other session ends.
#[utoipa::path(post, path = "/users/me/second-factor/removal", tag = "accounts", request_body = Remove,
    responses((status = 204), (status = 409, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Json(body): Json<Remove>,
) -> Result<StatusCode, Error> {
    if second_factor::is_required(&state, caller.role) {
        return Err(Problem::conflict(
            "second-factor-required",
            "Administrators keep their second factor",
        )
        .into());
    }
    let watch = Watch::at_own(&state, caller.id, &client).await?;
    let (user, turn) = confirm_own(
        &state,
        &caller,
        ("/current_password", &body.current_password),
        &client,
    )
    .await?;
    let mut change = Change::begin(&state).await?;
    credentials::lock(change.db(), user.id)
        .await?
        .ok_or(Error::NotFound)?;
    let stored = second_factors::find(change.db(), user.id)
        .await?
        .ok_or(Error::NotFound)?;
    if !second_factor::accept(&state, &mut change, (&user, &client), &stored, &body.code).await? {
        drop(change);
        let answer = Error::invalid("/code", "is wrong or was used");
        let entry = wrong_code("second_factor.removed", &caller, &client);
        return Err(watch.refused(&state, Some(turn), entry, answer).await);
    }
    second_factors::remove(change.db(), user.id).await?;
    changed(change, (&caller, &client), "second_factor.removed").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A wrong code counts like a wrong password.
fn wrong_code(action: &'static str, caller: &Caller, client: &Client) -> Entry {
    Entry::refused(action, "wrong code")
        .by(caller.id)
        .about(caller.id)
        .in_session(caller.session)
        .from(client.network())
}

async fn changed(
    mut change: Change,
    (caller, client): (&Caller, &Client),
    action: &'static str,
) -> Result<(), Error> {
    sessions::end_all(
        &mut change,
        caller.id,
        Some(caller.session),
        Reason::SecondFactorChanged,
    )
    .await?;
    let entry = Entry::done(action).by(caller.id).about(caller.id);
    change.note(entry.in_session(caller.session).from(client.network()));
    change.commit().await
}
