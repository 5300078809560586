use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Role;
use crate::ids::{SessionId, UserId};

/// `typ` of a user's access token (RFC 9068). Any other kind of token of ours has another one.
pub const ACCESS_TYPE: &str = "at+jwt";
/// `typ` of a token that names a service.
pub const SERVICE_TYPE: &str = "service+jwt";

/// What a user's access token says. Typed and closed, so that doubled, missing, ill-typed and further claims are refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessClaims {
    /// Issuer.
    pub iss: String,
    /// The one audience.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The role when the token was issued.
    pub role: Role,
    /// The session that it belongs to.
    pub sid: SessionId,
    /// Unique per token.
    pub jti: Uuid,
    /// Issued at, seconds since the epoch.
    pub iat: i64,
    /// Not before, seconds since the epoch.
    pub nbf: i64,
    /// Expires at, seconds since the epoch.
    pub exp: i64,
}

/// What a service's token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceClaims {
    /// Issuer.
    pub iss: String,
    /// The service that may be called with it.
    pub aud: String,
    /// The service that calls.
    pub sub: String,
    /// Unique per token.
    pub jti: Uuid,
    /// Issued at, seconds since the epoch.
    pub iat: i64,
    /// Not before, seconds since the epoch.
    pub nbf: i64,
    /// Expires at, seconds since the epoch.
    pub exp: i64,
}

/// The times and parties that every kind of token has.
pub(super) struct Envelope<'a> {
    pub(super) iss: &'a str,
    pub(super) aud: &'a str,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
}

impl AccessClaims {
    pub(super) fn envelope(&self) -> Envelope<'_> {
        Envelope {
            iss: &self.iss,
            aud: &self.aud,
            iat: self.iat,
            nbf: self.nbf,
            exp: self.exp,
        }
    }
}

impl ServiceClaims {
    pub(super) fn envelope(&self) -> Envelope<'_> {
        Envelope {
            iss: &self.iss,
            aud: &self.aud,
            iat: self.iat,
            nbf: self.nbf,
            exp: self.exp,
        }
    }
}
