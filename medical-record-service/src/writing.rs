//! Writing a record: what a new record and an amendment have in common.

use chrono::{DateTime, Utc};
use common::auth::{Caller, Role};
use common::events::RecordChange;
use common::ids::{AppointmentId, RecordId, UserId};
use common::problem::Problem;

use crate::domain::access::Rule;
use crate::domain::record::Content;
use crate::error::Error;
use crate::store::records::{NewVersion, StoredRecord, StoredRequest, StoredVersion, Written};
use crate::upload::file::{Claimed, Pending};
use crate::upload::{Draft, Received};
use crate::vault::{Fresh, Parties};
use crate::{AppState, events, store};

/// A version that has been checked and may be written.
pub struct Manuscript<'a> {
    pub caller: &'a Caller,
    pub patient: UserId,
    pub fresh: Fresh,
    pub draft: Draft,
    pub file: Option<Received>,
    pub request: Option<StoredRequest>,
    pub at: DateTime<Utc>,
}

impl Manuscript<'_> {
    /// Seal it as the version `number`, with the event that tells of it; the file is still nobody's.
    pub fn seal(self, number: u32) -> Result<(NewVersion, Option<Pending>), Error> {
        let id = self.fresh.id;
        let (facts, pending) = self
            .file
            .map_or((None, None), |file| (Some(file.facts), file.stored));
        let file_bytes = facts
            .as_ref()
            .map_or(0, |facts| i64::try_from(facts.size).unwrap_or(i64::MAX));
        let content = Content {
            title: self.draft.title,
            notes: self.draft.notes,
            data: self.draft.data,
            file: facts,
            amendment_reason: self.draft.amendment_reason,
        };
        let mut version = StoredVersion {
            id,
            version: number,
            record_type: self.draft.record_type,
            doctor_id: (self.caller.role == Role::Doctor).then_some(self.caller.id),
            appointment_id: self.draft.appointment_id,
            occurred_at: self.draft.occurred_at,
            created_at: self.at,
            file_id: pending.as_ref().map(Pending::id),
            file_bytes,
            key: self.fresh.wrapped(),
            sealed: Vec::new(),
            request: self.request,
        };
        let parties = Parties {
            patient: self.patient,
            author: self.caller.id,
        };
        self.fresh.seal(parties, &mut version, &content)?;
        let change = RecordChange {
            record_id: id,
            patient_id: self.patient,
            author_id: self.caller.id,
            version: number,
        };
        Ok((
            NewVersion {
                version,
                event: events::written(change, self.at),
                at: self.at,
            },
            pending,
        ))
    }
}

/// A visit that a record names must be one of this patient, and of the doctor who writes.
pub async fn check_appointment(
    app: &AppState,
    caller: &Caller,
    patient: UserId,
    appointment: Option<AppointmentId>,
) -> Result<(), Error> {
    let Some(id) = appointment else {
        return Ok(());
    };
    let card = app.appointments.find(id).await?;
    let fits = card.is_some_and(|card| {
        card.patient_id == patient && (caller.role != Role::Doctor || card.doctor_id == caller.id)
    });
    if fits {
        Ok(())
    } else {
        Err(Error::invalid(
            "/appointment_id",
            "is no visit of this patient that you could name",
        ))
    }
}

/// A visit or a grant proves that there is such a patient; where every doctor may write, somebody has to say so.
pub async fn check_patient(app: &AppState, patient: UserId, rule: Rule) -> Result<(), Error> {
    if rule != Rule::AnyDoctor {
        return Ok(());
    }
    let card = app.users.find(patient).await?;
    if card.is_some_and(|card| card.role == Role::Patient) {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}

/// A patient's uploads are bounded in all.
pub async fn check_quota(app: &AppState, caller: &Caller, file: Option<&Received>) -> Result<(), Error> {
    let Some(file) = file.filter(|_| caller.role == Role::Patient) else {
        return Ok(());
    };
    let quota = app.settings.current().records.patient_quota_bytes;
    let used = store::records::bytes_by(app.db().await?, caller.id).await?;
    if used.saturating_add(file.facts.size) <= quota {
        return Ok(());
    }
    let problem = Problem::conflict("storage-quota-reached", "Your storage is full");
    Err(problem
        .detail(format!("your files may have {quota} bytes in all"))
        .into())
}

/// Claim the file for the record that is written next.
pub async fn claim(app: &AppState, pending: Option<Pending>) -> Result<Option<Claimed>, Error> {
    match pending {
        Some(pending) => pending.claim(app).await.map(Some),
        None => Ok(None),
    }
}

/// The record is written, or certainly not: keep the file or give it up, and let the event go out.
pub async fn settle(app: &AppState, claimed: Option<Claimed>, written: Written) -> Result<(), Error> {
    match (claimed, written) {
        (Some(file), Written::Done) => file.keep(app.db().await?).await,
        (Some(file), _) => file.discard(),
        (None, _) => {}
    }
    app.relay.wake();
    Ok(())
}

/// The version that an idempotent request wrote, if it asked for the same.
pub fn written_by<'a>(record: &'a StoredRecord, request: &StoredRequest) -> Result<&'a StoredVersion, Error> {
    let same_key = |version: &&StoredVersion| {
        version
            .request
            .as_ref()
            .is_some_and(|earlier| earlier.key == request.key)
    };
    match record.versions.iter().find(same_key) {
        Some(version) if version.request.as_ref() == Some(request) => Ok(version),
        _ => Err(crate::idempotency::other_request().into()),
    }
}

/// The version with this id, which was just written or found.
pub fn version(record: &StoredRecord, id: RecordId) -> Result<&StoredVersion, Error> {
    record.version(id).ok_or(Error::NotFound)
}
