//! Events: one for each change, ids only, sent when the broker is there.

use chrono::TimeDelta;
use common::broker::AmqpSettings;
use common::events::{Payload, RecordChange};
use common::ids::RecordId;
use common_testing::eventually;
use serde_json::json;

use crate::helpers::{Setup, TestApp, form, pdf};

#[tokio::test]
async fn a_new_record_and_an_amendment_are_told_by_id_and_version() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let events = app.listen().await;
    let form = form(&patient, "LAB_REPORT")
        .text("title", "CNRY-title")
        .part("file", pdf("CNRY-file.pdf"));
    let created = app.upload(&doctor, form).await.expect(201).json();
    let body = json!({"amendment_reason": "CNRY-reason", "notes": "CNRY-notes"});
    let place = format!(
        "/records/{}/{}/amendments",
        patient.id,
        created["id"].as_str().unwrap()
    );
    let amended = app
        .client
        .post(&place, &doctor.token, &body)
        .await
        .expect(201)
        .json();
    for (record, version, kind) in [(created, 1, "record.created"), (amended, 2, "record.amended")] {
        let record_id: RecordId = record["id"].as_str().unwrap().parse().unwrap();
        let event = events.about(record_id).await;
        let change = RecordChange {
            record_id,
            patient_id: patient.id,
            author_id: doctor.id,
            version,
        };
        let expected = if version == 1 {
            Payload::RecordCreated(change)
        } else {
            Payload::RecordAmended(change)
        };
        assert_eq!((event.kind.as_str(), event.payload().unwrap()), (kind, expected));
        assert!(!serde_json::to_string(&event).unwrap().contains("CNRY"));
    }
    eventually("nothing is left to publish", || async {
        (app.unpublished().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_broker_records_are_written_and_their_events_wait() {
    let healthy = TestApp::start().await;
    let events = healthy.listen().await;
    let setup = Setup {
        amqp: AmqpSettings::for_test("amqp://127.0.0.1:1/nowhere"),
        ..Setup::default()
    };
    let app = TestApp::with(setup).await;
    let (patient, doctor) = app.pair();
    let id = app.document(&doctor, &patient).await;
    app.get(&patient, &format!("/records/{}/{id}/file", patient.id))
        .await
        .expect(200);
    assert_eq!(app.unpublished().await, 1);
    let admin = app.admin();
    let backlog = app
        .get(&admin, "/actuator/health/outbox")
        .await
        .expect(200)
        .json();
    assert_eq!(backlog["details"]["pending"], 1);
    assert!(backlog["details"]["oldest_age_s"].is_u64(), "{backlog}");

    // An instance that reaches a broker sends what waits.
    let setup = Setup {
        amqp: healthy.amqp.clone(),
        ..Setup::default()
    };
    let back = TestApp::on(app.db.clone(), app.peers.clone(), setup).await;
    events.about(&id).await;
    eventually("nothing waits any more", || async {
        (back.unpublished().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_that_nobody_takes_stays_until_somebody_does() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let id = app.note(&patient, &patient).await;
    let events = app.listen().await;
    assert_eq!(app.unpublished().await, 1, "confirmed by no queue");
    app.clock.advance(TimeDelta::minutes(1));
    events.about(&id).await;
}
