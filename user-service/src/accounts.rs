//! Making accounts: by registration, by an administrator, and the very first one.

use anyhow::Context;
use common::auth::Role;
use common::ids::UserId;
use common::mysql;
use secrecy::SecretString;

use crate::change::Change;
use crate::config::AdminSettings;
use crate::domain::audit::Entry;
use crate::domain::email::Email;
use crate::domain::password;
use crate::domain::user::NewAccount;
use crate::error::Error;
use crate::events;
use crate::hashing::Turn;
use crate::state::AppState;
use crate::store::guards::{self, Guard};
use crate::store::{doctors, users};

/// Check and hash a new password for somebody whom `context` describes.
pub async fn hash_new(
    turn: &Turn,
    (pointer, password): (&'static str, SecretString),
    context: Vec<String>,
) -> Result<String, Error> {
    let accepted = turn.run(move || {
        let words: Vec<&str> = context.iter().map(String::as_str).collect();
        password::accept(&password, &words)
    });
    let accepted = accepted
        .await?
        .map_err(|weak| Error::invalid(pointer, weak.to_string()))?;
    turn.hash(accepted).await
}

/// Make an account; `entry` says who made it and from where.
pub async fn create(state: &AppState, new: &NewAccount, hash: &str, entry: Entry) -> Result<(), Error> {
    let mut change = Change::begin(state).await?;
    insert(&mut change, new, hash, entry).await?;
    change.commit().await
}

async fn insert(change: &mut Change, new: &NewAccount, hash: &str, entry: Entry) -> Result<(), Error> {
    let now = change.now();
    users::insert(change.db(), new, hash, now)
        .await
        .map_err(|error| match mysql::violated_key(&error) {
            Some("users_email") => Error::EmailTaken,
            _ => error.into(),
        })?;
    if let Some(profile) = &new.doctor {
        doctors::insert(change.db(), new.id, profile).await?;
    }
    change.tell(new.id, &events::registered(new));
    change.note(entry.about(new.id).with("role", new.role.as_str()));
    Ok(())
}

/// Make the first administrator if there is none. Instances that start together make one.
pub async fn ensure_admin(state: &AppState, settings: &AdminSettings) -> anyhow::Result<()> {
    if users::count_admins(&mut *state.db.acquire().await?).await? > 0 {
        return Ok(());
    }
    let email = Email::parse(&settings.email).context("ADMIN_EMAIL")?;
    let password = settings.password.as_ref().context(
        "there is no administrator yet: set ADMIN_PASSWORD (at least 12 characters) to make one at this start",
    )?;
    let accepted = password::of_right_length(password).context("ADMIN_PASSWORD")?;
    let new = NewAccount {
        id: UserId::generate(),
        email,
        name: "Administrator".to_owned(),
        role: Role::Admin,
        phone: None,
        time_zone: "UTC".to_owned(),
        doctor: None,
    };
    warn_if_weak(password, &new);
    let hash = state.hasher.turn().await?.hash(accepted).await?;
    let mut change = Change::begin(state).await?;
    guards::lock(change.db(), Guard::Admins).await?;
    if users::count_admins(change.db()).await? == 0 {
        insert(&mut change, &new, &hash, Entry::done("user.bootstrapped"))
            .await
            .context("the account of ADMIN_EMAIL cannot be made")?;
        change.commit().await?;
        tracing::info!(user_id = %new.id, "the first administrator was made");
    }
    Ok(())
}

/// An operator's choice is not refused for being guessable, but it does not go unsaid.
fn warn_if_weak(password: &SecretString, new: &NewAccount) {
    let context = new.context();
    let words: Vec<&str> = context.iter().map(String::as_str).collect();
    if let Err(weak) = password::accept(password, &words) {
        tracing::warn!(reason = %weak, "ADMIN_PASSWORD is weak: change it after the first login");
    }
}
