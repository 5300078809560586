//! What happens when an event arrives: reminders are planned, and who is to be told is written into the ledger.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::broker::{Broker, ConsumerSpec, Failure};
use common::clients::users::{UserCard, Users};
use common::clock::Clock;
use common::config::Live;
use common::events::{AppointmentChange, Event, Payload};
use common::http::CallError;
use common::ids::{AppointmentId, UserId};
use common::mysql;
use sqlx::{MySqlConnection, MySqlPool};

use crate::config::Settings;
use crate::domain::audience::{Notice, notices};
use crate::domain::channel::Channel;
use crate::domain::preferences::wants;
use crate::domain::reminder;
use crate::domain::status::SkipReason;
use crate::domain::visit::is_open;
use crate::sender::Wake;
use crate::store::{inbox, ledger, reminders, visits};

/// Acts on events.
#[derive(Clone)]
pub struct Listener {
    pub pool: MySqlPool,
    pub clock: Clock,
    pub settings: Arc<Live<Settings>>,
    pub users: Users,
    pub wake: Wake,
    turns: Turns,
}

impl Listener {
    pub fn new(
        pool: MySqlPool,
        clock: Clock,
        settings: Arc<Live<Settings>>,
        users: Users,
        wake: Wake,
    ) -> Self {
        Self {
            pool,
            clock,
            settings,
            users,
            wake,
            turns: Turns::default(),
        }
    }

    /// Begins to consume.
    pub fn listen(self, broker: &Broker) {
        let settings = self.settings.current();
        let spec = ConsumerSpec {
            queue: "notification-service".to_owned(),
            bindings: ["appointment.*", "record.*", "user.*"].map(str::to_owned).into(),
            prefetch: settings.events.prefetch,
            delivery_limit: settings.events.delivery_limit,
        };
        broker.consume(spec, move |event| {
            let listener = self.clone();
            async move { listener.handle(event).await }
        });
    }

    /// Acts on one event, once.
    ///
    /// # Errors
    /// What to do with it when that was not possible.
    pub async fn handle(&self, event: Event) -> Result<(), Failure> {
        let payload = event
            .payload()
            .map_err(|error| Failure::Reject(error.to_string()))?;
        let change = appointment_change(&payload);
        // Events of one visit are acted on in the order in which they came.
        let turn = self.turns.of(change.map(|change| change.appointment_id));
        let _turn = turn.lock().await;

        let notices = notices(&event, &payload);
        let cards = self.cards(&notices, change).await?;
        mysql::retry(mysql::is_retryable, || {
            self.write_down(&event, change, &notices, &cards)
        })
        .await
        .map_err(|error| failure(&error))?;
        self.wake.all();
        Ok(())
    }

    /// The people concerned. Asked for before the transaction: no call inside one.
    async fn cards(
        &self,
        notices: &[Notice],
        change: Option<&AppointmentChange>,
    ) -> Result<HashMap<UserId, UserCard>, Failure> {
        let mut ids: Vec<UserId> = notices.iter().map(|notice| notice.user_id).collect();
        ids.extend(change.map(|change| change.patient_id));
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let cards = self.users.lookup(&ids).await.map_err(|error| match error {
            CallError::Unavailable { .. } => Failure::Unavailable(error.to_string()),
            CallError::Refused { .. } | CallError::Unreadable { .. } => Failure::Retry(error.to_string()),
        })?;
        Ok(cards.into_iter().map(|card| (card.id, card)).collect())
    }

    async fn write_down(
        &self,
        event: &Event,
        change: Option<&AppointmentChange>,
        notices: &[Notice],
        cards: &HashMap<UserId, UserCard>,
    ) -> sqlx::Result<()> {
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        if !inbox::enter(&mut tx, event.id, &event.kind, now).await? {
            return Ok(());
        }
        if let Some(change) = change
            && visits::take_over(&mut tx, change).await?
        {
            self.plan_reminders(&mut tx, change, cards.get(&change.patient_id), now)
                .await?;
        }
        for notice in notices {
            tell(&mut tx, notice, cards.get(&notice.user_id), now).await?;
        }
        tx.commit().await
    }

    async fn plan_reminders(
        &self,
        db: &mut MySqlConnection,
        change: &AppointmentChange,
        patient: Option<&UserCard>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        reminders::drop_all(db, change.appointment_id).await?;
        let Some(patient) = patient.filter(|_| is_open(&change.status)) else {
            return Ok(());
        };
        let zone = patient.time_zone.parse().unwrap_or(Tz::UTC);
        let quiet = (patient.notifications.quiet_hours.as_ref(), zone);
        let offsets = &self.settings.current().reminders.offsets_min;
        for reminder in reminder::plan(change.start_at, offsets, quiet, now) {
            let whose = (change.appointment_id, change.patient_id);
            reminders::plan(db, whose, change.start_at, reminder).await?;
        }
        Ok(())
    }
}

/// Writes a notice into the ledger for each channel that it is to take.
///
/// # Errors
/// When the ledger cannot be written.
pub async fn tell(
    db: &mut MySqlConnection,
    notice: &Notice,
    card: Option<&UserCard>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    for (channel, skip) in ways(notice, card) {
        ledger::add(db, notice, channel, skip, now).await?;
    }
    Ok(())
}

/// By which channels, and where it was to be but is not wanted, why not.
fn ways(notice: &Notice, card: Option<&UserCard>) -> Vec<(Channel, Option<SkipReason>)> {
    let Some(card) = card else {
        return vec![(Channel::Email, Some(SkipReason::UnknownUser))];
    };
    let unwanted = |channel, by_default| {
        let wanted = wants(
            &card.notifications,
            notice.template.category(),
            channel,
            by_default,
        );
        (!wanted).then_some(SkipReason::Preference)
    };
    let mut ways = vec![(Channel::Email, unwanted(Channel::Email, true))];
    let sms = unwanted(Channel::Sms, notice.sms);
    if card.phone.is_some() && (notice.sms || sms.is_none()) {
        ways.push((Channel::Sms, sms));
    }
    ways
}

fn appointment_change(payload: &Payload) -> Option<&AppointmentChange> {
    match payload {
        Payload::AppointmentBooked(change)
        | Payload::AppointmentRescheduled(change)
        | Payload::AppointmentConfirmed(change)
        | Payload::AppointmentCancelled(change)
        | Payload::AppointmentCompleted(change)
        | Payload::AppointmentNoShow(change) => Some(change),
        _ => None,
    }
}

fn failure(error: &sqlx::Error) -> Failure {
    if mysql::is_away(error) {
        Failure::Unavailable("the database".to_owned())
    } else {
        tracing::error!(%error, "an event cannot be written down");
        Failure::Retry("the database refuses".to_owned())
    }
}

type Turn = Arc<tokio::sync::Mutex<()>>;

/// One queue of waiting handlers for each visit.
#[derive(Clone, Default)]
struct Turns(Arc<std::sync::Mutex<HashMap<AppointmentId, Weak<tokio::sync::Mutex<()>>>>>);

impl Turns {
    fn of(&self, id: Option<AppointmentId>) -> Turn {
        let Some(id) = id else { return Turn::default() };
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Turn::default();
        turns.insert(id, Arc::downgrade(&turn));
        turn
    }
}
