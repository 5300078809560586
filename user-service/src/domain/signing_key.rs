//! Which key signs, which are published, and when a new one is due.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use common::auth::Jwk;

use super::secrets::fingerprint;

/// A new key pair, the private half still open.
pub struct NewKey {
    /// Names the key in token headers.
    pub kid: String,
    /// The public half.
    pub public: [u8; 32],
    /// The private half in PKCS#8.
    pub private: Vec<u8>,
}

/// The library could not make a key.
#[derive(Debug, thiserror::Error)]
#[error("no signing key could be made")]
pub struct NoKey;

impl NewKey {
    /// A fresh Ed25519 key pair, named by the hash of its public half.
    pub fn generate() -> Result<Self, NoKey> {
        let pair = Ed25519KeyPair::generate().map_err(|_| NoKey)?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| NoKey)?;
        let private = pair.to_pkcs8v1().map_err(|_| NoKey)?.as_ref().to_vec();
        let kid = URL_SAFE_NO_PAD.encode(&fingerprint(&[&public])[..16]);
        Ok(Self { kid, public, private })
    }
}

/// The public half as the key set shows it.
pub fn jwk(kid: &str, public: &[u8]) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: URL_SAFE_NO_PAD.encode(public),
        kid: kid.to_owned(),
        alg: "EdDSA".to_owned(),
        usage: "sig".to_owned(),
    }
}

/// When a key is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// From when it may sign: later than it is published, so that every verifier knows it by then.
    pub signs_from: DateTime<Utc>,
    /// When its last token has expired; unknown while it is the newest.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Term {
    /// It is in the key set.
    pub fn is_published(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// The place among `terms` of the key that signs at `now`: the newest that may.
pub fn signer(terms: &[Term], now: DateTime<Utc>) -> Option<usize> {
    let may_sign = |term: &Term| term.signs_from <= now && term.is_published(now);
    let candidates = terms.iter().enumerate().filter(|(_, term)| may_sign(term));
    candidates
        .max_by_key(|(_, term)| term.signs_from)
        .map(|(place, _)| place)
}

/// No key is young enough to go on with.
pub fn rotation_due(terms: &[Term], max_age: TimeDelta, now: DateTime<Utc>) -> bool {
    terms
        .iter()
        .filter(|term| term.is_published(now))
        .all(|term| term.signs_from + max_age <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn term(from: i64, to: Option<i64>) -> Term {
        Term {
            signs_from: at(from),
            expires_at: to.map(at),
        }
    }

    #[test]
    fn the_newest_key_whose_time_has_come_signs() {
        let terms = [term(0, Some(700)), term(100, None)];
        assert_eq!(
            signer(&terms, at(99)),
            Some(0),
            "the new one is published but does not sign yet"
        );
        assert_eq!(signer(&terms, at(100)), Some(1));
        assert!(terms[0].is_published(at(699)), "its tokens are still about");
        assert!(!terms[0].is_published(at(700)));
        assert_eq!(signer(&[], at(0)), None);
        assert_eq!(
            signer(&[term(0, Some(5))], at(5)),
            None,
            "a withdrawn key signs nothing"
        );
    }

    #[test]
    fn rotation_goes_by_the_youngest_key() {
        let day = TimeDelta::days(1);
        assert!(rotation_due(&[], day, at(0)));
        assert!(!rotation_due(&[term(0, None)], day, at(86_399)));
        assert!(rotation_due(&[term(0, None)], day, at(86_400)));
        assert!(
            !rotation_due(&[term(0, None), term(86_500, None)], day, at(86_450)),
            "the next is on its way"
        );
    }

    #[test]
    fn keys_are_named_by_what_they_are() {
        let (a, b) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        assert_ne!(a.kid, b.kid);
        assert_eq!(a.kid.len(), 22);
        assert_eq!(jwk(&a.kid, &a.public).x.len(), 43);
    }
}
