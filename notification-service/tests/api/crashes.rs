//! What is left when a process dies over a message, and what several processes do to one ledger.

use chrono::TimeDelta;
use common::events::{Payload, RecordChange};
use common::ids::RecordId;
use futures_util::future::join_all;
use notification_service::domain::channel::Channel;
use notification_service::store::claims;

use crate::helpers::App;

async fn told_of_a_record(app: &App) -> common::ids::UserId {
    let patient = app.peers.patient();
    let record = RecordChange {
        record_id: RecordId::generate(),
        patient_id: patient.id,
        author_id: patient.id,
        version: 1,
    };
    app.hear(&Payload::RecordCreated(record)).await.unwrap();
    patient.id
}

#[tokio::test]
async fn a_message_over_which_a_process_died_is_sent_once_more_at_most() {
    let app = App::start().await;
    let user = told_of_a_record(&app).await;
    for death in 1..=2 {
        let mut db = app.pool.acquire().await.unwrap();
        let claimed = claims::claim(&mut db, Channel::Email, 10, app.now())
            .await
            .unwrap();
        assert_eq!(claimed.len(), 1, "death {death}");
        assert!(
            claims::begin(&mut db, &claimed[0], "file", app.now())
                .await
                .unwrap()
        );
        drop(db);
        // Until its lease ends nobody else touches it, and then a report is waited for.
        app.send().await;
        app.advance(TimeDelta::minutes(5) + TimeDelta::seconds(1));
        app.send().await;
        assert!(app.mails().is_empty());
        app.advance(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    }
    app.send().await;
    assert_eq!(app.told(user).await, ["record.created/EMAIL/FAILED"]);
}

#[tokio::test]
async fn after_one_death_it_is_sent() {
    let app = App::start().await;
    let user = told_of_a_record(&app).await;
    let mut db = app.pool.acquire().await.unwrap();
    let claimed = claims::claim(&mut db, Channel::Email, 10, app.now())
        .await
        .unwrap();
    claims::begin(&mut db, &claimed[0], "file", app.now())
        .await
        .unwrap();
    app.advance(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    app.send().await;
    app.advance(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    app.send().await;
    assert_eq!(app.told(user).await, ["record.created/EMAIL/DELIVERED"]);
    assert_eq!(app.ledger("").await[0]["attempts"], 2);
    // The one that was thought dead wakes up: its claim is gone.
    assert!(
        !claims::begin(&mut db, &claimed[0], "file", app.now())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_claim_that_led_nowhere_is_taken_over() {
    let app = App::start().await;
    let user = told_of_a_record(&app).await;
    let mut db = app.pool.acquire().await.unwrap();
    assert_eq!(
        claims::claim(&mut db, Channel::Email, 10, app.now())
            .await
            .unwrap()
            .len(),
        1
    );
    app.send().await;
    assert_eq!(app.told(user).await, ["record.created/EMAIL/QUEUED"]);
    app.advance(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    app.send().await;
    assert_eq!(app.told(user).await, ["record.created/EMAIL/DELIVERED"]);
}

#[tokio::test]
async fn many_senders_send_each_message_once() {
    let app = App::start().await;
    let user = app.peers.patient();
    for _ in 0..30 {
        app.notify(user.id, "EMAIL", "x").await;
    }
    let sender = &app.parts.sender;
    let rounds = (0..8).map(|_| async {
        let mut sent = 0;
        loop {
            // Losing a deadlock is no loss: the next round takes what is left.
            match sender.round(Channel::Email).await {
                Ok(0) => return sent,
                Ok(count) => sent += count,
                Err(error) => assert!(common::mysql::is_retryable(&error), "{error}"),
            }
        }
    });
    let sent: usize = join_all(rounds).await.into_iter().sum();
    assert_eq!((sent, app.mails().len()), (30, 30));
}

#[tokio::test]
async fn one_event_handled_by_many_at_once_is_told_once() {
    let app = App::start().await;
    let patient = app.peers.patient();
    let record = RecordChange {
        record_id: RecordId::generate(),
        patient_id: patient.id,
        author_id: patient.id,
        version: 1,
    };
    let event = app.event(&Payload::RecordCreated(record));
    let handled = join_all((0..10).map(|_| app.parts.listener.handle(event.clone()))).await;
    assert!(handled.iter().all(Result::is_ok), "{handled:?}");
    app.send().await;
    assert_eq!(app.mails().len(), 1);
}
