//! What this service tells the others; it listens to none of them.

use chrono::{DateTime, Utc};
use common::auth::Role;
use common::clients::users::Verification;
use common::events::{AccountChange, PasswordReset, Payload, SessionEnd};
use common::ids::{SessionId, UserId};
use uuid::Uuid;

use crate::domain::user::{NewAccount, verification_str};
use crate::sessions::Reason;

/// An account was made.
pub fn registered(new: &NewAccount) -> Payload {
    let verification = new.doctor.as_ref().map(|profile| profile.verification);
    Payload::UserRegistered(AccountChange {
        user_id: new.id,
        role: new.role,
        verification: verification.map(|verification| verification_str(verification).to_owned()),
    })
}

/// A doctor's licence was found good.
pub fn verified(doctor: UserId) -> Payload {
    Payload::UserVerified(AccountChange {
        user_id: doctor,
        role: Role::Doctor,
        verification: Some(verification_str(Verification::Verified).to_owned()),
    })
}

/// A mail is to be written with which a password can be set anew.
pub fn reset_requested(user_id: UserId, reset_id: Uuid, expires_at: DateTime<Utc>) -> Payload {
    Payload::PasswordResetRequested(PasswordReset {
        user_id,
        reset_id,
        expires_at,
    })
}

/// One session ended, or all of them but the one that ended the others.
pub fn session_ended(
    user_id: UserId,
    session_id: Option<SessionId>,
    reason: Reason,
    ended_at: DateTime<Utc>,
) -> Payload {
    Payload::SessionEnded(SessionEnd {
        user_id,
        session_id,
        ended_at,
        reason: reason.as_str().to_owned(),
    })
}
