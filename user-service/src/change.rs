//! One change to the accounts: rows, events, revocations and audit entries that become true together.

use chrono::{DateTime, TimeDelta, Utc};
use common::auth::RevokedSession;
use common::events::{Event, Payload};
use common::ids::SessionId;
use common::outbox;
use sqlx::{MySql, MySqlConnection, Transaction};

use crate::domain::audit::Entry;
use crate::error::Error;
use crate::state::AppState;
use crate::store::{audit, revocations};

/// How far clocks may differ, beside the leeway that verifiers give.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(60);

/// An open transaction and what is to be told when it commits.
pub struct Change {
    state: AppState,
    tx: Transaction<'static, MySql>,
    now: DateTime<Utc>,
    events: Vec<Event>,
    revoked: Vec<SessionId>,
    entries: Vec<Entry>,
}

impl Change {
    /// Open a transaction.
    pub async fn begin(state: &AppState) -> Result<Self, Error> {
        let tx = state.db.begin().await?;
        let now = state.core.clock.now();
        Ok(Self {
            state: state.clone(),
            tx,
            now,
            events: Vec::new(),
            revoked: Vec::new(),
            entries: Vec::new(),
        })
    }

    /// The connection that the transaction runs on.
    pub fn db(&mut self) -> &mut MySqlConnection {
        &mut self.tx
    }

    /// When the change happens.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Tell the other services.
    pub fn tell(&mut self, subject: impl ToString, payload: &Payload) {
        self.events
            .push(Event::new(crate::NAME, subject, self.now, payload));
    }

    /// Make the tokens of `session` worthless.
    pub fn revoke(&mut self, session: SessionId) {
        self.revoked.push(session);
    }

    /// Remember what was done.
    pub fn note(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Make it true. The guards are taken last and in one order, so that changes do not deadlock over them.
    pub async fn commit(mut self) -> Result<(), Error> {
        let state = self.state;
        for event in &self.events {
            outbox::push(&mut self.tx, event).await?;
        }
        let until = self.now + longest_life(&state);
        revocations::insert(&mut self.tx, &self.revoked, until).await?;
        for entry in self.entries {
            audit::append(&mut self.tx, &state.secrets.audit, entry, self.now).await?;
        }
        self.tx.commit().await?;
        if !self.revoked.is_empty() {
            let sessions = self.revoked.into_iter().map(|sid| RevokedSession { sid, until });
            state.feed.revoked(sessions.collect(), self.now);
        }
        if !self.events.is_empty() {
            state.outbox.wake();
        }
        Ok(())
    }
}

/// How long a token may be good that was issued until now: under today's settings or earlier, longer ones.
fn longest_life(state: &AppState) -> TimeDelta {
    let auth = &state.core.settings.auth;
    let life = state.settings().token.access_life_s.max(auth.max_lifetime_s);
    TimeDelta::seconds(life + auth.leeway_s) + CLOCKS_DIFFER
}
