//! Sends what is due: one loop for each channel, so that a slow one does not hold up the other.

mod doubt;
mod gate;
mod prepare;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::clients::appointments::Appointments;
use common::clients::users::Users;
use common::clock::Clock;
use common::config::Live;
use futures_util::future::join_all;
use sqlx::MySqlPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::domain::channel::Channel;
use crate::domain::outcome::{Next, Outcome, Try, next};
use crate::domain::status::SkipReason;
use crate::store::claims::{self, Claimed};
use crate::store::opt_outs;
use crate::transport::{Email, Sms, Ticket};

pub use gate::Gate;
use prepare::{Content, Decision, Ready};

/// Tells the loops that something is due now.
#[derive(Clone, Default)]
pub struct Wake {
    email: Arc<Notify>,
    sms: Arc<Notify>,
}

impl Wake {
    pub fn all(&self) {
        self.email.notify_one();
        self.sms.notify_one();
    }

    fn of(&self, channel: Channel) -> &Notify {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        }
    }
}

/// What both loops share.
pub struct Sender {
    pub pool: MySqlPool,
    pub clock: Clock,
    pub settings: Arc<Live<Settings>>,
    pub users: Users,
    pub appointments: Appointments,
    pub email: Email,
    pub sms: Sms,
    pub email_gate: Gate,
    pub sms_gate: Gate,
    pub wake: Wake,
}

impl Sender {
    /// Sends until the process stops; what is in flight is finished.
    pub async fn run(&self, channel: Channel, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.round(channel).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(%error, %channel, "the ledger cannot be worked on"),
            }
            let poll = Duration::from_millis(self.settings.current().sending.poll_ms);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.of(channel).notified() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    /// Works on what is due now; how many there were.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn round(&self, channel: Channel) -> sqlx::Result<usize> {
        let now = self.clock.now();
        let admitted = self
            .gate(channel)
            .admits(now, self.settings.current().sending.batch);
        if admitted == 0 {
            return Ok(0);
        }
        let mut db = self.pool.acquire().await?;
        claims::recover(&mut db, channel, now).await?;
        let claimed = claims::claim(&mut db, channel, admitted, now).await?;
        drop(db);
        let count = claimed.len();
        let outcomes = join_all(in_order(claimed).into_iter().map(|row| self.one_by_one(row))).await;
        outcomes.into_iter().collect::<sqlx::Result<()>>()?;
        Ok(count)
    }

    pub fn gate(&self, channel: Channel) -> &Gate {
        match channel {
            Channel::Email => &self.email_gate,
            Channel::Sms => &self.sms_gate,
        }
    }

    async fn one_by_one(&self, row: Vec<Claimed>) -> sqlx::Result<()> {
        for one in row {
            self.handle(&one).await?;
        }
        Ok(())
    }

    async fn handle(&self, one: &Claimed) -> sqlx::Result<()> {
        let decision = self.prepare(one).await?;
        let known = self.settle_doubt(one, &decision).await?;
        let now = self.clock.now();
        let mut db = self.pool.acquire().await?;
        if let Some(next) = known {
            report(one, &next);
            return claims::end(&mut db, one, &next, now).await;
        }
        match decision {
            Decision::Skip(reason) => {
                count(one.channel, "skipped");
                claims::end(&mut db, one, &Next::Skip(reason), now).await
            }
            Decision::Fail(code) => claims::end(&mut db, one, &Next::Failed(code), now).await,
            Decision::Postpone(until) => claims::postpone(&mut db, one, until).await,
            Decision::Send(ready) => {
                let begun = claims::begin(&mut db, one, self.provider(one.channel), now).await?;
                drop(db);
                if begun {
                    self.hand_over(one, &ready).await
                } else {
                    Ok(())
                }
            }
        }
    }

    fn provider(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Email => self.email.name(),
            Channel::Sms => self.sms.name(),
        }
    }

    /// The one place where a message leaves the house.
    async fn hand_over(&self, one: &Claimed, ready: &Ready) -> sqlx::Result<()> {
        let ticket = Ticket {
            id: one.id,
            attempt: one.attempts + 1,
            template: one.template.as_str(),
            now: self.clock.now(),
            expires_at: one.expires_at,
        };
        let outcome = match &ready.content {
            Content::Mail(mail) => self.email.send(ticket, (&ready.address, &ready.name), mail).await,
            Content::Sms(body) => self.sms.send(ticket, &ready.address, body).await,
        };
        let now = self.clock.now();
        self.gate(one.channel).note(&outcome, now);
        let mut db = self.pool.acquire().await?;
        if outcome == Outcome::OptedOut {
            opt_outs::add(&mut db, &ready.address, now).await?;
        }
        let jitter = rand::random_range(0.8..1.2);
        let attempt = Try {
            now,
            attempt: ticket.attempt,
            expires_at: one.expires_at,
            jitter,
        };
        let next = next(outcome, attempt);
        report(one, &next);
        claims::end(&mut db, one, &next, now).await
    }
}

/// Messages to one person about one visit go out one after the other, in the order of what happened.
fn in_order(claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let mut rows: Vec<Vec<Claimed>> = Vec::new();
    let mut places = HashMap::new();
    for one in claimed {
        match one.appointment_id {
            None => rows.push(vec![one]),
            Some(appointment) => {
                let place = *places.entry((appointment, one.user_id)).or_insert(rows.len());
                match rows.get_mut(place) {
                    Some(row) => row.push(one),
                    None => rows.push(vec![one]),
                }
            }
        }
    }
    for row in &mut rows {
        row.sort_by_key(|one| (one.version, one.due_at));
    }
    rows
}

fn report(one: &Claimed, next: &Next) {
    let (id, template, channel) = (one.id, one.template.as_str(), one.channel);
    match next {
        Next::Sent(_) | Next::Delivered(_) => {
            count(channel, "sent");
            tracing::info!(%id, template, %channel, "sent");
        }
        Next::Retry { code, at } => {
            count(channel, "retried");
            tracing::warn!(%id, template, %channel, %code, %at, "not taken; will be tried again");
        }
        Next::Await { code, .. } => {
            count(channel, "unknown");
            tracing::warn!(%id, template, %channel, %code, "nobody knows whether it was taken");
        }
        Next::Failed(code) => {
            count(channel, "failed");
            tracing::error!(%id, template, %channel, %code, "not sent");
        }
        Next::Skip(SkipReason::OptedOut) => {
            tracing::info!(%id, template, %channel, "the recipient has opted out");
        }
        Next::Skip(_) => {}
    }
}

fn count(channel: Channel, outcome: &'static str) {
    metrics::counter!("notifications_sent_total", "channel" => channel.as_str(), "outcome" => outcome)
        .increment(1);
}
