//! `GET` and `PATCH /users/me`.

use std::collections::BTreeMap;

use axum::extract::State;
use common::auth::Caller;
use common::clients::users::{ChannelChoice, Preferences, QuietHours};
use common::extract::Json;
use common::problem::{Checks, ProblemDocument};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::views::User;
use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::user::{Account, MAX_NAME};
use crate::domain::{phone, preferences, text, zone};
use crate::error::Error;
use crate::state::AppState;
use crate::store::credentials;
use crate::store::users::{self, Changes};

/// What to change; absent members stay. `null` removes what may be absent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: Given<String>,
    time_zone: Option<String>,
    notifications: Option<PreferencesPatch>,
}

/// What to change of the notification preferences; absent members stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferencesPatch {
    /// Replaces all categories.
    categories: Option<BTreeMap<String, ChannelChoice>>,
    #[serde(default)]
    #[schema(value_type = Option<QuietHours>)]
    quiet_hours: Given<QuietHours>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Given<String>,
}

/// A member of a patch that may be `null`.
#[derive(Debug, Default)]
enum Given<T> {
    /// Not there: stays.
    #[default]
    Absent,
    /// `null`: removed.
    Null,
    /// A new value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T: Clone> Given<T> {
    fn over(self, old: Option<&T>) -> Option<T> {
        match self {
            Self::Absent => old.cloned(),
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl Patch {
    fn apply(self, account: &Account) -> Result<Changes, Error> {
        let mut checks = Checks::default();
        let name = self
            .name
            .map(|raw| checks.take("/name", text::line(&raw, MAX_NAME)));
        let phone = match self.phone {
            Given::Value(raw) => checks.take("/phone", phone::parse(&raw)),
            other => other.over(account.phone.as_ref()),
        };
        if let Some(zone) = &self.time_zone {
            checks.take("/time_zone", zone::parse(zone));
        }
        let preferences = match self.notifications {
            Some(patch) => patch.apply(&account.preferences),
            None => account.preferences.clone(),
        };
        preferences::check(&preferences, "/notifications", &mut checks);
        checks.finish()?;
        Ok(Changes {
            name: name.flatten().unwrap_or_else(|| account.name.clone()),
            phone,
            time_zone: self.time_zone.unwrap_or_else(|| account.time_zone.clone()),
            preferences,
        })
    }
}

impl PreferencesPatch {
    fn apply(self, old: &Preferences) -> Preferences {
        Preferences {
            categories: self.categories.unwrap_or_else(|| old.categories.clone()),
            quiet_hours: self.quiet_hours.over(old.quiet_hours.as_ref()),
            language: self.language.over(old.language.as_ref()),
        }
    }
}

/// The caller's account.
#[utoipa::path(get, path = "/users/me", tag = "accounts", responses((status = 200, body = User)), security(("bearer" = [])))]
pub async fn show(State(state): State<AppState>, caller: Caller) -> Result<Json<User>, Error> {
    let account = users::find(&mut *state.db.acquire().await?, caller.id)
        .await?
        .ok_or(Error::NotFound)?;
    Ok(Json(User::own(account)))
}

/// Change the caller's account.
#[utoipa::path(patch, path = "/users/me", tag = "accounts", request_body = Patch,
    responses((status = 200, body = User), (status = 422, body = ProblemDocument)), security(("bearer" = [])))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    client: Client,
    Json(patch): Json<Patch>,
) -> Result<Json<User>, Error> {
    let mut change = Change::begin(&state).await?;
    credentials::lock(change.db(), caller.id)
        .await?
        .ok_or(Error::NotFound)?;
    let account = users::find(change.db(), caller.id)
        .await?
        .ok_or(Error::NotFound)?;
    let changes = patch.apply(&account)?;
    let now = change.now();
    users::update(change.db(), caller.id, &changes, now).await?;
    let account = users::find(change.db(), caller.id)
        .await?
        .ok_or(Error::NotFound)?;
    let entry = Entry::done("user.updated").by(caller.id).about(caller.id);
    change.note(entry.in_session(caller.session).from(client.network()));
    change.commit().await?;
    Ok(Json(User::own(account)))
}
