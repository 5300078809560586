//! A record: a chain of immutable versions, of which the newest counts, and perhaps its withdrawal.

use std::str::FromStr;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use common::ids::{RecordId, UserId};
use serde::{Deserialize, Serialize};

use super::data::JsonObject;

/// Versions of one record at most: the chain is one document.
pub const MOST_VERSIONS: usize = 50;

/// What kind of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordType {
    /// Only doctors write it.
    Prescription,
    /// Values from a laboratory.
    LabReport,
    /// What happened before.
    History,
    /// Pictures of any modality.
    Imaging,
    /// Anything else.
    Other,
}

/// No such type of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of PRESCRIPTION, LAB_REPORT, HISTORY, IMAGING, OTHER")]
pub struct UnknownType;

impl RecordType {
    /// As on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prescription => "PRESCRIPTION",
            Self::LabReport => "LAB_REPORT",
            Self::History => "HISTORY",
            Self::Imaging => "IMAGING",
            Self::Other => "OTHER",
        }
    }
}

impl FromStr for RecordType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        [
            Self::Prescription,
            Self::LabReport,
            Self::History,
            Self::Imaging,
            Self::Other,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or(UnknownType)
    }
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The newest version: what counts.
    Final,
    /// A later version replaces it.
    Amended,
    /// Entered in error.
    Withdrawn,
}

/// The file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileFacts {
    /// The client's name for it, made safe.
    pub name: String,
    /// Told by its bytes.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Of the bytes, in hexadecimal.
    pub sha256: String,
}

/// The clinical part of a version: what is encrypted at rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    pub title: Option<String>,
    pub notes: Option<String>,
    pub data: Option<JsonObject>,
    pub file: Option<FileFacts>,
    pub amendment_reason: Option<String>,
}

/// The record was entered in error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Withdrawal {
    /// Why, in the author's words.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A record without its clinical part: enough to decide what may happen to it.
#[derive(Debug, Clone)]
pub struct Outline {
    pub patient_id: UserId,
    pub author_id: UserId,
    /// Ids of all versions, oldest first.
    pub versions: Vec<RecordId>,
    pub is_withdrawn: bool,
}

/// Why a version cannot be amended or withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Immovable {
    /// A later version exists.
    #[error("a later version of this record exists; only the latest can be changed")]
    NotTheHead,
    /// It was entered in error.
    #[error("this record was withdrawn")]
    Withdrawn,
    /// [`MOST_VERSIONS`] is reached.
    #[error("this record has been amended {MOST_VERSIONS} times; write a new one")]
    TooManyVersions,
}

impl Outline {
    /// The newest version.
    pub fn head(&self) -> Option<RecordId> {
        self.versions.last().copied()
    }

    /// Where the version `id` stands.
    pub fn status(&self, id: RecordId) -> Status {
        if self.head() != Some(id) {
            Status::Amended
        } else if self.is_withdrawn {
            Status::Withdrawn
        } else {
            Status::Final
        }
    }

    /// The version before `id`.
    pub fn amends(&self, id: RecordId) -> Option<RecordId> {
        let at = self.versions.iter().position(|version| *version == id)?;
        self.versions.get(at.checked_sub(1)?).copied()
    }

    /// May `id` be amended, as far as the record's state is concerned?
    pub fn check_amendable(&self, id: RecordId) -> Result<(), Immovable> {
        match self.status(id) {
            Status::Amended => Err(Immovable::NotTheHead),
            Status::Withdrawn => Err(Immovable::Withdrawn),
            Status::Final if self.versions.len() >= MOST_VERSIONS => Err(Immovable::TooManyVersions),
            Status::Final => Ok(()),
        }
    }

    /// May `id` be withdrawn? Once more is fine and changes nothing.
    pub fn check_withdrawable(&self, id: RecordId) -> Result<(), Immovable> {
        if self.head() == Some(id) {
            Ok(())
        } else {
            Err(Immovable::NotTheHead)
        }
    }
}

/// An instant as the database keeps it, so that what is answered equals what is read later.
pub fn stored_instant(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(3)
}

/// An event that cannot have happened then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadInstant {
    /// Too far ahead to be more than a slip of the pen. Planned treatment may lie ahead.
    #[error("must not be more than a year ahead")]
    Future,
    /// Before anybody now alive was born.
    #[error("must not be before 1900")]
    TooEarly,
}

/// Check when something is said to have happened.
pub fn occurred(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, BadInstant> {
    const YEAR_1900: i64 = -2_208_988_800;
    if at > now + TimeDelta::days(366) {
        Err(BadInstant::Future)
    } else if at.timestamp() < YEAR_1900 {
        Err(BadInstant::TooEarly)
    } else {
        Ok(stored_instant(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(versions: usize, is_withdrawn: bool) -> Outline {
        Outline {
            patient_id: UserId::generate(),
            author_id: UserId::generate(),
            versions: (0..versions).map(|_| RecordId::generate()).collect(),
            is_withdrawn,
        }
    }

    #[test]
    fn only_the_head_counts_and_only_it_can_be_changed() {
        let two = outline(2, false);
        let (old, head) = (two.versions[0], two.versions[1]);
        assert_eq!(
            (two.status(old), two.status(head)),
            (Status::Amended, Status::Final)
        );
        assert_eq!((two.amends(old), two.amends(head)), (None, Some(old)));
        assert_eq!(two.check_amendable(old), Err(Immovable::NotTheHead));
        assert_eq!(two.check_amendable(head), Ok(()));
        assert_eq!(two.check_withdrawable(old), Err(Immovable::NotTheHead));
    }

    #[test]
    fn a_withdrawn_record_stays_so() {
        let gone = outline(2, true);
        let (old, head) = (gone.versions[0], gone.versions[1]);
        assert_eq!(
            (gone.status(old), gone.status(head)),
            (Status::Amended, Status::Withdrawn)
        );
        assert_eq!(gone.check_amendable(head), Err(Immovable::Withdrawn));
        assert_eq!(gone.check_withdrawable(head), Ok(()));
    }

    #[test]
    fn a_chain_ends_before_it_outgrows_its_document() {
        let full = outline(MOST_VERSIONS, false);
        assert_eq!(
            full.check_amendable(full.versions[MOST_VERSIONS - 1]),
            Err(Immovable::TooManyVersions)
        );
    }

    #[test]
    fn nothing_happens_in_another_age() {
        let now = DateTime::from_timestamp(1_800_000_000, 123_456_789).unwrap();
        assert_eq!(occurred(now + TimeDelta::days(367), now), Err(BadInstant::Future));
        assert_eq!(
            occurred(DateTime::from_timestamp(-2_208_988_801, 0).unwrap(), now),
            Err(BadInstant::TooEarly)
        );
        assert_eq!(occurred(now, now).unwrap().timestamp_subsec_nanos(), 123_000_000);
    }

    #[test]
    fn types_have_one_spelling() {
        assert_eq!("LAB_REPORT".parse(), Ok(RecordType::LabReport));
        for bad in ["lab_report", "LABREPORT", "", "PRESCRIPTION "] {
            assert_eq!(bad.parse::<RecordType>(), Err(UnknownType));
        }
    }
}
