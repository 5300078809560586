//! Sessions: begun by a login, kept alive by refreshing, ended in many ways.

use chrono::{DateTime, TimeDelta, Utc};
use common::auth::{ACCESS_TYPE, AccessClaims, Role};
use common::ids::{SessionId, UserId};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::refresh::{Presented, Rotation, Verdict};
use crate::domain::secrets::random;
use crate::domain::user::{Credentials, Status};
use crate::error::Error;
use crate::events;
use crate::second_factor;
use crate::state::AppState;
use crate::store::credentials;
use crate::store::sessions::{self, NewSession, Stored};

/// Why a session ended: part of the event, the audit and the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Logout,
    PasswordChanged,
    PasswordReset,
    Suspended,
    RoleChanged,
    TokenReused,
    EndedByUser,
    TooMany,
    SecondFactorChanged,
}

impl Reason {
    /// As on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "LOGOUT",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::PasswordReset => "PASSWORD_RESET",
            Self::Suspended => "SUSPENDED",
            Self::RoleChanged => "ROLE_CHANGED",
            Self::TokenReused => "TOKEN_REUSED",
            Self::EndedByUser => "ENDED_BY_USER",
            Self::TooMany => "TOO_MANY_SESSIONS",
            Self::SecondFactorChanged => "SECOND_FACTOR_CHANGED",
        }
    }
}

/// What a client gets at login and at each refresh.
pub struct Tokens {
    pub access: String,
    pub access_life: i64,
    pub refresh: SecretString,
    pub refresh_life: i64,
}

/// Begin a session of `user`, whose row is locked, beside the `open` ones.
pub async fn begin(
    state: &AppState,
    change: &mut Change,
    (user, open): (&Credentials, i64),
    client: &Client,
) -> Result<Tokens, Error> {
    let now = change.now();
    let (_, life) = state.settings().session.limits(user.role);
    let rotation = Rotation {
        session: SessionId::generate(),
        salt: random(),
        generation: 1,
        rotated_at: now,
        client: client.fingerprint(),
    };
    let session = NewSession {
        rotation: &rotation,
        user: user.id,
        address: &client.network(),
        user_agent: &client.user_agent,
        now,
        expires_at: now + life,
    };
    sessions::insert(change.db(), &session).await?;
    if open >= state.settings().session.at_most {
        end_surplus(state, change, user.id).await?;
    }
    issue(state, user, &rotation, (now, now + life))
}

/// Nobody needs hundreds of devices; without a cap a login loop would fill the table.
async fn end_surplus(state: &AppState, change: &mut Change, user: UserId) -> Result<(), Error> {
    let open = sessions::open_ids(change.db(), user).await?;
    let at_most = usize::try_from(state.settings().session.at_most).unwrap_or(usize::MAX);
    for session in open.iter().take(open.len().saturating_sub(at_most)) {
        end(change, user, *session, Reason::TooMany).await?;
    }
    Ok(())
}

/// The access token and the current refresh token of a session.
fn issue(
    state: &AppState,
    user: &Credentials,
    rotation: &Rotation,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Tokens, Error> {
    let (idle, _) = state.settings().session.limits(user.role);
    let access_life = state.settings().token.access_life_s;
    let claims = AccessClaims {
        iss: state.core.settings.auth.issuer.clone(),
        aud: state.core.settings.auth.audience.clone(),
        sub: user.id,
        role: user.role,
        sid: rotation.session,
        jti: Uuid::now_v7(),
        iat: now.timestamp(),
        nbf: now.timestamp(),
        exp: now.timestamp() + access_life,
    };
    Ok(Tokens {
        access: state.keyring.sign(ACCESS_TYPE, &claims, now)?,
        access_life,
        refresh: rotation.token(&state.secrets.refresh),
        refresh_life: idle.min(expires_at - now).num_seconds(),
    })
}

/// Exchange a refresh token for new tokens.
pub async fn refresh(
    state: &AppState,
    token: &SecretString,
    client: &Client,
) -> Result<(Tokens, Credentials), Error> {
    let presented = Presented::parse(token.expose_secret()).ok_or(Error::RefreshRefused)?;
    let mut change = Change::begin(state).await?;
    let stored = sessions::lock(change.db(), presented.session)
        .await?
        .ok_or(Error::RefreshRefused)?;
    let grace = TimeDelta::seconds(state.settings().token.refresh_grace_s);
    let moment = (change.now(), grace);
    let verdict = stored
        .rotation
        .judge(&state.secrets.refresh, &presented, &client.fingerprint(), moment);
    if verdict == Verdict::Forged {
        return Err(Error::RefreshRefused);
    }
    if verdict == Verdict::Replayed {
        return replayed(change, &stored, client).await;
    }
    let user = entitled(state, &mut change, &stored).await?;
    let expires_at = stored.expires_at;
    let mut rotation = stored.rotation;
    if verdict == Verdict::Rotate {
        rotation.generation += 1;
        rotation.rotated_at = change.now();
        rotation.client = client.fingerprint();
        sessions::rotate(change.db(), &rotation, &client.network()).await?;
    }
    let tokens = issue(state, &user, &rotation, (change.now(), expires_at))?;
    change.commit().await?;
    Ok((tokens, user))
}

/// The session's user, if the session may go on.
async fn entitled(state: &AppState, change: &mut Change, stored: &Stored) -> Result<Credentials, Error> {
    let user = credentials::find(change.db(), stored.user)
        .await?
        .ok_or(Error::RefreshRefused)?;
    let (idle, _) = state.settings().session.limits(user.role);
    let now = change.now();
    let open = stored.ended_at.is_none() && now < stored.expires_at && now < stored.last_used_at + idle;
    let welcome = open && user.status == Status::Active;
    if welcome && !second_factor::is_lacking(state, change, &user).await? {
        Ok(user)
    } else {
        Err(Error::RefreshRefused)
    }
}

/// Somebody has a copy of the token, and nobody can tell who is the owner: both are out.
async fn replayed<T>(mut change: Change, stored: &Stored, client: &Client) -> Result<T, Error> {
    let session = stored.rotation.session;
    if end(&mut change, stored.user, session, Reason::TokenReused).await? {
        let entry = Entry::refused("token.reused", "refresh token used twice");
        change.note(
            entry
                .about(stored.user)
                .in_session(session)
                .from(client.network()),
        );
        change.commit().await?;
    }
    Err(Error::RefreshRefused)
}

/// End one session; false if it was not open.
pub async fn end(
    change: &mut Change,
    user: UserId,
    session: SessionId,
    reason: Reason,
) -> Result<bool, Error> {
    let now = change.now();
    if !sessions::end(change.db(), (session, user), reason.as_str(), now).await? {
        return Ok(false);
    }
    change.revoke(session);
    change.tell(session, &events::session_ended(user, Some(session), reason, now));
    Ok(true)
}

/// End all sessions of a user whose row is locked, but not `except`.
pub async fn end_all(
    change: &mut Change,
    user: UserId,
    except: Option<SessionId>,
    reason: Reason,
) -> Result<(), Error> {
    let now = change.now();
    for session in sessions::open_ids(change.db(), user).await? {
        if Some(session) != except
            && sessions::end(change.db(), (session, user), reason.as_str(), now).await?
        {
            change.revoke(session);
        }
    }
    change.tell(user, &events::session_ended(user, None, reason, now));
    Ok(())
}

/// How long sessions of `role` live unused.
pub fn idle_limit(state: &AppState, role: Role) -> TimeDelta {
    state.settings().session.limits(role).0
}
