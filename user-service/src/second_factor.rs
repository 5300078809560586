//! The second factor: setting it up, demanding it, taking it away.

use common::auth::Role;
use common::ids::UserId;
use secrecy::{ExposeSecret, SecretString};

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::second_factor::{Authenticator, RECOVERY_CODES, recovery_code, recovery_hash};
use crate::domain::user::Credentials;
use crate::error::Error;
use crate::state::AppState;
use crate::store::second_factors::{self, Stored};

/// What the second factor says about a login.
pub enum Checked {
    /// None is set up, or the code was good.
    Passed,
    /// The code was the first of a new authenticator: it is set up now, with these recovery codes.
    Enrolled(Vec<SecretString>),
    /// A code is needed.
    Missing,
    /// The code is wrong or was used before.
    Wrong,
    /// This account must have one and has none: a new secret to begin with.
    MustEnrol { secret: String, otpauth_url: String },
}

/// Check `code` against the second factor that is `stored` of `user`, whose row is locked, at a login from `client`.
pub async fn check(
    state: &AppState,
    change: &mut Change,
    (user, client): (&Credentials, &Client),
    (stored, code): (Option<Stored>, Option<&SecretString>),
) -> Result<Checked, Error> {
    let required = is_required(state, user.role);
    match (stored, code) {
        (Some(stored), None) if stored.confirmed_at.is_some() => Ok(Checked::Missing),
        (Some(stored), Some(code)) if stored.confirmed_at.is_some() => {
            let good = accept(state, change, (user, client), &stored, code).await?;
            Ok(if good { Checked::Passed } else { Checked::Wrong })
        }
        _ if !required => Ok(Checked::Passed),
        (Some(stored), Some(code)) => {
            if accept_code(state, change, user, &stored, code).await? {
                Ok(Checked::Enrolled(confirm(state, change, user.id).await?))
            } else {
                Ok(Checked::Wrong)
            }
        }
        _ => {
            let app = begin(state, change, (user, client)).await?;
            let otpauth_url = app.url().map_err(anyhow::Error::from)?;
            Ok(Checked::MustEnrol {
                secret: app.secret_text(),
                otpauth_url,
            })
        }
    }
}

/// One of this role must have a second factor.
pub fn is_required(state: &AppState, role: Role) -> bool {
    role == Role::Admin && state.settings().second_factor.required_for_admin
}

/// `user` must have a second factor and has none: a session from before that was asked for goes on no longer.
pub async fn is_lacking(state: &AppState, change: &mut Change, user: &Credentials) -> Result<bool, Error> {
    if !is_required(state, user.role) {
        return Ok(false);
    }
    let stored = second_factors::find(change.db(), user.id).await?;
    Ok(stored.is_none_or(|stored| stored.confirmed_at.is_none()))
}

/// Begin to set up an authenticator app. Nothing is demanded before [`finish`].
pub async fn begin(
    state: &AppState,
    change: &mut Change,
    (user, client): (&Credentials, &Client),
) -> Result<Authenticator, Error> {
    let app = Authenticator::generate(&user.email).map_err(anyhow::Error::from)?;
    let sealed = state
        .secrets
        .seal(&context(user.id), app.secret())
        .map_err(anyhow::Error::from)?;
    let now = change.now();
    second_factors::begin(change.db(), user.id, &sealed, now).await?;
    change.note(entry("second_factor.begun", user, client));
    Ok(app)
}

/// End the setting up with the app's first code: the recovery codes, or `None` if the code is wrong.
pub async fn finish(
    state: &AppState,
    change: &mut Change,
    user: &Credentials,
    code: &SecretString,
) -> Result<Option<Vec<SecretString>>, Error> {
    let stored = second_factors::find(change.db(), user.id).await?;
    let Some(stored) = stored.filter(|stored| stored.confirmed_at.is_none()) else {
        return Ok(None);
    };
    if !accept_code(state, change, user, &stored, code).await? {
        return Ok(None);
    }
    confirm(state, change, user.id).await.map(Some)
}

/// Whether `code` is good now: of the app or a recovery code. It is used up.
pub async fn accept(
    state: &AppState,
    change: &mut Change,
    (user, client): (&Credentials, &Client),
    stored: &Stored,
    code: &SecretString,
) -> Result<bool, Error> {
    if accept_code(state, change, user, stored, code).await? {
        return Ok(true);
    }
    let hash = recovery_hash(&state.secrets.recovery, user.id, code);
    let now = change.now();
    let good = second_factors::use_code(change.db(), user.id, &hash, now).await?;
    if good {
        change.note(entry("second_factor.recovery_code_used", user, client));
    }
    Ok(good)
}

async fn accept_code(
    state: &AppState,
    change: &mut Change,
    user: &Credentials,
    stored: &Stored,
    code: &SecretString,
) -> Result<bool, Error> {
    let secret = state
        .secrets
        .open(&context(user.id), &stored.secret)
        .map_err(anyhow::Error::from)?;
    let app = Authenticator::from_secret(&secret, &user.email).map_err(anyhow::Error::from)?;
    match app.accept(code.expose_secret(), stored.last_step, change.now()) {
        None => Ok(false),
        Some(step) => Ok(second_factors::advance(change.db(), user.id, step).await?),
    }
}

async fn confirm(state: &AppState, change: &mut Change, user: UserId) -> Result<Vec<SecretString>, Error> {
    let codes: Vec<SecretString> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let hashes: Vec<_> = codes
        .iter()
        .map(|code| recovery_hash(&state.secrets.recovery, user, code))
        .collect();
    let now = change.now();
    second_factors::confirm(change.db(), user, now).await?;
    second_factors::replace_codes(change.db(), user, &hashes).await?;
    Ok(codes)
}

fn context(user: UserId) -> String {
    format!("second factor {user}")
}

fn entry(action: &'static str, user: &Credentials, client: &Client) -> Entry {
    Entry::done(action)
        .by(user.id)
        .about(user.id)
        .from(client.network())
}
