//! Tokens that were found good, remembered: checking a signature costs more than everything else on the way.

use std::sync::Arc;

use common::auth::{AccessClaims, KeyStamp, Refusal, Verifier};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, UnitWeighter};
use sha2::{Digest, Sha256};

use crate::limits::failures::Failures;
use crate::limits::{Allowance, CallerKey};

/// Room that is made beforehand; the rest comes when it is needed.
const EXPECTED: usize = 1000;

/// The token itself is not kept: whoever reads this memory learns no credential.
type Fingerprint = [u8; 32];

/// Checks tokens, each signature once.
pub struct Tokens {
    verifier: Verifier,
    known: Cache<Fingerprint, Known>,
}

#[derive(Clone)]
struct Known {
    claims: Arc<AccessClaims>,
    /// What its signature was checked with. Once that key has left the set, the token is as good as unknown.
    key: KeyStamp,
}

/// Why there is no caller.
#[derive(Debug)]
pub enum Unknown {
    /// The token is not good, or it cannot be checked; what its address has left of bad tokens.
    Refused(Refusal, Option<Allowance>),
    /// This address has presented so many bad tokens that no unknown ones are looked at for now.
    TooMany(Allowance),
}

impl Tokens {
    /// Remember up to `entries` tokens.
    pub fn new(verifier: Verifier, entries: usize) -> Self {
        Self {
            verifier,
            known: Cache::with(
                entries.min(EXPECTED),
                entries as u64,
                UnitWeighter,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
        }
    }

    /// Who holds `token`. One that is not good counts against `source`, which is looked at before the signature of
    /// the next unknown one.
    ///
    /// # Errors
    /// It is not good, or not looked at.
    pub async fn holder(
        &self,
        token: &str,
        checks: &Failures,
        source: CallerKey,
    ) -> Result<Arc<AccessClaims>, Unknown> {
        let fingerprint: Fingerprint = Sha256::digest(token.as_bytes()).into();
        let keys = self.verifier.keys();
        if let Some(known) = self.known.get(&fingerprint).filter(|known| keys.holds(known.key)) {
            return match self.verifier.check_still_good(&known.claims) {
                Ok(()) => Ok(known.claims),
                Err(refusal) => {
                    self.known.remove(&fingerprint);
                    Err(Unknown::Refused(refusal, None))
                }
            };
        }
        if let Some(allowance) = checks.refused(source) {
            return Err(Unknown::TooMany(allowance));
        }
        let (mut claims, key) = match self.verifier.verify_signed(token).await {
            Ok(verified) => verified,
            Err(refusal) => {
                // That nothing can be checked now is not the client's fault.
                let charged = refusal != Refusal::Unavailable;
                return Err(Unknown::Refused(refusal, charged.then(|| checks.charge(source))));
            }
        };
        // Already checked, the same for all, and not needed again: fifty thousand copies would be.
        (claims.iss, claims.aud) = (String::new(), String::new());
        let claims = Arc::new(claims);
        self.known.insert(
            fingerprint,
            Known {
                claims: Arc::clone(&claims),
                key,
            },
        );
        Ok(claims)
    }

    /// How many tokens are remembered.
    pub fn known(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests;
