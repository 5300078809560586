//! The door: find out what the rules need to know, decide, write it down, and only then let anybody through.

use std::borrow::Cow;

use common::auth::{Caller, Role};
use common::ids::{RecordId, UserId};
use http::HeaderMap;

use crate::AppState;
use crate::audit::{Action, Entry};
use crate::domain::access::{Denial, Facts, Operation, Rule, decide};
use crate::domain::record::Outline;
use crate::domain::text;
use crate::error::{Error, Target};
use crate::events;
use crate::store::{self, Database};

/// The header by which a doctor reads in an emergency.
pub const BREAK_GLASS: &str = "x-break-glass";

/// What somebody wants, and with what right they say so.
pub struct Attempt<'a> {
    pub caller: &'a Caller,
    pub patient: UserId,
    pub action: Action,
    /// The record in question, by the id that was asked for.
    pub record: Option<RecordId>,
    /// What is known of that record; `None` if there is no such record, or the question concerns none.
    pub outline: Option<&'a Outline>,
    pub break_glass: Option<String>,
}

impl<'a> Attempt<'a> {
    /// Something about a patient's records as such.
    pub fn on_patient(caller: &'a Caller, patient: UserId, action: Action) -> Self {
        Self {
            caller,
            patient,
            action,
            record: None,
            outline: None,
            break_glass: None,
        }
    }

    /// Something about one record.
    pub fn on_record(
        caller: &'a Caller,
        patient: UserId,
        action: Action,
        (record, outline): (RecordId, Option<&'a Outline>),
    ) -> Self {
        Self {
            caller,
            patient,
            action,
            record: Some(record),
            outline,
            break_glass: None,
        }
    }

    /// Read the header by which a doctor breaks the glass. Others cannot, and nobody can to write.
    pub fn breaking_glass(mut self, headers: &HeaderMap) -> Result<Self, Error> {
        let may = self.caller.role == Role::Doctor
            && matches!(self.action.operation(), Operation::List | Operation::Read);
        if let Some(value) = headers.get(BREAK_GLASS).filter(|_| may) {
            let words = std::str::from_utf8(value.as_bytes()).map_or(Cow::Borrowed(""), Cow::Borrowed);
            let reason = text::break_glass_reason(&words)
                .map_err(|bad| Error::invalid("/X-Break-Glass", format!("the reason {bad}")))?;
            self.break_glass = Some(reason);
        }
        Ok(self)
    }

    /// A record that does not exist is neither read nor refused: those who may look hear that nothing is there.
    fn check_exists(&self, outcome: Result<Rule, Denial>) -> Result<(), Error> {
        let is_missing = self.record.is_some() && self.outline.is_none();
        if is_missing && matches!(outcome, Ok(_) | Err(Denial::NotTheAuthor)) {
            return Err(Error::NotFound);
        }
        Ok(())
    }

    fn target(&self) -> Target {
        if self.record.is_some() {
            Target::Record
        } else {
            Target::Patient
        }
    }
}

/// Decide and write it down. Whoever gets a [`Rule`] may go on; the log already says so.
pub async fn admit(app: &AppState, attempt: Attempt<'_>) -> Result<Rule, Error> {
    let db = app.db().await?;
    let outcome = consider(app, db, &attempt).await?;
    attempt.check_exists(outcome)?;
    log(app, db, &attempt, outcome).await?;
    outcome.map_err(|denial| Error::Denied(denial, attempt.target()))
}

/// Decide before an upload is received; only a refusal is written down, the rest follows with [`admit`].
pub async fn precheck(app: &AppState, attempt: Attempt<'_>) -> Result<(), Error> {
    let db = app.db().await?;
    let outcome = consider(app, db, &attempt).await?;
    attempt.check_exists(outcome)?;
    match outcome {
        Ok(_) => Ok(()),
        Err(denial) => {
            log(app, db, &attempt, Err(denial)).await?;
            Err(Error::Denied(denial, attempt.target()))
        }
    }
}

async fn consider(
    app: &AppState,
    db: &Database,
    attempt: &Attempt<'_>,
) -> Result<Result<Rule, Denial>, Error> {
    let facts = gather(app, db, attempt).await?;
    Ok(decide(attempt.action.operation(), facts))
}

async fn gather(app: &AppState, db: &Database, attempt: &Attempt<'_>) -> Result<Facts, Error> {
    let caller = attempt.caller;
    let author = attempt
        .outline
        .is_some_and(|outline| caller.is(outline.author_id));
    let mut facts = Facts {
        role: caller.role,
        is_patient: caller.is(attempt.patient),
        is_verified: false,
        is_author: author,
        is_treating: Some(false),
        is_granted: false,
        breaks_glass: attempt.break_glass.is_some(),
        doctor_access: app.settings.current().records.doctor_access,
    };
    if caller.role == Role::Doctor {
        let card = app.users.find(caller.id).await?;
        facts.is_verified = card.is_some_and(|card| card.is_verified_doctor());
        // An author needs nothing else; neither does a doctor who may not come in at all.
        if facts.is_verified && !author {
            ask_for_relationship(app, db, attempt, &mut facts).await?;
        }
    }
    Ok(facts)
}

async fn ask_for_relationship(
    app: &AppState,
    db: &Database,
    attempt: &Attempt<'_>,
    facts: &mut Facts,
) -> Result<(), Error> {
    let (doctor, patient) = (attempt.caller.id, attempt.patient);
    facts.is_granted = store::grants::holds(db, patient, doctor, app.clock.now()).await?;
    facts.is_treating = match app.appointments.relationship(doctor, patient).await {
        Ok(relationship) => Some(relationship.appointment_id.is_some()),
        Err(error) => {
            // A grant or a broken glass must still work in an emergency.
            tracing::warn!(%error, "the relationship cannot be asked for");
            None
        }
    };
    if attempt.action == Action::List {
        facts.is_author = store::records::any_by(db, patient, doctor).await?;
    }
    Ok(())
}

async fn log(
    app: &AppState,
    db: &Database,
    attempt: &Attempt<'_>,
    outcome: Result<Rule, Denial>,
) -> Result<(), Error> {
    let at = app.clock.now();
    let broken = outcome == Ok(Rule::BreakGlass);
    let event = broken.then(|| events::glass_broken(attempt.patient, attempt.caller.id, at));
    let entry = Entry {
        caller: attempt.caller,
        patient: attempt.patient,
        record: attempt.record,
        action: attempt.action,
        outcome,
        reason: attempt.break_glass.as_deref().filter(|_| broken),
        at,
        event,
    };
    let written = app.audit.write(db, entry).await;
    if broken && written.is_ok() {
        app.relay.wake();
    }
    written
}
