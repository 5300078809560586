//! What is remembered of every account and security event, and the chain that shows tampering.

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use common::ids::{SessionId, UserId};
use serde_json::{Map, Value, json};

use super::secrets::{equal, mac};

/// The chain's value before its first entry.
pub const BEGINNING: [u8; 32] = [0; 32];

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused.
    Refused,
}

impl Outcome {
    /// As in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Refused => "REFUSED",
        }
    }
}

/// One thing that happened. Ids, statuses and reasons only: no names, addresses of mail, or secrets.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Such as `login` or `user.role_changed`.
    pub action: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it, if known.
    pub actor: Option<UserId>,
    /// Whose account it concerns, if known.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From which network address.
    pub address: Option<String>,
    /// What else matters.
    pub details: Map<String, Value>,
}

impl Entry {
    /// Something that was done.
    pub fn done(action: &'static str) -> Self {
        Self {
            action,
            outcome: Outcome::Success,
            actor: None,
            user: None,
            session: None,
            address: None,
            details: Map::new(),
        }
    }

    /// Something that was refused, and why.
    pub fn refused(action: &'static str, reason: &str) -> Self {
        Self {
            outcome: Outcome::Refused,
            ..Self::done(action)
        }
        .with("reason", reason)
    }

    /// Done by `actor`.
    #[must_use]
    pub fn by(mut self, actor: UserId) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Concerns the account of `user`.
    #[must_use]
    pub fn about(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// In `session`.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// From the network `address`.
    #[must_use]
    pub fn from(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// An entry as it stands in the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its place in the chain, from 1, without gaps.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// See [`Entry`].
    pub action: String,
    /// See [`Entry`].
    pub outcome: String,
    /// See [`Entry`].
    pub actor: Option<UserId>,
    /// See [`Entry`].
    pub user: Option<UserId>,
    /// See [`Entry`].
    pub session: Option<SessionId>,
    /// See [`Entry`].
    pub address: Option<String>,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// A JSON object.
    pub details: String,
}

impl Row {
    /// The chain's value after this row, given its value `before`.
    pub fn chained(&self, key: &hmac::Key, before: &[u8]) -> [u8; 32] {
        let fields = json!([
            self.seq,
            self.at.timestamp_micros(),
            self.action,
            self.outcome,
            self.actor,
            self.user,
            self.session,
            self.address,
            self.request_id,
            self.details,
        ]);
        mac(key, &[before, fields.to_string().as_bytes()])
    }
}

/// Where a chain breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Rows are missing before this one.
    #[error("entries are missing before {0}")]
    Gap(i64),
    /// This row, or the one before, is not what was written.
    #[error("entry {0} was altered")]
    Altered(i64),
    /// Rows are missing at the end.
    #[error("entries after {0} are missing")]
    CutOff(i64),
}

/// Follows a chain row by row.
pub struct Verification<'a> {
    key: &'a hmac::Key,
    seq: i64,
    mac: [u8; 32],
}

impl<'a> Verification<'a> {
    /// Begin at the first entry.
    pub fn new(key: &'a hmac::Key) -> Self {
        Self {
            key,
            seq: 0,
            mac: BEGINNING,
        }
    }

    /// Check the next row against its stored MAC.
    pub fn next(&mut self, row: &Row, stored: &[u8]) -> Result<(), Broken> {
        if row.seq != self.seq + 1 {
            return Err(Broken::Gap(row.seq));
        }
        let expected = row.chained(self.key, &self.mac);
        if !equal(&expected, stored) {
            return Err(Broken::Altered(row.seq));
        }
        self.seq = row.seq;
        self.mac = expected;
        Ok(())
    }

    /// Check that the chain ends where its head says; the number of entries.
    pub fn finish(self, head_seq: i64, head_mac: &[u8]) -> Result<i64, Broken> {
        if self.seq == head_seq && equal(&self.mac, head_mac) {
            Ok(self.seq)
        } else {
            Err(Broken::CutOff(self.seq))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[9; 32])
    }

    fn chain(length: i64) -> Vec<(Row, [u8; 32])> {
        let mut before = BEGINNING;
        let row = |seq| Row {
            seq,
            at: DateTime::UNIX_EPOCH,
            action: "login".to_owned(),
            outcome: "SUCCESS".to_owned(),
            actor: Some(UserId::generate()),
            user: None,
            session: None,
            address: Some("127.0.0.1".to_owned()),
            request_id: None,
            details: "{}".to_owned(),
        };
        (1..=length)
            .map(|seq| {
                let row = row(seq);
                before = row.chained(&key(), &before);
                (row, before)
            })
            .collect()
    }

    fn verify(rows: &[(Row, [u8; 32])], head: &(Row, [u8; 32])) -> Result<i64, Broken> {
        let key = key();
        let mut verification = Verification::new(&key);
        for (row, mac) in rows {
            verification.next(row, mac)?;
        }
        verification.finish(head.0.seq, &head.1)
    }

    #[test]
    fn every_kind_of_tampering_shows() {
        let good = chain(5);
        let head = good[4].clone();
        assert_eq!(verify(&good, &head), Ok(5));

        let mut altered = good.clone();
        altered[2].0.outcome = "REFUSED".to_owned();
        assert_eq!(verify(&altered, &head), Err(Broken::Altered(3)));

        let mut forged = good.clone();
        forged[2].0.actor = None;
        forged[2].1 = forged[2]
            .0
            .chained(&hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]), &forged[1].1);
        assert_eq!(
            verify(&forged, &head),
            Err(Broken::Altered(3)),
            "without the key no row can be made"
        );

        let mut removed = good.clone();
        removed.remove(2);
        assert_eq!(verify(&removed, &head), Err(Broken::Gap(4)));

        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped, &head), Err(Broken::Gap(3)));

        assert_eq!(verify(&good[..4], &head), Err(Broken::CutOff(4)));
        assert_eq!(verify(&[], &head), Err(Broken::CutOff(0)));
    }
}
