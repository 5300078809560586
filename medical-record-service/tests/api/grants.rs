//! Grants: given by the patient, ended by time or by the patient.

use chrono::TimeDelta;
use serde_json::json;

use crate::helpers::{TestApp, now};

#[tokio::test]
async fn a_grant_opens_the_door_until_it_ends() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let list = format!("/records/{}", patient.id);
    app.get(&doctor, &list).await.expect(403);

    let end = now() + TimeDelta::minutes(2);
    let body = json!({"doctor_id": doctor.id, "expires_at": end});
    let answer = app
        .client
        .post(&format!("{list}/grants"), &patient.token, &body)
        .await
        .expect(201);
    let grant =
        json!({"patient_id": patient.id, "doctor_id": doctor.id, "created_at": now(), "expires_at": end});
    assert_eq!(answer.json(), grant);
    app.get(&doctor, &list).await.expect(200);
    assert_eq!(
        app.get(&patient, &format!("{list}/grants")).await.json()["items"],
        json!([grant])
    );

    app.clock.advance(TimeDelta::minutes(2));
    app.get(&doctor, &list).await.expect(403);
    assert_eq!(
        app.get(&patient, &format!("{list}/grants")).await.json()["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_grant_is_renewed_and_taken_back_at_once() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let grants = format!("/records/{}/grants", patient.id);
    let body = json!({"doctor_id": doctor.id});
    app.client.post(&grants, &patient.token, &body).await.expect(201);
    app.client.post(&grants, &patient.token, &body).await.expect(200);
    app.get(&doctor, &format!("/records/{}", patient.id))
        .await
        .expect(200);
    let one = format!("{grants}/{}", doctor.id);
    app.client.delete(&one, &patient.token).await.expect(204);
    app.get(&doctor, &format!("/records/{}", patient.id))
        .await
        .expect(403);
    assert_eq!(
        app.client.delete(&one, &patient.token).await.problem(404),
        "not-found"
    );
}

#[tokio::test]
async fn a_grant_concerns_one_patient_and_one_doctor() {
    let app = TestApp::start().await;
    let (patient, other, doctor, colleague) = (app.patient(), app.patient(), app.doctor(), app.doctor());
    app.grant(&patient, &doctor).await;
    app.get(&doctor, &format!("/records/{}", other.id))
        .await
        .expect(403);
    app.get(&colleague, &format!("/records/{}", patient.id))
        .await
        .expect(403);
}

#[tokio::test]
async fn senseless_grants_are_refused() {
    let app = TestApp::start().await;
    let (patient, pending) = (app.patient(), app.pending_doctor());
    let doctor = app.doctor();
    let cases = [
        (
            json!({"doctor_id": pending.id}),
            404,
            "a doctor whom nobody verified",
        ),
        (json!({"doctor_id": patient.id}), 404, "no doctor"),
        (
            json!({"doctor_id": common::ids::UserId::generate()}),
            404,
            "nobody",
        ),
        (
            json!({"doctor_id": doctor.id, "expires_at": now()}),
            422,
            "ended already",
        ),
        (
            json!({"doctor_id": doctor.id, "expires_at": "tomorrow"}),
            422,
            "no instant",
        ),
        (
            json!({"doctor_id": doctor.id, "until": now()}),
            422,
            "unknown member",
        ),
        (json!({"doctor_id": {"$ne": null}}), 422, "an operator"),
        (json!({}), 422, "nobody named"),
    ];
    for (body, status, why) in cases {
        let answer = app
            .client
            .post(&format!("/records/{}/grants", patient.id), &patient.token, &body)
            .await;
        assert_eq!(answer.status.as_u16(), status, "{why}: {}", answer.text());
    }
}

#[tokio::test]
async fn many_grants_come_in_pages() {
    let app = TestApp::start().await;
    let patient = app.patient();
    for _ in 0..5 {
        app.grant(&patient, &app.doctor()).await;
    }
    let mut seen = Vec::new();
    let mut path = format!("/records/{}/grants?limit=2", patient.id);
    loop {
        let page = app.get(&patient, &path).await.expect(200).json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|grant| grant["doctor_id"].to_string()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/records/{}/grants?limit=2&cursor={cursor}", patient.id),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    seen.dedup();
    assert_eq!(seen.len(), 5);
}
