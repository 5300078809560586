//! Refresh tokens: how one is made, and what a presented one means.
//!
//! A token is the session's id, a generation and a MAC over both with the session's salt. Only the current
//! generation is good, so the token that a rotation hands out twice within the grace time is the same one,
//! and nothing worth stealing is stored.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use common::ids::SessionId;
use secrecy::SecretString;
use uuid::Uuid;

use super::secrets::{equal, mac};

/// What the rules need to know of a session.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Whose tokens these are.
    pub session: SessionId,
    /// Random, per session.
    pub salt: [u8; 16],
    /// The only generation that is good.
    pub generation: i64,
    /// When it became so.
    pub rotated_at: DateTime<Utc>,
    /// Fingerprint of the client that made it so.
    pub client: [u8; 32],
}

/// A token as a client presented it; the MAC has not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The session that it claims.
    pub session: SessionId,
    generation: i64,
    mac: [u8; 32],
}

/// What to do about a presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The current one: hand out the next.
    Rotate,
    /// The one before, again from the client that just used it: its answer was lost, give the current one.
    Reissue,
    /// Used before: somebody has a copy, and the session must end.
    Replayed,
    /// Not made by us.
    Forged,
}

impl Rotation {
    /// The token of the current generation.
    pub fn token(&self, key: &hmac::Key) -> SecretString {
        let mut bytes = self.session.uuid().as_bytes().to_vec();
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.mac(key, self.generation));
        URL_SAFE_NO_PAD.encode(bytes).into()
    }

    /// Judge a token presented at `now` by `client`.
    pub fn judge(
        &self,
        key: &hmac::Key,
        token: &Presented,
        client: &[u8; 32],
        (now, grace): (DateTime<Utc>, TimeDelta),
    ) -> Verdict {
        if token.session != self.session || !equal(&token.mac, &self.mac(key, token.generation)) {
            return Verdict::Forged;
        }
        let in_grace = now < self.rotated_at + grace && equal(client, &self.client);
        match self.generation - token.generation {
            0 => Verdict::Rotate,
            1 if in_grace => Verdict::Reissue,
            _ => Verdict::Replayed,
        }
    }

    fn mac(&self, key: &hmac::Key, generation: i64) -> [u8; 32] {
        mac(
            key,
            &[
                self.session.uuid().as_bytes(),
                &self.salt,
                &generation.to_be_bytes(),
            ],
        )
    }
}

impl Presented {
    /// Read a token; `None` if it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, mac) = rest.split_first_chunk::<8>()?;
        Some(Self {
            session: Uuid::from_bytes(*session).into(),
            generation: i64::from_be_bytes(*generation),
            mac: mac.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const GRACE: TimeDelta = TimeDelta::seconds(5);

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[9; 32])
    }

    fn session() -> Rotation {
        Rotation {
            session: SessionId::generate(),
            salt: [1; 16],
            generation: 1,
            rotated_at: DateTime::UNIX_EPOCH,
            client: [2; 32],
        }
    }

    fn presented(session: &Rotation) -> Presented {
        Presented::parse(session.token(&key()).expose_secret()).unwrap()
    }

    fn judge(session: &Rotation, token: &Presented, client: u8, seconds: i64) -> Verdict {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        session.judge(&key(), token, &[client; 32], (now, GRACE))
    }

    #[test]
    fn a_used_token_is_good_again_only_at_once_and_for_the_same_client() {
        let mut session = session();
        let first = presented(&session);
        assert_eq!(judge(&session, &first, 2, 100), Verdict::Rotate);
        session.generation = 2;
        assert_eq!(judge(&session, &first, 2, 4), Verdict::Reissue);
        assert_eq!(judge(&session, &first, 2, 5), Verdict::Replayed, "grace over");
        assert_eq!(judge(&session, &first, 3, 1), Verdict::Replayed, "another client");
        session.generation = 3;
        assert_eq!(
            judge(&session, &first, 2, 1),
            Verdict::Replayed,
            "its successor was used"
        );
    }

    #[test]
    fn nobody_can_make_a_token() {
        let session = session();
        let good = presented(&session);
        let future = Presented {
            generation: 2,
            ..good.clone()
        };
        assert_eq!(judge(&session, &future, 2, 0), Verdict::Forged);
        let altered = Presented {
            mac: [0; 32],
            ..good.clone()
        };
        assert_eq!(judge(&session, &altered, 2, 0), Verdict::Forged);
        let other = Rotation {
            salt: [8; 16],
            ..session.clone()
        };
        assert_eq!(
            judge(&other, &good, 2, 0),
            Verdict::Forged,
            "the salt is part of it"
        );
        for bad in [
            "",
            "abc",
            "é",
            &"A".repeat(74),
            &"A".repeat(76),
            &"A".repeat(100_000),
        ] {
            assert_eq!(Presented::parse(bad), None);
        }
    }
}
