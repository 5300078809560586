//! Accounts as administrators see and change them.

use axum::extract::State;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use common::auth::{Admin, Caller, Role};
use common::clients::users::Verification;
use common::extract::{Json, Path, Query};
use common::ids::UserId;
use common::page::List;
use common::problem::{Checks, ProblemDocument};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::register::{DoctorForm, Form, checked, created};
use super::views::User;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::secrets::random;
use crate::domain::user::Status;
use crate::error::Error;
use crate::standing::{self, Standing};
use crate::state::AppState;
use crate::store::users::{self, Filter};
use crate::{accounts, passwords};

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    #[param(inline)]
    role: Option<Role>,
    #[param(inline)]
    status: Option<Status>,
    /// Doctors in this state of verification.
    #[param(inline)]
    verification: Option<Verification>,
    /// Part of name or e-mail address.
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A new account of any role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    name: String,
    email: String,
    /// Absent: the user gets a mail and sets one.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    role: Role,
    phone: Option<String>,
    time_zone: Option<String>,
    doctor: Option<DoctorForm>,
}

/// What to change of an account; absent members stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingPatch {
    status: Option<Status>,
    role: Option<Role>,
    /// For one who becomes a DOCTOR and never was one.
    doctor: Option<DoctorForm>,
}

/// All accounts.
#[utoipa::path(get, path = "/users", tag = "administration", params(ListQuery),
    responses((status = 200, body = List<User>)), security(("bearer" = [])))]
pub async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<User>>, Error> {
    let page = state
        .cursors
        .page::<UserId>(caller.id, "users", query.limit, query.cursor.as_deref())?;
    let ListQuery {
        role,
        status,
        verification,
        q: text,
        ..
    } = query;
    let filter = Filter {
        role,
        status,
        verification,
        text,
    };
    let rows = users::list(&mut *state.db.acquire().await?, &filter, page.after, page.fetch()).await?;
    let list = page.list(rows, |account| account.id);
    let items = list.items.into_iter().map(User::from).collect();
    Ok(Json(List {
        items,
        next_cursor: list.next_cursor,
    }))
}

/// Make an account of any role.
#[utoipa::path(post, path = "/users", tag = "administration", request_body = NewUser,
    responses((status = 201, body = User), (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument)),
    security(("bearer" = [])))]
pub async fn create(
    State(state): State<AppState>,
    Admin(caller): Admin,
    client: Client,
    Json(body): Json<NewUser>,
) -> Result<impl IntoResponse, Error> {
    let NewUser {
        name,
        email,
        password,
        role,
        phone,
        time_zone,
        doctor,
    } = body;
    let new = checked(
        Form {
            name,
            email,
            role,
            phone,
            time_zone,
            doctor,
        },
        password.as_ref(),
    )?;
    let invited = password.is_none();
    // Without a password nobody can log in before the invited person has set one.
    let password = password.unwrap_or_else(|| STANDARD_NO_PAD.encode(random::<32>()).into());
    let turn = state.hasher.turn().await?;
    let hash = accounts::hash_new(&turn, ("/password", password), new.context()).await?;
    drop(turn);
    let entry = Entry::done("user.created")
        .by(caller.id)
        .in_session(caller.session)
        .from(client.network());
    accounts::create(&state, &new, &hash, entry).await?;
    if invited {
        passwords::request_reset(&state, new.email.shown(), &client).await?;
    }
    created(&state, new.id).await
}

/// One account: anyone's for an administrator, else one's own.
#[utoipa::path(get, path = "/users/{id}", tag = "accounts", params(("id" = UserId, Path)),
    responses((status = 200, body = User), (status = 404, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UserId>,
) -> Result<Json<User>, Error> {
    if caller.role != Role::Admin && !caller.is(id) {
        return Err(Error::NotFound);
    }
    let account = users::find(&mut *state.db.acquire().await?, id)
        .await?
        .ok_or(Error::NotFound)?;
    Ok(Json(if caller.is(id) {
        User::own(account)
    } else {
        User::from(account)
    }))
}

/// Suspend or reinstate an account, or change its role.
#[utoipa::path(patch, path = "/users/{id}", tag = "administration", params(("id" = UserId, Path)),
    request_body = StandingPatch,
    responses((status = 200, body = User), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)),
    security(("bearer" = [])))]
pub async fn update(
    State(state): State<AppState>,
    Admin(caller): Admin,
    client: Client,
    Path(id): Path<UserId>,
    Json(body): Json<StandingPatch>,
) -> Result<Json<User>, Error> {
    let mut checks = Checks::default();
    let doctor = match (body.role, body.doctor) {
        (Some(Role::Doctor), Some(form)) => form.check("UTC", &mut checks),
        (_, Some(_)) => {
            checks.refuse("/doctor", "is only for one who becomes a DOCTOR");
            None
        }
        _ => None,
    };
    checks.finish()?;
    let wanted = Standing {
        status: body.status,
        role: body.role,
        doctor,
    };
    Ok(Json(
        standing::change(&state, (&caller, &client), id, wanted)
            .await?
            .into(),
    ))
}
