//! The whole way, by a real broker: from an event to a message, with all loops running.

use std::time::Duration;

use chrono::TimeDelta;
use common::broker::{AmqpSettings, Broker};
use common::clock::Clock;
use common::events::{Event, Payload, RecordChange};
use common::ids::RecordId;
use common_testing::{amqp_url, eventually};
use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use secrecy::ExposeSecret;

use crate::helpers::{App, Visit};

struct Running {
    app: App,
    amqp: AmqpSettings,
    /// Another service's.
    broker: Broker,
}

async fn running() -> Running {
    let app = App::at(Clock::System, "").await;
    let amqp = AmqpSettings::for_test(amqp_url());
    app.parts
        .start(&app.core, &Broker::start(&amqp, &app.core.background));
    let broker = Broker::start(&amqp, &app.core.background);
    broker.connected().await;
    Running { app, amqp, broker }
}

impl Running {
    /// Published until the queue is there to take it.
    async fn publish(&self, event: &Event) {
        eventually("the event is taken", async || {
            self.broker.publish(event).await.ok()
        })
        .await;
    }

    async fn told(&self, user: common::ids::UserId, expected: &[&str]) {
        eventually(&format!("{expected:?}"), async || {
            (self.app.told(user).await == expected).then_some(())
        })
        .await;
    }

    async fn dead(&self) -> Event {
        let own = Connection::connect(
            self.amqp.url.as_ref().unwrap().expose_secret(),
            ConnectionProperties::default(),
        )
        .await
        .unwrap();
        let channel = own.create_channel().await.unwrap();
        let queue = format!("{}.notification-service.dead", self.amqp.namespace);
        let options = BasicGetOptions { no_ack: true };
        let body = eventually("a dead letter", async || {
            let message = channel.basic_get(queue.as_str().into(), options).await.unwrap();
            message.map(|message| message.delivery.data)
        })
        .await;
        serde_json::from_slice(&body).unwrap()
    }
}

#[tokio::test]
async fn a_booking_becomes_a_mail_to_both_sides() {
    let fleet = running().await;
    let (patient, doctor) = (fleet.app.peers.patient(), fleet.app.peers.doctor());
    let visit = Visit::booked(
        &fleet.app,
        &patient,
        &doctor,
        fleet.app.now() + TimeDelta::days(2),
    );
    let event = fleet.app.event(&visit.as_booked());
    for _ in 0..3 {
        fleet.publish(&event).await;
    }
    for user in [patient.id, doctor.id] {
        fleet.told(user, &["appointment.booked/EMAIL/DELIVERED"]).await;
    }
    assert_eq!(fleet.app.mails().len(), 2);
}

#[tokio::test]
async fn a_poisonous_event_is_put_aside_and_the_others_pass() {
    let fleet = running().await;
    let patient = fleet.app.peers.patient();
    let record = RecordChange {
        record_id: RecordId::generate(),
        patient_id: patient.id,
        author_id: patient.id,
        version: 1,
    };
    let mut poison = fleet.app.event(&Payload::RecordCreated(record.clone()));
    poison.data = serde_json::json!({"record_id": 7});
    fleet.publish(&poison).await;
    fleet
        .publish(&fleet.app.event(&Payload::RecordCreated(record)))
        .await;
    fleet.told(patient.id, &["record.created/EMAIL/DELIVERED"]).await;
    assert_eq!(fleet.dead().await, poison);
}

#[tokio::test]
async fn a_stop_finishes_and_loses_nothing() {
    let mut fleet = running().await;
    let patient = fleet.app.peers.patient();
    for _ in 0..20 {
        let record = RecordChange {
            record_id: RecordId::generate(),
            patient_id: patient.id,
            author_id: patient.id,
            version: 1,
        };
        fleet
            .publish(&fleet.app.event(&Payload::RecordCreated(record)))
            .await;
    }
    fleet.app.stop_serving();
    fleet.app.core.background.stop();
    tokio::time::timeout(Duration::from_secs(20), fleet.app.core.background.ended())
        .await
        .expect("an orderly end");
    let half: i64 = sqlx::query_scalar("select count(*) from notifications where state = 'SENDING'")
        .fetch_one(&fleet.app.pool)
        .await
        .unwrap();
    assert_eq!(half, 0, "nothing is left in between");
}
