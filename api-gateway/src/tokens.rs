//! Tokens that were found good, remembered: checking a signature costs more than everything else on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::auth::{AccessClaims, Refusal, Verifier};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, UnitWeighter};
use sha2::{Digest, Sha256};

use crate::limits::{Allowance, CallerKey, Class};

/// Room that is made beforehand; the rest comes when it is needed.
const EXPECTED: usize = 1000;

/// The token itself is not kept: whoever reads this memory learns no credential.
type Fingerprint = [u8; 32];

/// Checks tokens, each signature once.
pub struct Tokens {
    verifier: Verifier,
    known: Cache<Fingerprint, Known>,
    /// The generation of keys that everything known was checked with.
    keys: AtomicU64,
}

#[derive(Clone)]
struct Known {
    claims: Arc<AccessClaims>,
    keys: u64,
}

/// Why there is no caller.
#[derive(Debug)]
pub enum Unknown {
    /// The token is not good, or it cannot be checked.
    Refused(Refusal),
    /// This address has presented so many unknown tokens that no more are looked at for now.
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
            keys: AtomicU64::new(0),
        }
    }

    /// Who holds `token`. A token that is not known yet counts against `source` before its signature is looked at.
    ///
    /// # Errors
    /// It is not good, or not looked at.
    pub async fn holder(
        &self,
        token: &str,
        checks: &Class,
        source: CallerKey,
    ) -> Result<Arc<AccessClaims>, Unknown> {
        let fingerprint: Fingerprint = Sha256::digest(token.as_bytes()).into();
        let keys = self.verifier.keys().generation();
        if let Some(known) = self.known.get(&fingerprint).filter(|known| known.keys == keys) {
            return match self.verifier.check_still_good(&known.claims) {
                Ok(()) => Ok(known.claims),
                Err(refusal) => {
                    self.known.remove(&fingerprint);
                    Err(Unknown::Refused(refusal))
                }
            };
        }
        let allowance = checks.take(source);
        if allowance.refused_for_s.is_some() {
            return Err(Unknown::TooMany(allowance));
        }
        self.forget_retired(keys);
        let mut claims = self
            .verifier
            .verify_access(token)
            .await
            .map_err(Unknown::Refused)?;
        // Already checked, the same for all, and not needed again: fifty thousand copies would be.
        (claims.iss, claims.aud) = (String::new(), String::new());
        let claims = Arc::new(claims);
        self.known.insert(
            fingerprint,
            Known {
                claims: Arc::clone(&claims),
                keys,
            },
        );
        Ok(claims)
    }

    /// How many tokens are remembered.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Tokens checked with keys that were since replaced are no longer known: free their memory.
    fn forget_retired(&self, keys: u64) {
        if self.keys.swap(keys, Ordering::Relaxed) != keys {
            self.known.clear();
        }
    }
}

#[cfg(test)]
mod tests;
