//! A visit's history and its calendar file.

use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, at, changed};

fn id_of(visit: &Value) -> Value {
    json!({"appointment_id": visit["id"]})
}

/// An entry in words; instants without their date.
fn line(entry: &Value) -> String {
    let text = |member: &str| match &entry[member] {
        Value::String(text) => text
            .rsplit('T')
            .next()
            .filter(|time| time.ends_with('Z'))
            .unwrap_or(text)
            .to_owned(),
        other => other.to_string(),
    };
    format!(
        "{} {} by {} at {}, {} to {}, {} to {}: {}",
        text("version"),
        text("action"),
        text("by_role"),
        text("at"),
        text("from"),
        text("to"),
        text("from_start_at"),
        text("to_start_at"),
        text("reason")
    )
}

#[tokio::test]
async fn the_history_tells_who_did_what_when_and_why() {
    let app = App::start().await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let visit = app
        .book(
            &patient,
            &changed(&at(&doctor, TUESDAY, "09:00"), "reason", json!("knee")),
        )
        .await
        .json();
    app.clock.advance(chrono::TimeDelta::minutes(1));
    app.put("confirm", &doctor, &id_of(&visit)).await.expect(200);
    let moved = json!({"appointment_id": visit["id"], "date": TUESDAY, "time": "10:00"});
    app.put("reschedule", &patient, &moved).await.expect(200);
    app.put(
        "cancel",
        &admin,
        &changed(&id_of(&visit), "reason", json!("strike")),
    )
    .await
    .expect(200);

    let path = format!("/appointments/{}/history", visit["id"].as_str().unwrap());
    let history = app.get(&path, &patient).await.expect(200).json();
    let entries = history["items"].as_array().unwrap();
    assert_eq!(
        entries.iter().map(line).collect::<Vec<_>>(),
        [
            "1 BOOKED by PATIENT at 06:00:00Z, null to BOOKED, null to 08:00:00Z: knee",
            "2 CONFIRMED by DOCTOR at 06:01:00Z, BOOKED to CONFIRMED, 08:00:00Z to 08:00:00Z: null",
            "3 RESCHEDULED by PATIENT at 06:01:00Z, CONFIRMED to BOOKED, 08:00:00Z to 09:00:00Z: null",
            "4 CANCELLED by ADMIN at 06:01:00Z, BOOKED to CANCELLED, 09:00:00Z to 09:00:00Z: strike",
        ]
    );
    let who: Vec<&Value> = entries.iter().map(|entry| &entry["by"]).collect();
    assert_eq!(
        json!(who),
        json!([patient.id(), doctor.id(), patient.id(), admin.id()])
    );

    let first = app.get(&format!("{path}?limit=3"), &patient).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app
        .get(&format!("{path}?limit=3&cursor={cursor}"), &patient)
        .await
        .json();
    assert_eq!(rest["items"], json!([entries[3]]));
    assert_eq!(
        app.get(&format!("{path}?cursor={cursor}"), &doctor)
            .await
            .problem(400),
        "unknown-cursor"
    );
}

#[tokio::test]
async fn a_calendar_names_the_other_side_and_cannot_be_broken_by_a_name() {
    let app = App::start().await;
    let (patient, mut doctor) = (app.patient(), app.doctor());
    doctor.card.name = "Ada;, \\ L\u{1F600}velace".to_owned();
    app.peers.put_user(doctor.card.clone());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let path = format!("/appointments/{}/calendar", visit["id"].as_str().unwrap());
    let file = app.get(&path, &patient).await.expect(200);
    assert_eq!(file.header("content-type"), "text/calendar; charset=utf-8");
    assert_eq!(file.header("cache-control"), "no-store");
    assert!(
        file.text()
            .contains("SUMMARY:Appointment with Ada\\;\\, \\\\ L😀velace"),
        "{}",
        file.text()
    );
    assert!(
        app.get(&path, &doctor)
            .await
            .text()
            .contains("SUMMARY:Appointment with Test PATIENT")
    );
}
