//! Who is calling: roles, token checks, and the extractors that make a right a parameter of a handler.

mod caller;
mod claims;
mod keys;
mod revocations;
mod role;
mod service_tokens;
mod signature;
mod verifier;

pub use caller::{Admin, Caller, Doctor, Patient, ServiceCaller, bearer};
pub use claims::{ACCESS_TYPE, AccessClaims, SERVICE_TYPE, ServiceClaims};
pub use keys::{Jwk, KeySet, KeyStamp, Keys};
pub use revocations::{RevocationFeed, Revocations, RevokedSession, RevokedUser};
pub use role::{Role, UnknownRole};
pub use service_tokens::{ServiceToken, ServiceTokenRequest, ServiceTokens};
pub use verifier::{Refusal, Verifier};

use serde::Deserialize;
use url::Url;

/// Section `auth`: how tokens are checked and where the keys come from.
#[derive(Debug, Clone, Deserialize)]
pub struct AuthSettings {
    /// The only accepted `iss`.
    pub issuer: String,
    /// The only accepted `aud` of a user's access token.
    pub audience: String,
    /// user-service at its pinned address: never one that discovery alone vouches for.
    pub issuer_url: Url,
    /// Where the public keys are read.
    pub jwks_url: Url,
    /// Seconds between two reads of the keys.
    pub key_refresh_s: u64,
    /// Seconds of clock difference that are forgiven.
    pub leeway_s: i64,
    /// Longest accepted life of a token in seconds.
    pub max_lifetime_s: i64,
    /// Age in seconds of the revocation feed from which tokens of doctors and admins are refused.
    pub revocation_max_age_s: i64,
}
