//! `POST /register`, and the form that it shares with `POST /users`.

use axum::extract::State;
use axum::response::IntoResponse;
use common::auth::Role;
use common::clients::users::{Availability, Verification};
use common::extract::Json;
use common::ids::UserId;
use common::problem::{Checks, ProblemDocument};
use http::{HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::views::User;
use crate::accounts;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::email::Email;
use crate::domain::user::{MAX_LICENSE, MAX_NAME, MAX_SPECIALIZATION, NewAccount, Profile};
use crate::domain::{availability, password, phone, text, zone};
use crate::error::Error;
use crate::state::AppState;
use crate::store::users;

const DEFAULT_ZONE: &str = "UTC";

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    name: String,
    #[schema(example = "ann@example.org")]
    email: String,
    /// 12 to 128 characters, not easy to guess.
    #[schema(value_type = String)]
    password: SecretString,
    role: SelfMadeRole,
    /// E.164, as `+4930901820`.
    phone: Option<String>,
    /// IANA name; `UTC` if absent.
    time_zone: Option<String>,
    /// Needed for a DOCTOR, refused for a PATIENT.
    doctor: Option<DoctorForm>,
}

/// What anyone may make themselves.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SelfMadeRole {
    /// Keeps a calendar and writes records, once verified.
    Doctor,
    /// Books visits and owns records.
    Patient,
}

/// What makes an account a doctor's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoctorForm {
    specialization: String,
    license_number: Option<String>,
    availability: Option<Availability>,
}

/// The members of an account as somebody typed them.
pub struct Form {
    pub name: String,
    pub email: String,
    pub role: Role,
    pub phone: Option<String>,
    pub time_zone: Option<String>,
    pub doctor: Option<DoctorForm>,
}

impl Form {
    /// Check every member.
    pub fn check(self, checks: &mut Checks) -> Option<NewAccount> {
        let name = checks.take("/name", text::line(&self.name, MAX_NAME));
        let email = checks.take("/email", Email::parse(&self.email));
        let phone = self.phone.map(|raw| checks.take("/phone", phone::parse(&raw)));
        let zone = self.time_zone.unwrap_or_else(|| DEFAULT_ZONE.to_owned());
        checks.take("/time_zone", zone::parse(&zone));
        let doctor = match (self.role, self.doctor) {
            (Role::Doctor, Some(form)) => form.check(&zone, checks),
            (Role::Doctor, None) => {
                checks.refuse("/doctor", "is needed for a DOCTOR");
                None
            }
            (_, Some(_)) => {
                checks.refuse("/doctor", "is only for a DOCTOR");
                None
            }
            (_, None) => None,
        };
        let (name, email) = (name?, email?);
        let role = self.role;
        Some(NewAccount {
            id: UserId::generate(),
            email,
            name,
            role,
            phone: phone.flatten(),
            time_zone: zone,
            doctor,
        })
    }
}

impl DoctorForm {
    /// Check every member; a new doctor is not verified.
    pub fn check(self, zone: &str, checks: &mut Checks) -> Option<Profile> {
        let specialization = checks.take(
            "/doctor/specialization",
            text::line(&self.specialization, MAX_SPECIALIZATION),
        );
        let license = self
            .license_number
            .map(|raw| checks.take("/doctor/license_number", text::line(&raw, MAX_LICENSE)));
        let availability = self.availability.unwrap_or_else(|| availability::none(zone));
        availability::check(&availability, "/doctor/availability", checks);
        Some(Profile {
            specialization: specialization?,
            license_number: license.flatten(),
            verification: Verification::Pending,
            availability,
        })
    }
}

/// Make an account for oneself.
#[utoipa::path(post, path = "/register", tag = "accounts", request_body = Registration,
    responses((status = 201, body = User), (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub async fn register(
    State(state): State<AppState>,
    client: Client,
    Json(body): Json<Registration>,
) -> Result<impl IntoResponse, Error> {
    let Registration {
        name,
        email,
        password,
        role,
        phone,
        time_zone,
        doctor,
    } = body;
    let role = match role {
        SelfMadeRole::Doctor => Role::Doctor,
        SelfMadeRole::Patient => Role::Patient,
    };
    let new = checked(
        Form {
            name,
            email,
            role,
            phone,
            time_zone,
            doctor,
        },
        Some(&password),
    )?;
    let turn = state.hasher.turn().await?;
    let hash = accounts::hash_new(&turn, ("/password", password), new.context()).await?;
    drop(turn);
    let entry = Entry::done("user.registered").by(new.id).from(client.network());
    accounts::create(&state, &new, &hash, entry).await?;
    created(&state, new.id).await
}

/// The account, or 422 with everything that is wrong.
pub fn checked(form: Form, password: Option<&SecretString>) -> Result<NewAccount, Error> {
    let mut checks = Checks::default();
    let new = form.check(&mut checks);
    if let Some(password) = password {
        // How guessable it is takes longer to tell and comes later.
        checks.take("/password", password::of_right_length(password));
    }
    match new {
        Some(new) if checks.is_clean() => Ok(new),
        _ => Err(checks.into_problem().into()),
    }
}

/// 201 with the account as it now stands.
pub async fn created(state: &AppState, id: UserId) -> Result<impl IntoResponse + use<>, Error> {
    let account = users::find(&mut *state.db.acquire().await?, id)
        .await?
        .ok_or(Error::NotFound)?;
    let location = HeaderValue::try_from(format!("/users/{id}")).map_err(anyhow::Error::from)?;
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(User::from(account)),
    ))
}
