//! The same request again: answered again, carried out once.

use common_testing::{Answer, Client, eventually};
use mongodb::bson::{Document, doc};
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::helpers::{PDF, Person, TestApp, Wire, form, part};

async fn post(app: &TestApp, who: &Person, key: &str, body: &Value) -> Answer {
    let request = app.client.request(Method::POST, "/records", &who.token);
    Client::send(request.header("idempotency-key", key).json(body)).await
}

async fn upload(app: &TestApp, who: &Person, key: &str, form: Form) -> Answer {
    let request = app.client.request(Method::POST, "/records", &who.token);
    Client::send(request.header("idempotency-key", key).multipart(form)).await
}

#[tokio::test]
async fn the_same_request_is_answered_again_and_carried_out_once() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let form = || {
        form(&patient, "LAB_REPORT")
            .text("title", "Blood")
            .part("file", part(PDF, "a.pdf", "application/pdf"))
    };
    let first = upload(&app, &doctor, "key-1", form()).await.expect(201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    // The boundary of the second form is another one.
    let again = upload(&app, &doctor, "key-1", form()).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json(), first.json());
    assert_eq!((app.count("records").await, app.count("fs.files").await), (1, 1));
    assert_eq!(app.count("running").await, 0, "nothing runs any more");
}

#[tokio::test]
async fn the_first_answer_is_repeated_even_after_the_record_was_amended() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY"});
    let first = post(&app, &patient, "key-1", &body).await.expect(201).json();
    let place = format!(
        "/records/{}/{}/amendments",
        patient.id,
        first["id"].as_str().unwrap()
    );
    let amendment = || {
        let request = app
            .client
            .request(Method::POST, &place, &patient.token)
            .header("idempotency-key", "key-1");
        Client::send(request.json(&json!({"amendment_reason": "more"})))
    };
    let amended = amendment().await.expect(201).json();
    assert_eq!(amended["version"], 2, "the key belongs to one route");
    assert_eq!(
        post(&app, &patient, "key-1", &body).await.expect(201).json(),
        first
    );
    let again = amendment().await.expect(201);
    assert_eq!(
        (again.header("idempotency-replayed"), again.json()),
        ("true", amended)
    );
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let file =
        |bytes: &[u8], name: &str| form(&patient, "OTHER").part("file", part(bytes, name, "text/plain"));
    upload(&app, &patient, "key-1", file(b"one", "a.txt"))
        .await
        .expect(201);
    for other in [
        file(b"two", "a.txt"),
        file(b"one", "b.txt"),
        file(b"one", "a.txt").text("title", "x"),
        form(&patient, "OTHER"),
        form(&patient, "HISTORY").part("file", part(b"one", "a.txt", "text/plain")),
    ] {
        assert_eq!(
            upload(&app, &patient, "key-1", other).await.problem(422),
            "idempotency-key-reused"
        );
    }
    assert_eq!(app.count("records").await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_user() {
    let app = TestApp::start().await;
    for patient in [app.patient(), app.patient()] {
        let body = json!({"patient_id": patient.id, "record_type": "HISTORY"});
        let answer = post(&app, &patient, "key-1", &body).await.expect(201);
        assert!(!answer.headers.contains_key("idempotency-replayed"));
    }
    assert_eq!(app.count("records").await, 2);
}

#[tokio::test]
async fn twenty_copies_at_once_write_one_record() {
    let app = TestApp::start().await;
    let second = TestApp::on(
        app.db.clone(),
        app.peers.clone(),
        crate::helpers::Setup::default(),
    )
    .await;
    let patient = app.patient();
    let elsewhere = second.again(&patient, common::auth::Role::Patient);
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY"});
    let copies = (0..20).map(|turn| {
        if turn % 2 == 0 {
            post(&app, &patient, "key-1", &body)
        } else {
            post(&second, &elsewhere, "key-1", &body)
        }
    });
    let answers = futures_util::future::join_all(copies).await;
    for answer in &answers {
        match answer.status.as_u16() {
            201 => {}
            _ => assert_eq!(answer.problem(409), "request-still-running"),
        }
    }
    let fresh = answers
        .iter()
        .filter(|a| a.status == 201 && !a.headers.contains_key("idempotency-replayed"))
        .count();
    assert_eq!(fresh, 1);
    assert_eq!(app.count("records").await, 1);
}

#[tokio::test]
async fn a_refused_request_may_be_sent_again_corrected() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let wrong = json!({"patient_id": patient.id, "record_type": "SCAN"});
    assert_eq!(
        post(&app, &patient, "key-1", &wrong).await.problem(422),
        "invalid-request"
    );
    let right = json!({"patient_id": patient.id, "record_type": "IMAGING"});
    post(&app, &patient, "key-1", &right).await.expect(201);
}

#[tokio::test]
async fn a_key_whose_process_died_becomes_free() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY"});
    post(&app, &patient, "key-1", &body).await.expect(201);
    // As if the process had died after it had noted the request and before it wrote the record.
    let records = app.db.collection::<Document>("records");
    let written = records.find_one_and_delete(doc! {}).await.unwrap().unwrap();
    let key = written.get_array("idempotency_keys").unwrap()[0]
        .as_str()
        .unwrap();
    let since = mongodb::bson::DateTime::from_millis(app.clock.now().timestamp_millis());
    app.db
        .collection::<Document>("running")
        .insert_one(doc! { "_id": key, "since": since })
        .await
        .unwrap();
    let early = post(&app, &patient, "key-1", &body).await;
    assert_eq!(early.problem(409), "request-still-running");
    assert!(early.headers.contains_key("retry-after"));
    app.clock.advance(chrono::TimeDelta::minutes(12));
    let late = app.again(&patient, common::auth::Role::Patient);
    post(&app, &late, "key-1", &body).await.expect(201);
}

#[tokio::test]
async fn a_client_that_was_cut_off_may_try_again_at_once() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let headers = "idempotency-key: key-1\r\ncontent-type: application/json\r\ncontent-length: 1000";
    let mut wire = Wire::open(&app, &patient, headers).await;
    wire.send(b"{").await;
    eventually("it runs", || async {
        (app.count("running").await == 1).then_some(())
    })
    .await;
    drop(wire);
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY"});
    eventually("the second try is carried out", || async {
        (post(&app, &patient, "key-1", &body).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn odd_keys_are_refused() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY"});
    let long = "k".repeat(256);
    for key in ["", "  ", long.as_str()] {
        assert_eq!(
            post(&app, &patient, key, &body).await.problem(422),
            "invalid-request",
            "{key:?}"
        );
    }
    let request = app.client.request(Method::POST, "/records", &patient.token);
    let twice = request
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .json(&body);
    assert_eq!(Client::send(twice).await.problem(422), "invalid-request");
}
