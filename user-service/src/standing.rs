//! What an administrator decides about an account: its status and its role.

use common::auth::{Caller, Role};
use common::ids::UserId;

use crate::change::Change;
use crate::client::Client;
use crate::domain::audit::Entry;
use crate::domain::user::{Account, Profile, Status};
use crate::error::Error;
use crate::sessions::{self, Reason};
use crate::state::AppState;
use crate::store::guards::{self, Guard};
use crate::store::{credentials, doctors, users};

/// What to change; `None` stays.
pub struct Standing {
    pub status: Option<Status>,
    pub role: Option<Role>,
    /// For one who becomes a doctor and never was one.
    pub doctor: Option<Profile>,
}

/// Change the standing of `id`; the account as it then is.
pub async fn change(
    state: &AppState,
    (admin, client): (&Caller, &Client),
    id: UserId,
    wanted: Standing,
) -> Result<Account, Error> {
    let mut change = Change::begin(state).await?;
    // Two administrators who remove each other at once take turns here, and the second finds itself the last.
    guards::lock(change.db(), Guard::Admins).await?;
    let before = credentials::lock(change.db(), id).await?.ok_or(Error::NotFound)?;
    let role = wanted.role.unwrap_or(before.role);
    let status = wanted.status.unwrap_or(before.status);
    let (was, stays) = (
        is_active_admin(before.role, before.status),
        is_active_admin(role, status),
    );
    if was && !stays && users::count_active_admins(change.db()).await? <= 1 {
        return Err(Error::LastAdmin);
    }
    if admin.is(id) && role != before.role {
        return Err(Error::OwnRole);
    }
    if role == Role::Doctor {
        ensure_profile(&mut change, id, wanted.doctor).await?;
    }
    let now = change.now();
    users::set_standing(change.db(), id, (role, status), now).await?;
    let entry = |action| {
        Entry::done(action)
            .by(admin.id)
            .about(id)
            .in_session(admin.session)
            .from(client.network())
    };
    if role != before.role {
        sessions::end_all(&mut change, id, None, Reason::RoleChanged).await?;
        change.note(
            entry("user.role_changed")
                .with("from", before.role.as_str())
                .with("to", role.as_str()),
        );
    }
    if status != before.status {
        if status == Status::Suspended {
            sessions::end_all(&mut change, id, None, Reason::Suspended).await?;
        }
        change.note(
            entry("user.status_changed")
                .with("from", before.status.as_str())
                .with("to", status.as_str()),
        );
    }
    let account = users::find(change.db(), id).await?.ok_or(Error::NotFound)?;
    change.commit().await?;
    Ok(account)
}

fn is_active_admin(role: Role, status: Status) -> bool {
    role == Role::Admin && status == Status::Active
}

async fn ensure_profile(change: &mut Change, id: UserId, given: Option<Profile>) -> Result<(), Error> {
    let account = users::find(change.db(), id).await?.ok_or(Error::NotFound)?;
    match (account.doctor, given) {
        (Some(_), None) => Ok(()),
        (Some(_), Some(_)) => Err(Error::invalid(
            "/doctor",
            "this account has a doctor's profile already",
        )),
        (None, Some(profile)) => Ok(doctors::insert(change.db(), id, &profile).await?),
        (None, None) => Err(Error::invalid(
            "/doctor",
            "is needed for one who was never a DOCTOR",
        )),
    }
}
