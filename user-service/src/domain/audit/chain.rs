//! The chain that shows tampering: each row's MAC covers the one before it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use common::ids::{SessionId, UserId};
use serde_json::json;

use crate::domain::secrets::{equal, mac};

/// The chain's value before its first entry.
pub const BEGINNING: [u8; 32] = [0; 32];

/// An entry as it stands in the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its place in the chain, from 1, without gaps.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// See [`super::Entry`].
    pub action: String,
    /// See [`super::Entry`].
    pub outcome: String,
    /// See [`super::Entry`].
    pub actor: Option<UserId>,
    /// See [`super::Entry`].
    pub user: Option<UserId>,
    /// See [`super::Entry`].
    pub session: Option<SessionId>,
    /// See [`super::Entry`].
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
    /// Up to this row all fits together, but it is not what was written down elsewhere.
    #[error("entries up to {0} were replaced")]
    Replaced(i64),
    /// Rows are missing at the end.
    #[error("entries after {0} are missing")]
    CutOff(i64),
}

/// A place in a chain that was written down elsewhere, as `SEQ:MAC`: what came before it can be neither changed nor
/// cut off, not even by one who rewrites the head that the database keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The entry's number.
    pub seq: i64,
    /// The chain's value after it.
    pub mac: [u8; 32],
}

/// The text is no mark.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not SEQ:MAC, a number and 64 hexadecimal digits")]
pub struct NoMark(String);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.mac.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let read = || {
            let (seq, digits) = text.split_once(':')?;
            let mut mac = [0; 32];
            if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            for (place, byte) in mac.iter_mut().enumerate() {
                *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
            }
            let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
            Some(Self { seq, mac })
        };
        read().ok_or_else(|| NoMark(text.to_owned()))
    }
}

/// Follows a chain row by row.
pub struct Verification<'a> {
    key: &'a hmac::Key,
    seq: i64,
    mac: [u8; 32],
    /// Not passed yet.
    expected: Option<Mark>,
}

impl<'a> Verification<'a> {
    /// Begin at the first entry; the chain must pass through `expected`.
    pub fn new(key: &'a hmac::Key, expected: Option<Mark>) -> Self {
        Self {
            key,
            seq: 0,
            mac: BEGINNING,
            expected,
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
        match self.expected {
            Some(mark) if mark.seq == self.seq => {
                self.expected = None;
                let same = equal(&mark.mac, &self.mac);
                same.then_some(()).ok_or(Broken::Replaced(self.seq))
            }
            _ => Ok(()),
        }
    }

    /// Check that the chain ends where its head says; the number of entries.
    pub fn finish(self, head_seq: i64, head_mac: &[u8]) -> Result<i64, Broken> {
        if self.seq == head_seq && equal(&self.mac, head_mac) && self.expected.is_none() {
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
        verify_with(rows, head, None)
    }

    fn verify_with(
        rows: &[(Row, [u8; 32])],
        head: &(Row, [u8; 32]),
        expected: Option<Mark>,
    ) -> Result<i64, Broken> {
        let key = key();
        let mut verification = Verification::new(&key, expected);
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

    #[test]
    fn a_mark_kept_elsewhere_shows_what_the_head_in_the_database_cannot() {
        let good = chain(5);
        let mark = |place: usize| Mark {
            seq: good[place].0.seq,
            mac: good[place].1,
        };
        for place in [0, 2, 4] {
            assert_eq!(verify_with(&good, &good[4], Some(mark(place))), Ok(5));
        }
        assert_eq!(
            verify_with(&good[..3], &good[2], Some(mark(4))),
            Err(Broken::CutOff(3)),
            "cut off, and the head with it"
        );
        let other = chain(5);
        assert_eq!(
            verify_with(&other, &other[4], Some(mark(2))),
            Err(Broken::Replaced(3)),
            "written anew by one who has the key"
        );
    }

    #[test]
    fn a_mark_is_written_and_read() {
        let mark = Mark {
            seq: 12,
            mac: chain(1)[0].1,
        };
        assert_eq!(mark.to_string().parse::<Mark>().unwrap(), mark);
        let digits = "0".repeat(64);
        for bad in [
            String::new(),
            "12".to_owned(),
            format!("x:{digits}"),
            format!("0:{digits}"),
            format!("-1:{digits}"),
            format!("12:{digits}0"),
            format!("12:+{}", "0".repeat(63)),
            format!("12:{}", "é".repeat(32)),
        ] {
            assert!(bad.parse::<Mark>().is_err(), "{bad}");
        }
    }
}
