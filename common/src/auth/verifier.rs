use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde::de::DeserializeOwned;

use super::claims::Envelope;
use super::keys::KeyStamp;
use super::signature::{Signed, object};
use super::{ACCESS_TYPE, AccessClaims, AuthSettings, Keys, Revocations, Role, SERVICE_TYPE, ServiceClaims};
use crate::clock::Clock;
use crate::problem::Problem;

const MAX_TOKEN: usize = 4096;
const MAX_KID: usize = 64;

/// Checks tokens. `jsonwebtoken` checks the signature and nothing else; what else makes a token good is checked here.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    settings: AuthSettings,
    /// This service's name: the audience of service tokens that it takes.
    name: &'static str,
    keys: Keys,
    revocations: Revocations,
    clock: Clock,
}

/// Why a token is not good. The client hears only the first sentence of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a token of ours, tampered with, or of another kind.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its session ended.
    #[error("the session has ended")]
    Revoked,
    /// Signed with a key that is not known (yet).
    #[error("the token is not valid")]
    UnknownKey,
    /// No keys could be read so far, or it is unknown what has been revoked.
    #[error("tokens cannot be checked at the moment")]
    Unavailable,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unavailable => Self::unavailable(refusal.to_string()),
            _ => Self::unauthorized(refusal.to_string()),
        }
    }
}

impl Verifier {
    /// Check tokens for the service `name`.
    pub fn new(
        settings: AuthSettings,
        name: &'static str,
        keys: Keys,
        revocations: Revocations,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            settings,
            name,
            keys,
            revocations,
            clock,
        }))
    }

    /// The keys in use.
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// What has been revoked.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Check a user's access token; when its key is unknown, read the key set again first.
    pub async fn verify_access(&self, token: &str) -> Result<AccessClaims, Refusal> {
        self.verify_signed(token).await.map(|(claims, _)| claims)
    }

    /// The same, with the key that signed it: for caches, which may keep the claims while [`Keys::holds`] that key.
    pub async fn verify_signed(&self, token: &str) -> Result<(AccessClaims, KeyStamp), Refusal> {
        match self.check_signed(token) {
            Err(Refusal::UnknownKey) if self.0.keys.refresh().await => self.check_signed(token),
            other => other,
        }
    }

    /// Check a user's access token with what is known now.
    pub fn check_access(&self, token: &str) -> Result<AccessClaims, Refusal> {
        self.check_signed(token).map(|(claims, _)| claims)
    }

    fn check_signed(&self, token: &str) -> Result<(AccessClaims, KeyStamp), Refusal> {
        let (claims, key): (AccessClaims, _) = self.decode(token, ACCESS_TYPE)?;
        self.check_envelope(&claims.envelope(), &self.0.settings.audience)?;
        self.check_still_good(&claims)?;
        Ok((claims, key))
    }

    /// What can change after a token was verified: its time and its session. For caches, on every hit.
    pub fn check_still_good(&self, claims: &AccessClaims) -> Result<(), Refusal> {
        let now = self.0.clock.now();
        if claims.exp + self.0.settings.leeway_s <= now.timestamp() {
            return Err(Refusal::Expired);
        }
        if self.0.revocations.revoked(claims) {
            return Err(Refusal::Revoked);
        }
        // What ended before this process started is known only from the first word of the feed.
        let age = self.0.revocations.age(now).ok_or(Refusal::Unavailable)?;
        // Better no doctor for a minute than a suspended one with records open.
        if age > self.0.settings.revocation_max_age_s && claims.role != Role::Patient {
            Err(Refusal::Unavailable)
        } else {
            Ok(())
        }
    }

    /// Tokens can be checked: keys are known, and so is what had been revoked.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        if !self.0.keys.ready() {
            return Err("no keys to check tokens with".to_owned());
        }
        let heard = self.0.revocations.age(self.0.clock.now());
        heard
            .map(drop)
            .ok_or_else(|| "it is not known yet which tokens were revoked".to_owned())
    }

    /// Check a token with which another service calls this one.
    pub async fn verify_service(&self, token: &str) -> Result<ServiceClaims, Refusal> {
        match self.check_service(token) {
            Err(Refusal::UnknownKey) if self.0.keys.refresh().await => self.check_service(token),
            other => other,
        }
    }

    fn check_service(&self, token: &str) -> Result<ServiceClaims, Refusal> {
        let (claims, _): (ServiceClaims, _) = self.decode(token, SERVICE_TYPE)?;
        self.check_envelope(&claims.envelope(), self.0.name)?;
        if claims.sub.is_empty() {
            Err(Refusal::Invalid)
        } else {
            Ok(claims)
        }
    }

    fn decode<C: DeserializeOwned>(&self, token: &str, kind: &str) -> Result<(C, KeyStamp), Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Invalid);
        }
        if !self.0.keys.ready() {
            return Err(Refusal::Unavailable);
        }
        let token = Signed::read(token).ok_or(Refusal::Invalid)?;
        let kid = token.header.kid.as_deref().unwrap_or_default();
        if token.header.typ.as_deref() != Some(kind) || kid.is_empty() || kid.len() > MAX_KID {
            return Err(Refusal::Invalid);
        }
        let checked = self.0.keys.with(kid, |key| token.payload(key, Algorithm::EdDSA));
        let (payload, key) = checked.ok_or(Refusal::UnknownKey)?;
        let claims = object(&payload.ok_or(Refusal::Invalid)?).ok_or(Refusal::Invalid)?;
        Ok((claims, key))
    }

    fn check_envelope(&self, token: &Envelope<'_>, audience: &str) -> Result<(), Refusal> {
        let AuthSettings {
            issuer,
            leeway_s,
            max_lifetime_s,
            ..
        } = &self.0.settings;
        let now = self.0.clock.now().timestamp();
        // Far-off numbers first, so that no sum below can overflow.
        let sane = [token.iat, token.nbf, token.exp]
            .iter()
            .all(|t| (0..=i64::from(u32::MAX) * 4).contains(t));
        if !sane || token.iss != *issuer || token.aud != audience {
            return Err(Refusal::Invalid);
        }
        if token.exp + leeway_s <= now {
            return Err(Refusal::Expired);
        }
        let begun = token.nbf <= now + leeway_s && token.iat <= now + leeway_s;
        let life = token.exp - token.iat;
        if begun && life > 0 && life <= *max_lifetime_s {
            Ok(())
        } else {
            Err(Refusal::Invalid)
        }
    }
}
