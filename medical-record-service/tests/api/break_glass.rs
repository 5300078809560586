//! Breaking the glass: for a reason, for one patient, to read, seen by the patient.

use common::events::{GlassBroken, Payload};
use reqwest::Method;
use serde_json::json;

use crate::helpers::{Setup, TestApp, now};

const REASON: (&str, &str) = ("x-break-glass", "unconscious, allergies needed");

#[tokio::test]
async fn the_patient_sees_who_broke_the_glass_and_why() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let id = app.document(&patient, &patient).await;
    let base = format!("/records/{}", patient.id);
    for path in [
        String::new(),
        format!("/{id}"),
        format!("/{id}/file"),
        format!("/{id}/versions"),
    ] {
        app.get(&doctor, &format!("{base}{path}")).await;
        app.get_with(&doctor, &format!("{base}{path}"), &[REASON])
            .await
            .expect(200);
    }
    let log = app.log(&patient).await;
    let broken: Vec<_> = log
        .iter()
        .filter(|entry| entry["rule"] == "BREAK_GLASS")
        .collect();
    assert_eq!(broken.len(), 4);
    for entry in broken {
        assert_eq!(entry["user_id"], json!(doctor.id));
        assert_eq!(entry["user_name"], "Test DOCTOR");
        assert_eq!(entry["reason"], REASON.1);
        assert_eq!(entry["outcome"], "ALLOWED");
    }
    assert_eq!(
        log.iter()
            .filter(|entry| entry["rule"] == "NO_RELATIONSHIP")
            .count(),
        4
    );
    let raw = app.everything("access_log").await;
    assert!(!raw.contains("allergies"), "the reason is kept sealed");
}

#[tokio::test]
async fn whoever_oversees_sees_who_broke_the_glass_and_not_why() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    app.get_with(&doctor, &format!("/records/{}", patient.id), &[REASON])
        .await
        .expect(200);
    let log = app
        .get(&app.admin(), &format!("/records/{}/access-log", patient.id))
        .await
        .expect(200);
    assert!(!log.text().contains("allergies"), "{}", log.text());
    let items = log.json()["items"].as_array().unwrap().clone();
    let broken = items.iter().find(|entry| entry["rule"] == "BREAK_GLASS").unwrap();
    assert_eq!(broken["user_id"], json!(doctor.id));
    assert_eq!(broken["reason"], json!(null));
    assert_eq!(broken["intact"], true);
}

#[tokio::test]
async fn each_break_becomes_an_event_without_the_reason() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let events = app.listen().await;
    app.get_with(&doctor, &format!("/records/{}", patient.id), &[REASON])
        .await
        .expect(200);
    let event = events.about(patient.id).await;
    let expected = GlassBroken {
        patient_id: patient.id,
        doctor_id: doctor.id,
        accessed_at: now(),
    };
    assert_eq!(
        event.payload().unwrap(),
        Payload::RecordAccessedByBreakGlass(expected)
    );
    assert!(!serde_json::to_string(&event).unwrap().contains("allergies"));
}

#[tokio::test]
async fn a_poor_reason_breaks_nothing() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let id = app.note(&patient, &patient).await;
    let long = "x".repeat(1001);
    for reason in ["", "emergency", "         .", "a\tb\tc\td\te\tf", long.as_str()] {
        for path in [
            format!("/records/{}", patient.id),
            format!("/records/{}/{id}", patient.id),
        ] {
            let answer = app.get_with(&doctor, &path, &[("x-break-glass", reason)]).await;
            assert_eq!(answer.problem(422), "invalid-request", "{reason:?}");
        }
    }
    assert!(
        app.log(&patient)
            .await
            .iter()
            .all(|entry| entry["user_id"] != json!(doctor.id))
    );
}

#[tokio::test]
async fn a_reason_may_be_written_in_any_language() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let path = format!("/records/{}", patient.id);
    let value = reqwest::header::HeaderValue::from_bytes("Bewußtlos, Allergien?".as_bytes()).unwrap();
    let request = app
        .client
        .request(Method::GET, &path, &doctor.token)
        .header("x-break-glass", value);
    common_testing::Client::send(request).await.expect(200);
    assert_eq!(app.log(&patient).await[0]["reason"], "Bewußtlos, Allergien?");
}

#[tokio::test]
async fn where_an_ordinary_reason_exists_no_glass_is_broken() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    app.get_with(&doctor, &format!("/records/{}", patient.id), &[REASON])
        .await
        .expect(200);
    let log = app.log(&patient).await;
    assert_eq!(
        (&log[0]["rule"], &log[0]["reason"]),
        (&json!("APPOINTMENT"), &json!(null))
    );
}

#[tokio::test]
async fn a_record_that_does_not_exist_breaks_nothing() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let path = format!("/records/{}/{}", patient.id, common::ids::RecordId::generate());
    app.get_with(&doctor, &path, &[REASON]).await.expect(404);
    assert!(
        app.log(&patient)
            .await
            .iter()
            .all(|entry| entry["rule"] != "BREAK_GLASS")
    );
}

#[tokio::test]
async fn the_glass_breaks_for_one_patient_and_one_request() {
    let app = TestApp::with(Setup::default()).await;
    let (patient, other, doctor) = (app.patient(), app.patient(), app.doctor());
    app.get_with(&doctor, &format!("/records/{}", patient.id), &[REASON])
        .await
        .expect(200);
    app.get(&doctor, &format!("/records/{}", patient.id))
        .await
        .expect(403);
    app.get(&doctor, &format!("/records/{}", other.id))
        .await
        .expect(403);
}
