use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, header};

use super::{Role, Verifier};
use crate::ids::{SessionId, UserId};
use crate::problem::Problem;

/// Who is calling, by a verified access token. Any role.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub id: UserId,
    /// Its role when the token was issued.
    pub role: Role,
    /// The session.
    pub session: SessionId,
}

/// A caller whose role is ADMIN.
#[derive(Clone, Debug)]
pub struct Admin(pub Caller);

/// A caller whose role is DOCTOR. Whether verified is user-service's to say.
#[derive(Clone, Debug)]
pub struct Doctor(pub Caller);

/// A caller whose role is PATIENT.
#[derive(Clone, Debug)]
pub struct Patient(pub Caller);

/// Another service, by its service token for this one.
#[derive(Clone, Debug)]
pub struct ServiceCaller {
    /// Its name.
    pub name: Arc<str>,
}

impl Caller {
    /// May act for `user` because it is that user.
    pub fn is(&self, user: UserId) -> bool {
        self.id == user
    }

    fn only(self, role: Role) -> Result<Self, Problem> {
        if self.role == role {
            Ok(self)
        } else {
            Err(Problem::forbidden(
                "role-not-allowed",
                format!("only {role} may do this"),
            ))
        }
    }
}

const SCHEME: &[u8] = b"bearer ";

/// The token of the one `Authorization: Bearer` header; a second header or another scheme is refused.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Problem::unauthorized(
            "send one Authorization header with a bearer token",
        ));
    };
    token_in(value.as_bytes())
        .ok_or_else(|| Problem::unauthorized("send the token as `Authorization: Bearer …`"))
}

fn token_in(value: &[u8]) -> Option<&str> {
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    // To the end even if the first byte is wrong: that way the compiler looks at many bytes at once.
    let is_good = token.iter().fold(true, |good, byte| good & is_token_byte(*byte));
    if !scheme.eq_ignore_ascii_case(SCHEME) || token.is_empty() || !is_good {
        return None;
    }
    std::str::from_utf8(token).ok()
}

fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let claims = Verifier::from_ref(state)
            .verify_access(bearer(&parts.headers)?)
            .await?;
        Ok(Self {
            id: claims.sub,
            role: claims.role,
            session: claims.sid,
        })
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state)
            .await?
            .only(Role::Admin)
            .map(Self)
    }
}

impl<S> FromRequestParts<S> for Doctor
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state)
            .await?
            .only(Role::Doctor)
            .map(Self)
    }
}

impl<S> FromRequestParts<S> for Patient
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state)
            .await?
            .only(Role::Patient)
            .map(Self)
    }
}

impl<S> FromRequestParts<S> for ServiceCaller
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        let verifier = Verifier::from_ref(state);
        match verifier.verify_service(token).await {
            Ok(claims) => Ok(Self {
                name: claims.sub.into(),
            }),
            Err(refusal) => {
                // A good user token is simply not enough here: say so instead of "log in again".
                let is_user = verifier.check_access(token).is_ok();
                let forbidden =
                    || Problem::forbidden("service-only", "only services of this fleet may call this");
                Err(if is_user { forbidden() } else { refusal.into() })
            }
        }
    }
}
