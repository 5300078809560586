//! Events reach a real broker once they are true: whatever is away, and however many relays there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use appointment_service::MIGRATOR;
use common::background::Background;
use common::broker::{AmqpSettings, Broker, ConsumerSpec};
use common::events::Event;
use common::ids::EventId;
use common::outbox::{self, Outbox};
use common_testing::{amqp_url, eventually, mysql_database};
use serde_json::json;
use sqlx::mysql::MySqlPool;

use crate::helpers::{App, TUESDAY, at};
use crate::proxy::Proxy;

/// What arrived, by event id.
#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<HashMap<EventId, Vec<Event>>>>);

impl Inbox {
    fn consume(&self, broker: &Broker) {
        let inbox = self.clone();
        let spec = ConsumerSpec {
            queue: "everything".to_owned(),
            bindings: vec!["#".to_owned()],
            prefetch: 50,
            delivery_limit: 3,
        };
        broker.consume(spec, move |event: Event| {
            inbox.0.lock().unwrap().entry(event.id).or_default().push(event);
            std::future::ready(Ok(()))
        });
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    async fn holds(&self, count: usize) {
        eventually("all events arrived", async || (self.len() >= count).then_some(())).await;
    }

    fn copies(&self) -> usize {
        self.0.lock().unwrap().values().map(Vec::len).sum()
    }
}

fn event(n: usize) -> Event {
    let data = common::events::Payload::UserVerified(common::events::AccountChange {
        user_id: common::ids::UserId::generate(),
        role: common::auth::Role::Doctor,
        verification: Some(n.to_string()),
    });
    Event::new("appointment-service", n, chrono::DateTime::UNIX_EPOCH, &data)
}

async fn push(pool: &MySqlPool, count: usize) {
    let mut tx = pool.begin().await.unwrap();
    for n in 0..count {
        outbox::push(&mut tx, &event(n)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn in_state(pool: &MySqlPool, state: &str) -> i64 {
    sqlx::query_scalar("select count(*) from outbox where state = ?")
        .bind(state)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// What the health says of the outbox.
async fn backlog(app: &App) -> serde_json::Value {
    let health = app.get("/actuator/health/outbox", &app.admin()).await;
    health.expect(200).json()["details"].clone()
}

#[test]
fn the_migration_has_the_table_that_the_outbox_needs() {
    assert!(
        MIGRATOR
            .iter()
            .any(|migration| migration.sql.as_str().contains(outbox::TABLE))
    );
}

#[tokio::test]
async fn a_booking_while_the_broker_is_away_is_201_and_its_event_follows() {
    let amqp = amqp_url();
    let (cable, through) = Proxy::of(&amqp).await;
    let mut settings = AmqpSettings::for_test(through);
    let app = App::on(mysql_database(&MIGRATOR).await, settings.clone(), "").await;
    settings.url = Some(amqp.into());
    let direct = Broker::start(&settings, &app.core.background);
    let inbox = Inbox::default();
    inbox.consume(&direct);
    let (patient, doctor) = (app.patient(), app.doctor());
    let first = app.booked(&patient, &doctor, "09:00").await;
    inbox.holds(1).await;

    cable.pull();
    eventually("the broker is known to be away", async || {
        let health = app
            .client
            .get("/actuator/health", common_testing::As::Anyone)
            .await;
        health.text().contains("DOWN").then_some(())
    })
    .await;
    app.client
        .get("/readyz", common_testing::As::Anyone)
        .await
        .expect(200);
    app.book(&patient, &at(&doctor, TUESDAY, "10:00"))
        .await
        .expect(201);
    app.put("cancel", &patient, &json!({"appointment_id": first["id"]}))
        .await
        .expect(200);
    assert_eq!(in_state(&app.pool, "NEW").await, 2);
    let backlog = backlog(&app).await;
    assert_eq!(backlog["pending"], 2);
    assert!(backlog["oldest_age_s"].is_u64(), "{backlog}");
    cable.plug();
    inbox.holds(3).await;
    eventually("all are marked as sent", async || {
        (in_state(&app.pool, "SENT").await == 3).then_some(())
    })
    .await;
    assert_eq!(
        self::backlog(&app).await,
        json!({ "pending": 0, "oldest_age_s": null })
    );
    let kinds: Vec<String> = app.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            "appointment.booked",
            "appointment.booked",
            "appointment.cancelled"
        ]
    );
}

#[tokio::test]
async fn three_relays_publish_everything_and_share_the_work() {
    let pool = mysql_database(&MIGRATOR).await;
    let background = Background::new();
    let settings = AmqpSettings::for_test(amqp_url());
    let inbox = Inbox::default();
    let consumer = Broker::start(&settings, &background);
    inbox.consume(&consumer);
    push(&pool, 1).await;
    let relays: Vec<Outbox> = (0..3)
        .map(|_| Outbox::start(pool.clone(), Broker::start(&settings, &background), &background))
        .collect();
    // The queue is there once the first has come through.
    inbox.holds(1).await;
    push(&pool, 700).await;
    for relay in &relays {
        relay.wake();
    }
    inbox.holds(701).await;
    eventually("all are marked as sent", async || {
        (in_state(&pool, "SENT").await == 701).then_some(())
    })
    .await;
    assert_eq!(
        inbox.copies(),
        701,
        "nothing broke, so nothing was published twice"
    );
    background.stop();
    background.ended().await;
}

#[tokio::test]
async fn what_no_queue_takes_waits_without_holding_up_the_rest() {
    let pool = mysql_database(&MIGRATOR).await;
    let background = Background::new();
    let settings = AmqpSettings::for_test(amqp_url());
    let broker = Broker::start(&settings, &background);
    let _relay = Outbox::start(pool.clone(), broker.clone(), &background);
    push(&pool, 3).await;
    eventually("the broker returned them", async || {
        let tried: i64 =
            sqlx::query_scalar("select count(*) from outbox where attempts > 0 and state = 'NEW'")
                .fetch_one(&pool)
                .await
                .unwrap();
        (tried == 3).then_some(())
    })
    .await;
    let inbox = Inbox::default();
    inbox.consume(&broker);
    inbox.holds(3).await;
    background.stop();
    background.ended().await;
}

#[tokio::test]
async fn rows_that_another_relay_holds_are_left_to_it_until_its_claim_ends() {
    let pool = mysql_database(&MIGRATOR).await;
    let background = Background::new();
    let settings = AmqpSettings::for_test(amqp_url());
    let broker = Broker::start(&settings, &background);
    let inbox = Inbox::default();
    inbox.consume(&broker);
    // As a relay leaves them that took two rows and died.
    push(&pool, 2).await;
    sqlx::query(
        "update outbox set available_at = utc_timestamp(6) + interval 1500000 microsecond, attempts = 1",
    )
    .execute(&pool)
    .await
    .unwrap();
    push(&pool, 1).await;
    let begun = tokio::time::Instant::now();
    let _relay = Outbox::start(pool.clone(), broker, &background);
    inbox.holds(1).await;
    inbox.holds(3).await;
    assert!(
        begun.elapsed() >= std::time::Duration::from_secs(1),
        "not before the claim was over"
    );
    background.stop();
    background.ended().await;
}

#[tokio::test]
async fn what_is_rolled_back_was_never_said() {
    let pool = mysql_database(&MIGRATOR).await;
    let mut tx = pool.begin().await.unwrap();
    outbox::push(&mut tx, &event(1)).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(in_state(&pool, "NEW").await, 0);
}
