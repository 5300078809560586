//! The access log: written before anything is shown or changed. What cannot be logged does not happen.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::auth::Caller;
use common::context::RequestContext;
use common::events::Event;
use common::ids::{RecordId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::crypto::MasterKeys;
use crate::domain::access::{Denial, Operation, Rule};
use crate::domain::record::RecordType;
use crate::error::Error;
use crate::store::Database;
use crate::store::access_log::{self, NewRow, Placed, Row, Tail};

/// Rounds of meeting another instance at the same place before giving up.
const ATTEMPTS: usize = 64;
const STRIPES: usize = 64;

/// What was done or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Action {
    List,
    Read,
    Download,
    ReadVersions,
    Create,
    Prescribe,
    Amend,
    Withdraw,
    ListGrants,
    Grant,
    RevokeGrant,
    ReadAccessLog,
}

/// One attempt, and what came of it.
pub struct Entry<'a> {
    pub caller: &'a Caller,
    pub patient: UserId,
    pub record: Option<RecordId>,
    pub action: Action,
    pub outcome: Result<Rule, Denial>,
    /// The doctor's words on breaking the glass.
    pub reason: Option<&'a str>,
    pub at: DateTime<Utc>,
    /// Published because of this attempt.
    pub event: Option<Event>,
}

/// Writes and reads the log.
#[derive(Clone)]
pub struct Audit {
    keys: Arc<MasterKeys>,
    /// One writer for a patient at a time in this process: only other instances are ever met at a place.
    turns: Arc<[Mutex<()>; STRIPES]>,
}

impl Action {
    /// What writing a record of this type is.
    pub fn of_writing(kind: RecordType) -> Self {
        if kind == RecordType::Prescription {
            Self::Prescribe
        } else {
            Self::Create
        }
    }

    /// The operation whose rules decide.
    pub fn operation(self) -> Operation {
        match self {
            Self::List => Operation::List,
            Self::Read | Self::Download | Self::ReadVersions => Operation::Read,
            Self::Create => Operation::Create,
            Self::Prescribe => Operation::Prescribe,
            Self::Amend | Self::Withdraw => Operation::Correct,
            Self::ListGrants | Self::Grant | Self::RevokeGrant => Operation::ManageGrants,
            Self::ReadAccessLog => Operation::ReadAccessLog,
        }
    }

    /// As in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::Read => "READ",
            Self::Download => "DOWNLOAD",
            Self::ReadVersions => "READ_VERSIONS",
            Self::Create => "CREATE",
            Self::Prescribe => "PRESCRIBE",
            Self::Amend => "AMEND",
            Self::Withdraw => "WITHDRAW",
            Self::ListGrants => "LIST_GRANTS",
            Self::Grant => "GRANT",
            Self::RevokeGrant => "REVOKE_GRANT",
            Self::ReadAccessLog => "READ_ACCESS_LOG",
        }
    }
}

impl Audit {
    /// A log whose rows are tagged under `keys`.
    pub fn new(keys: Arc<MasterKeys>) -> Self {
        Self {
            keys,
            turns: Arc::new(std::array::from_fn(|_| Mutex::default())),
        }
    }

    /// Write one row, journalled, at the end of the patient's chain.
    pub async fn write(&self, db: &Database, entry: Entry<'_>) -> Result<(), Error> {
        let line = self.line(&entry)?;
        let stripe = usize::from(entry.patient.uuid().as_bytes()[15]) % STRIPES;
        let _turn = self.turns[stripe].lock().await;
        for _ in 0..ATTEMPTS {
            let tail = access_log::tail(db, entry.patient)
                .await
                .map_err(Error::Unlogged)?;
            let (key_id, tag) = self.keys.sign(&signed(&tail, &line));
            let row = NewRow {
                patient: entry.patient,
                seq: tail.seq + 1,
                line: line.clone(),
                key_id,
                tag,
                at: entry.at,
                event: entry.event.clone(),
            };
            if access_log::append(db, &row).await.map_err(Error::Unlogged)? {
                count(&entry);
                return Ok(());
            }
        }
        Err(Error::Busy)
    }

    fn line(&self, entry: &Entry<'_>) -> Result<String, Error> {
        let (outcome, rule) = match entry.outcome {
            Ok(rule) => ("ALLOWED", rule.as_str()),
            Err(denial) => ("REFUSED", denial.as_str()),
        };
        let reason = entry
            .reason
            .map(|text| self.keys.seal_note(entry.patient.uuid().as_bytes(), text))
            .transpose()?;
        let row = Row {
            patient_id: entry.patient.uuid(),
            user_id: entry.caller.id.uuid(),
            role: entry.caller.role.as_str().to_owned(),
            action: entry.action.as_str().to_owned(),
            record_id: entry.record.map(RecordId::uuid),
            outcome: outcome.to_owned(),
            rule: rule.to_owned(),
            request_id: RequestContext::current()
                .map(|context| context.request_id.to_string())
                .unwrap_or_default(),
            at: entry.at,
            reason,
        };
        serde_json::to_string(&row).map_err(|error| {
            tracing::error!(%error, "a row of the access log cannot be written as JSON");
            Error::Problem(common::problem::Problem::internal())
        })
    }

    /// The doctor's words of a row.
    pub fn reason(&self, row: &Row) -> Option<String> {
        self.keys
            .open_note(row.patient_id.as_bytes(), row.reason.as_deref()?)
            .ok()
    }

    /// Whether the row is what was written, at the place where it was written, after the row `before`.
    pub fn verifies(&self, row: &Placed, before: &Tail) -> bool {
        row.seq == before.seq + 1
            && self
                .keys
                .verifies(&row.key_id, &signed(before, &row.line), &row.tag)
    }
}

/// A row's tag binds it to the row before, and through it to all before that.
fn signed(before: &Tail, line: &str) -> Vec<u8> {
    [before.tag.as_slice(), &before.seq.to_be_bytes(), line.as_bytes()].concat()
}

fn count(entry: &Entry<'_>) {
    let (outcome, rule) = match entry.outcome {
        Ok(rule) => ("allowed", rule.as_str()),
        Err(denial) => ("refused", denial.as_str()),
    };
    metrics::counter!("records_access_total", "action" => entry.action.as_str(), "outcome" => outcome, "rule" => rule)
        .increment(1);
    if entry.outcome == Ok(Rule::BreakGlass) {
        tracing::warn!(doctor = %entry.caller.id, patient = %entry.patient, "glass broken");
    }
}
