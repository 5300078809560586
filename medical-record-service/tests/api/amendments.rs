//! Amendments and withdrawals: nothing is lost, one version counts.

use medical_record_service::store::records::{self, StoredWithdrawal, Written};
use serde_json::{Value, json};

use crate::helpers::{PDF, Person, TestApp, form, id_of, part};
use common_testing::{Answer, Client};
use reqwest::Method;

async fn amend(app: &TestApp, who: &Person, place: &str, body: &Value) -> Answer {
    app.client
        .post(&format!("{place}/amendments"), &who.token, body)
        .await
}

async fn withdraw(app: &TestApp, who: &Person, place: &str) -> Answer {
    app.client
        .put(
            &format!("{place}/withdrawal"),
            &who.token,
            &json!({"reason": "wrong patient"}),
        )
        .await
}

#[tokio::test]
async fn an_amendment_replaces_the_record_and_keeps_the_old_version_with_its_file() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let base = format!("/records/{}", patient.id);
    let old = format!("{base}/{}", app.document(&doctor, &patient).await);
    let before = app.get(&patient, &old).await.json();

    let form = reqwest::multipart::Form::new()
        .text("amendment_reason", "value was misread")
        .text("notes", "Hb 12.1, not 21.1")
        .part("file", part(b"Hb 12.1", "corrected.txt", "text/plain"));
    let request = app
        .client
        .request(Method::POST, &format!("{old}/amendments"), &doctor.token)
        .multipart(form);
    let answer = Client::send(request).await.expect(201);
    let record = answer.json();
    let new = format!("{base}/{}", record["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), new);
    for (member, value) in [
        ("status", json!("FINAL")),
        ("version", json!(2)),
        ("amends", before["id"].clone()),
        ("amendment_reason", json!("value was misread")),
        ("record_type", json!("LAB_REPORT")),
        ("occurred_at", before["occurred_at"].clone()),
        ("notes", json!("Hb 12.1, not 21.1")),
    ] {
        assert_eq!(record[member], value, "{member}");
    }
    let mut expected = before.clone();
    expected["status"] = json!("AMENDED");
    assert_eq!(
        app.get(&patient, &old).await.json(),
        expected,
        "nothing else in the old version changed"
    );
    assert_eq!(
        app.get(&patient, &format!("{old}/file")).await.expect(200).body,
        PDF
    );
    assert_eq!(
        app.get(&patient, &format!("{new}/file")).await.expect(200).body,
        b"Hb 12.1"
    );
    let list = app.get(&patient, &base).await.json();
    assert_eq!(list["items"], json!([record]), "one head");
    for any in [&old, &new] {
        let versions = app
            .get(&doctor, &format!("{any}/versions"))
            .await
            .expect(200)
            .json();
        assert_eq!(versions["items"], json!([record, expected]));
    }
}

#[tokio::test]
async fn versions_come_in_pages_and_no_version_twice() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let base = format!("/records/{}", patient.id);
    let mut place = format!("{base}/{}", app.document(&doctor, &patient).await);
    for _ in 0..4 {
        let body = json!({"amendment_reason": "typing error"});
        place = format!(
            "{base}/{}",
            id_of(&amend(&app, &doctor, &place, &body).await.expect(201))
        );
    }
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = app.get(&doctor, &format!("{place}/versions?{query}")).await;
        let page = page.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["version"].as_u64().unwrap()));
        // Somebody amends while somebody else reads.
        if seen.len() == 2 {
            let body = json!({"amendment_reason": "one more"});
            amend(&app, &doctor, &place, &body).await.expect(201);
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let stolen = app.get(&patient, &format!("{place}/versions?{query}")).await;
    assert_eq!(stolen.problem(400), "unknown-cursor");
    for bad in ["limit=0", "limit=101", "version=1", "limit=1&limit=2"] {
        let answer = app.get(&doctor, &format!("{place}/versions?{bad}")).await;
        assert_eq!(answer.problem(422), "invalid-request", "{bad}");
    }
}

#[tokio::test]
async fn of_amendments_at_the_same_time_one_is_stored() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    for _ in 0..5 {
        let place = format!(
            "/records/{}/{}",
            patient.id,
            app.document(&doctor, &patient).await
        );
        let body = json!({"amendment_reason": "typing error"});
        let racers = (0..8).map(|_| amend(&app, &doctor, &place, &body));
        let answers = futures_util::future::join_all(racers).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
        let loser = answers.iter().find(|answer| answer.status == 409).unwrap();
        assert_eq!(loser.problem(409), "not-the-latest-version");
        let versions = app.get(&doctor, &format!("{place}/versions")).await.json();
        assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_amendment_and_a_withdrawal_at_the_same_time_do_not_both_count() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    for _ in 0..10 {
        let place = format!("/records/{}/{}", patient.id, app.note(&doctor, &patient).await);
        let body = json!({"amendment_reason": "typing error"});
        let (amended, withdrawn) = tokio::join!(
            amend(&app, &doctor, &place, &body),
            withdraw(&app, &doctor, &place)
        );
        let both = (amended.status.as_u16(), withdrawn.status.as_u16());
        assert!(matches!(both, (201, 409) | (409, 200)), "{both:?}");
    }
}

#[tokio::test]
async fn a_decision_about_a_state_that_is_gone_changes_nothing() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let id = app.note(&patient, &patient).await;
    let old = format!("/records/{}/{id}", patient.id);
    let new = id_of(
        &amend(&app, &patient, &old, &json!({"amendment_reason": "more"}))
            .await
            .expect(201),
    );
    let withdrawal = StoredWithdrawal {
        at: app.clock.now(),
        sealed_reason: Vec::new(),
    };
    let withdraw = async |head: &str| {
        records::withdraw(&app.db, head.parse().unwrap(), &withdrawal)
            .await
            .unwrap()
    };
    assert_eq!(withdraw(&id).await, Written::Overtaken, "amended in between");
    assert_eq!(withdraw(&new).await, Written::Done);
    assert_eq!(withdraw(&new).await, Written::Overtaken, "withdrawn in between");
}

#[tokio::test]
async fn only_the_latest_version_is_amended_or_withdrawn() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let old = format!("/records/{}/{}", patient.id, app.note(&doctor, &patient).await);
    let body = json!({"amendment_reason": "typing error"});
    let new = format!(
        "/records/{}/{}",
        patient.id,
        id_of(&amend(&app, &doctor, &old, &body).await.expect(201))
    );
    assert_eq!(
        amend(&app, &doctor, &old, &body).await.problem(409),
        "not-the-latest-version"
    );
    assert_eq!(
        withdraw(&app, &doctor, &old).await.problem(409),
        "not-the-latest-version"
    );
    assert_eq!(
        amend(&app, &doctor, &new, &body).await.expect(201).json()["version"],
        3
    );
}

#[tokio::test]
async fn a_withdrawn_record_is_hidden_from_doctors_and_marked_for_the_patient() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let base = format!("/records/{}", patient.id);
    let id = app.document(&doctor, &patient).await;
    let place = format!("{base}/{id}");
    let record = withdraw(&app, &doctor, &place).await.expect(200).json();
    assert_eq!(record["status"], "WITHDRAWN");
    assert_eq!(record["withdrawal"]["reason"], "wrong patient");
    assert_eq!(
        withdraw(&app, &doctor, &place).await.expect(200).json(),
        record,
        "again: the same"
    );

    assert_eq!(app.get(&patient, &base).await.json()["items"], json!([record]));
    assert_eq!(app.get(&doctor, &base).await.json()["items"], json!([]));
    app.end_visits(&doctor, &patient);
    assert_eq!(
        app.get(&doctor, &base).await.problem(403),
        "no-treating-relationship",
        "nothing left to list"
    );
    assert_eq!(app.get(&doctor, &place).await.expect(200).json(), record);
    assert_eq!(
        app.get(&patient, &format!("{place}/file")).await.expect(200).body,
        PDF
    );
    let body = json!({"amendment_reason": "too late"});
    assert_eq!(
        amend(&app, &doctor, &place, &body).await.problem(409),
        "record-withdrawn"
    );
    let raw = app.everything("records").await;
    assert!(!raw.contains("wrong patient"), "the reason is sealed");
}

#[tokio::test]
async fn a_patient_corrects_own_records_but_makes_no_prescription_of_them() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let place = format!("/records/{}/{}", patient.id, app.note(&patient, &patient).await);
    let body = json!({"amendment_reason": "more", "record_type": "PRESCRIPTION"});
    assert_eq!(
        amend(&app, &patient, &place, &body).await.problem(403),
        "role-not-allowed"
    );
    let body = json!({"amendment_reason": "more", "record_type": "OTHER", "patient_id": patient.id});
    assert_eq!(
        amend(&app, &patient, &place, &body).await.expect(201).json()["record_type"],
        "OTHER"
    );
}

#[tokio::test]
async fn senseless_amendments_are_refused() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let place = format!("/records/{}/{}", patient.id, app.note(&doctor, &patient).await);
    for (body, why) in [
        (json!({}), "no reason"),
        (json!({"amendment_reason": "  "}), "a blank reason"),
        (json!({"amendment_reason": "x".repeat(1001)}), "an endless reason"),
        (
            json!({"amendment_reason": "x", "patient_id": doctor.id}),
            "another patient",
        ),
        (json!({"amendment_reason": "x", "version": 7}), "a chosen version"),
        (
            json!({"amendment_reason": "x", "status": "FINAL"}),
            "a chosen status",
        ),
    ] {
        assert_eq!(
            amend(&app, &doctor, &place, &body).await.problem(422),
            "invalid-request",
            "{why}"
        );
    }
    for body in [
        json!({}),
        json!({"reason": ""}),
        json!({"reason": "x", "status": "FINAL"}),
        json!({"reason": "a\u{0}b"}),
    ] {
        let answer = app
            .client
            .put(&format!("{place}/withdrawal"), &doctor.token, &body)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{body}");
    }
    let gone = format!("/records/{}/{}", patient.id, common::ids::RecordId::generate());
    assert_eq!(
        amend(&app, &doctor, &gone, &json!({"amendment_reason": "x"}))
            .await
            .problem(404),
        "not-found"
    );
    // `form` is for new records.
    let answer = app
        .upload(&doctor, form(&patient, "OTHER").text("amendment_reason", "x"))
        .await;
    assert_eq!(answer.problem(422), "invalid-request");
}
