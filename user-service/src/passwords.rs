//! Changing and resetting passwords.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use common::auth::Caller;
use common::clients::users::ResetToken;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::accounts::hash_new;
use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::email::Email;
use crate::domain::password;
use crate::domain::reset::{self, Presented};
use crate::domain::user::{Credentials, Status, context};
use crate::error::Error;
use crate::events;
use crate::hashing::Turn;
use crate::sessions::{self, Reason};
use crate::state::AppState;
use crate::store::credentials;
use crate::store::password_resets::{self, Request, Reset};
use crate::throttle::{self, Watch};

/// How soon a wish for a reset is looked at when the wake-up was missed.
const POLL: Duration = Duration::from_secs(2);

/// How long after a wish it is looked at. The answer is out by then: what follows takes longer for an address that is
/// known, and would show in it.
const ANSWERED: Duration = Duration::from_millis(250);

/// Check the caller's own password once more, counting failures like those of a login.
pub async fn confirm_own(
    state: &AppState,
    caller: &Caller,
    (pointer, typed): (&'static str, &SecretString),
    client: &Client,
) -> Result<(Credentials, Turn), Error> {
    let user = credentials::find(&mut *state.db.acquire().await?, caller.id)
        .await?
        .ok_or(Error::NotFound)?;
    let mut watch = Watch::at_own(state, user.id, client).await?;
    let turn = watch.turn(state).await?;
    let verified = turn
        .verify(password::normalized(typed), Some(user.password_hash.clone()))
        .await?;
    if verified.matches {
        return Ok((user, turn));
    }
    let entry = Entry::refused("password.confirm", "wrong password")
        .by(caller.id)
        .about(caller.id)
        .in_session(caller.session)
        .from(client.network());
    let answer = Error::invalid(pointer, "is not your password");
    Err(watch.refused(state, Some(turn), entry, answer).await)
}

/// Change the caller's password and end every other session.
pub async fn change(
    state: &AppState,
    caller: &Caller,
    (current, new): (&SecretString, SecretString),
    client: &Client,
) -> Result<(), Error> {
    let (user, turn) = confirm_own(state, caller, ("/current_password", current), client).await?;
    let hash = hash_new(&turn, ("/new_password", new), words(&user)).await?;
    drop(turn);
    let mut change = Change::begin(state).await?;
    let locked = credentials::lock(change.db(), user.id)
        .await?
        .ok_or(Error::NotFound)?;
    if locked.password_hash != user.password_hash {
        // Changed meanwhile by somebody else who knew it.
        return Err(Error::invalid("/current_password", "is not your password"));
    }
    let now = change.now();
    credentials::set_password(change.db(), user.id, &hash, now).await?;
    password_resets::close_all(change.db(), user.id, now).await?;
    sessions::end_all(
        &mut change,
        user.id,
        Some(caller.session),
        Reason::PasswordChanged,
    )
    .await?;
    let entry = Entry::done("password.changed").by(user.id).about(user.id);
    change.note(entry.in_session(caller.session).from(client.network()));
    change.commit().await
}

/// Write down that somebody asks for a reset. Whether the address is known is looked at later: answering takes
/// the same time for all.
pub async fn request_reset(state: &AppState, email: &str, client: &Client) -> Result<(), Error> {
    let email_key = Email::parse(email)
        .map(|email| email.key().to_owned())
        .unwrap_or_default();
    let request = Request {
        id: Uuid::now_v7(),
        email_key,
        address: client.network(),
    };
    let now = state.core.clock.now();
    password_resets::request(&mut *state.db.acquire().await?, &request, now).await?;
    state.resets.notify_one();
    Ok(())
}

/// Look at the oldest wish; false if there is none.
pub async fn begin_next_reset(state: &AppState) -> Result<bool, Error> {
    let mut change = Change::begin(state).await?;
    let Some(request) = password_resets::take_request(change.db()).await? else {
        return Ok(false);
    };
    let user = credentials::find_by_email(change.db(), &request.email_key).await?;
    if let Some(user) = user.filter(|user| user.status == Status::Active) {
        begin_reset(state, &mut change, &user, &request).await?;
    }
    change.commit().await?;
    Ok(true)
}

async fn begin_reset(
    state: &AppState,
    change: &mut Change,
    user: &Credentials,
    request: &Request,
) -> Result<(), Error> {
    let settings = &state.settings().password_reset;
    let now = change.now();
    let entry = |entry: Entry| entry.about(user.id).from(&request.address);
    if password_resets::count_since(change.db(), user.id, now - TimeDelta::hours(1)).await?
        >= settings.per_hour
    {
        change.note(entry(Entry::refused("password.reset_requested", "too many")));
        return Ok(());
    }
    let (reset_id, expires_at) = (Uuid::now_v7(), now + TimeDelta::minutes(settings.life_min));
    // An older mail's link is worth nothing any more.
    password_resets::close_all(change.db(), user.id, now).await?;
    password_resets::insert(change.db(), (reset_id, user.id), now, expires_at).await?;
    change.tell(user.id, &events::reset_requested(user.id, reset_id, expires_at));
    change.note(entry(Entry::done("password.reset_requested")));
    Ok(())
}

/// Work through the wishes until `stop`.
pub async fn serve_resets(state: AppState, wake: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match begin_next_reset(&state).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "password resets wait"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = wake.notified() => {
                stop.run_until_cancelled(tokio::time::sleep(ANSWERED)).await;
            }
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// The token of an open reset, for the mail that carries it.
pub async fn reset_token(state: &AppState, id: Uuid) -> Result<ResetToken, Error> {
    let reset = password_resets::find(&mut *state.db.acquire().await?, id).await?;
    let reset = reset
        .filter(|reset| is_open(state, reset))
        .ok_or(Error::NotFound)?;
    let token = reset::token(&state.secrets.reset, id, reset.user)
        .expose_secret()
        .to_owned();
    Ok(ResetToken {
        user_id: reset.user,
        token,
        expires_at: reset.expires_at,
    })
}

/// Set a new password with a token from a mail; ends every session.
pub async fn reset(state: &AppState, token: &str, new: SecretString, client: &Client) -> Result<(), Error> {
    let worthless = || Error::invalid("/token", "is not valid, was used, or has expired");
    let presented = Presented::parse(token).ok_or_else(worthless)?;
    let mut connection = state.db.acquire().await?;
    let reset = password_resets::find(&mut connection, presented.reset)
        .await?
        .ok_or_else(worthless)?;
    if !presented.is_of(&state.secrets.reset, reset.user) || !is_open(state, &reset) {
        return Err(worthless());
    }
    let user = credentials::find(&mut connection, reset.user)
        .await?
        .ok_or_else(worthless)?;
    drop(connection);
    let turn = state.hasher.turn().await?;
    let hash = hash_new(&turn, ("/new_password", new), words(&user)).await?;
    drop(turn);
    let mut change = Change::begin(state).await?;
    credentials::lock(change.db(), user.id)
        .await?
        .ok_or_else(worthless)?;
    let now = change.now();
    if !password_resets::close(change.db(), presented.reset, now).await? {
        return Err(worthless());
    }
    password_resets::close_all(change.db(), user.id, now).await?;
    credentials::set_password(change.db(), user.id, &hash, now).await?;
    throttle::forgive(&mut change, user.id, client).await?;
    sessions::end_all(&mut change, user.id, None, Reason::PasswordReset).await?;
    change.note(
        Entry::done("password.reset")
            .by(user.id)
            .about(user.id)
            .from(client.network()),
    );
    change.commit().await
}

fn is_open(state: &AppState, reset: &Reset) -> bool {
    reset.closed_at.is_none() && state.core.clock.now() < reset.expires_at
}

fn words(user: &Credentials) -> Vec<String> {
    Email::parse(&user.email)
        .map(|email| context(&email, &user.name, ""))
        .unwrap_or_default()
}
