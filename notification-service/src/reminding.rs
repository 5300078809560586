//! Puts reminders into the ledger when their time has come.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use common::clients::users::UserCard;
use common::ids::UserId;
use tokio_util::sync::CancellationToken;

use crate::domain::audience::{Notice, reminder};
use crate::events::{Listener, tell};
use crate::store::reminders::{self, Due};
use crate::store::{inbox, ledger};

const BATCH: u32 = 100;
/// Between two sweeps of what nobody needs any more.
const SWEEP: Duration = Duration::from_mins(30);

impl Listener {
    /// Looks for due reminders until the process stops.
    pub async fn remind(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.release_due().await {
                Ok(released) if released == BATCH as usize => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "reminders cannot be released"),
            }
            let poll = Duration::from_millis(self.settings.current().reminders.poll_ms);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    /// Releases what is due; how many there were.
    ///
    /// # Errors
    /// When the database or user-service is away: the reminders stay planned.
    pub async fn release_due(&self) -> anyhow::Result<usize> {
        let now = self.clock.now();
        let due = reminders::due(&mut *self.pool.acquire().await?, now, BATCH).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let patients: Vec<UserId> = due.iter().map(|due| due.patient_id).collect();
        let cards = self.users.lookup(&patients).await?;
        let cards: HashMap<UserId, UserCard> = cards.into_iter().map(|card| (card.id, card)).collect();
        for one in &due {
            let mut tx = self.pool.begin().await?;
            if reminders::release(&mut tx, one).await? {
                tell(&mut tx, &notice(one), cards.get(&one.patient_id), now).await?;
            }
            tx.commit().await?;
        }
        self.wake.all();
        Ok(due.len())
    }

    async fn forget(&self) -> sqlx::Result<()> {
        let (now, settings) = (self.clock.now(), self.settings.current());
        let before = |days: u32| now - TimeDelta::days(i64::from(days));
        let mut db = self.pool.acquire().await?;
        inbox::forget(&mut db, before(settings.retention.inbox_days)).await?;
        ledger::forget_words(&mut db, before(settings.retention.words_days)).await
    }

    /// Forgets the ids of old events and the words of old messages, now and then, until the process stops.
    pub async fn sweep(&self, stop: &CancellationToken) {
        loop {
            if let Err(error) = self.forget().await {
                tracing::warn!(%error, "what is old cannot be swept");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }
}

fn notice(due: &Due) -> Notice {
    let notice = reminder(
        due.patient_id,
        due.appointment_id,
        due.start_at,
        due.offset_minutes,
        due.due_at,
    );
    Notice {
        expires_at: Some(due.expires_at),
        ..notice
    }
}
