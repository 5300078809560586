//! The database goes away and comes back; processes die over uploads.

#![expect(
    clippy::disallowed_methods,
    reason = "tasks end with the test's runtime, and the environment says where servers are"
)]

use std::time::Duration;

use chrono::TimeDelta;
use common_testing::{As, Peers, eventually};
use medical_record_service::store;
use medical_record_service::upload::sweeper;
use mongodb::bson::{Document, doc};

use crate::helpers::{Condition, Line, PDF, Setup, TestApp, form, part};

async fn status(app: &TestApp, path: &str) -> u16 {
    app.client.get(path, As::Anyone).await.status.as_u16()
}

#[tokio::test]
async fn while_the_database_is_away_every_answer_is_503_and_then_all_is_well_again() {
    for condition in [Condition::Cut, Condition::Frozen] {
        let line = Line::in_condition(Condition::Open).await;
        let db = store::connect(&line.settings).await.unwrap();
        let setup = Setup {
            settings: "records: {step_timeout_ms: 1000}".to_owned(),
            ..Setup::default()
        };
        let app = TestApp::on(db, Peers::start().await, setup).await;
        let (patient, doctor) = app.pair();
        let id = app.document(&doctor, &patient).await;
        let path = format!("/records/{}/{id}/file", patient.id);

        line.set(condition);
        for who in [&patient, &doctor] {
            for path in [&path, &format!("/records/{}", patient.id)] {
                let answer = app.get(who, path).await;
                assert_eq!(answer.problem(503), "unavailable", "{condition:?}");
                assert!(answer.headers.contains_key("retry-after"));
            }
        }
        let upload = form(&patient, "OTHER").part("file", part(PDF, "a.pdf", "application/pdf"));
        assert_eq!(
            app.upload(&doctor, upload).await.problem(503),
            "unavailable",
            "{condition:?}"
        );
        assert_eq!(status(&app, "/readyz").await, 503, "{condition:?}");
        assert_eq!(status(&app, "/livez").await, 200, "{condition:?}");

        line.set(Condition::Open);
        eventually("it recovers by itself", || async {
            (app.get(&patient, &path).await.status == 200).then_some(())
        })
        .await;
        eventually("it takes records again", || async {
            let upload = form(&patient, "OTHER").part("file", part(PDF, "a.pdf", "application/pdf"));
            (app.upload(&doctor, upload).await.status == 201).then_some(())
        })
        .await;
        eventually("it is ready again", || async {
            (status(&app, "/readyz").await == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_that_starts_before_its_database_is_ready_when_that_is() {
    let line = Line::in_condition(Condition::Cut).await;
    let db = store::connect(&line.settings).await.unwrap();
    let app = TestApp::on(db, Peers::start().await, Setup::default()).await;
    let patient = app.patient();
    let answer = app.get(&patient, &format!("/records/{}", patient.id)).await;
    assert_eq!(answer.problem(503), "unavailable");
    line.set(Condition::Open);
    eventually("it is ready", || async {
        (status(&app, "/readyz").await == 200).then_some(())
    })
    .await;
    app.note(&patient, &patient).await;
}

/// A file as a process leaves it that died: `state` says how far it had come.
async fn abandoned(app: &TestApp, state: &str) -> mongodb::bson::Uuid {
    let file = mongodb::bson::Uuid::new();
    let at = mongodb::bson::DateTime::from_millis(app.clock.now().timestamp_millis());
    let bytes = mongodb::bson::Binary {
        subtype: mongodb::bson::spec::BinarySubtype::Generic,
        bytes: vec![0; 9],
    };
    let chunk = doc! { "files_id": file, "n": 0, "data": bytes };
    app.db
        .collection::<Document>("fs.chunks")
        .insert_one(chunk)
        .await
        .unwrap();
    let note = doc! { "_id": file, "state": state, "alive_at": at };
    app.db
        .collection::<Document>("uploads")
        .insert_one(note)
        .await
        .unwrap();
    file
}

#[tokio::test]
async fn what_a_dead_process_left_is_swept_when_it_is_surely_dead() {
    let app = TestApp::start().await;
    app.get(&app.patient(), "/records/x").await;
    abandoned(&app, "open").await;
    abandoned(&app, "sealed").await;
    app.clock.advance(TimeDelta::seconds(50));
    assert_eq!(
        sweeper::sweep(&app.db, &app.clock).await.unwrap(),
        0,
        "it may still live"
    );
    app.clock.advance(TimeDelta::seconds(20));
    sweeper::sweep(&app.db, &app.clock).await.unwrap();
    assert_eq!(
        app.count("fs.chunks").await,
        1,
        "the sealed one may still become a record"
    );
    app.clock.advance(TimeDelta::days(1));
    sweeper::sweep(&app.db, &app.clock).await.unwrap();
    assert_eq!((app.count("fs.chunks").await, app.count("uploads").await), (0, 0));
}

#[tokio::test]
async fn a_file_that_a_record_refers_to_is_never_swept() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let id = app.document(&patient, &patient).await;
    eventually("the upload is closed", || async {
        (app.count("uploads").await == 0).then_some(())
    })
    .await;
    // The process died after the record was written and before the upload was closed.
    let entry = app
        .db
        .collection::<Document>("fs.files")
        .find_one(doc! {})
        .await
        .unwrap()
        .unwrap();
    let note = doc! { "_id": entry.get("_id").unwrap(), "state": "sealed", "alive_at": mongodb::bson::DateTime::MIN };
    app.db
        .collection::<Document>("uploads")
        .insert_one(note)
        .await
        .unwrap();
    sweeper::sweep(&app.db, &app.clock).await.unwrap();
    assert_eq!(app.count("uploads").await, 0);
    app.get(&patient, &format!("/records/{}/{id}/file", patient.id))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_process_that_slept_too_long_writes_no_record_without_a_file() {
    let app = TestApp::with_settings("records: {upload_idle_s: 20}").await;
    let patient = app.patient();
    let (sender, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(4);
    let opening = format!(
        "--X\r\ncontent-disposition: form-data; name=\"patient_id\"\r\n\r\n{}\r\n--X\r\ncontent-disposition: form-data; name=\"record_type\"\r\n\r\nOTHER\r\n\
         --X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{}",
        patient.id,
        "a".repeat(300_000)
    );
    let stream = futures_util::stream::unfold(body, |mut body| async {
        body.recv().await.map(|piece| (piece, body))
    });
    let request = app
        .client
        .request(reqwest::Method::POST, "/records", &patient.token)
        .header("content-type", "multipart/form-data; boundary=X")
        .body(reqwest::Body::wrap_stream(stream));
    let answer = tokio::task::spawn(common_testing::Client::send(request));
    sender.send(Ok(opening.into_bytes())).await.unwrap();
    eventually("the upload is under way", || async {
        (app.count("fs.chunks").await == 1).then_some(())
    })
    .await;
    // Another instance takes this process for dead and sweeps.
    let later = common::clock::Clock::fixed(app.clock.now() + TimeDelta::minutes(5));
    sweeper::sweep(&app.db, &later).await.unwrap();
    assert_eq!(app.count("fs.chunks").await, 0);
    sender.send(Ok(b"the rest\r\n--X--\r\n".to_vec())).await.unwrap();
    drop(sender);
    assert_eq!(answer.await.unwrap().problem(503), "unavailable");
    assert_eq!(app.count("records").await, 0);
    tokio::time::timeout(Duration::from_secs(10), async {
        while app.count("fs.chunks").await + app.count("fs.files").await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its remains are removed");
}
