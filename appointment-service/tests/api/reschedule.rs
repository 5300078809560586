use common::clients::users::Verification;
use common::events::Payload;
use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, at, changed, daily};

fn to(visit: &Value, date: &str, time: &str) -> Value {
    json!({"appointment_id": visit["id"], "date": date, "time": time})
}

#[tokio::test]
async fn a_move_keeps_the_id_and_tells_old_and_new_time() {
    let app = App::start().await;
    let (patient, other, doctor) = (app.patient(), app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let moved = app
        .put("reschedule", &patient, &to(&visit, "2027-01-06", "11:30"))
        .await
        .expect(200)
        .json();
    assert_eq!((&moved["id"], &moved["version"]), (&visit["id"], &json!(2)));
    assert_eq!(
        (&moved["date"], &moved["time"]),
        (&json!("2027-01-06"), &json!("11:30"))
    );
    assert_eq!(moved["start_at"], "2027-01-06T10:30:00Z");
    assert_eq!(moved["cancellable_until"], "2027-01-06T08:30:00Z");
    let events = app.events().await;
    let Payload::AppointmentRescheduled(data) = events[1].payload().unwrap() else {
        panic!("{:?}", events[1])
    };
    assert_eq!(
        (json!(data.previous_start_at), json!(data.start_at)),
        (visit["start_at"].clone(), moved["start_at"].clone())
    );
    // The old time is free, the new one is not.
    app.booked(&other, &doctor, "09:00").await;
    assert_eq!(
        app.book(&other, &at(&doctor, "2027-01-06", "11:30"))
            .await
            .problem(409),
        "slot-taken"
    );
}

#[tokio::test]
async fn its_own_old_time_never_blocks_a_visit() {
    let app = App::start().await;
    let (patient, other) = (app.patient(), app.patient());
    let doctor = app.doctor_with(daily("UTC", 60, "09:00", "12:00"));
    let visit = app
        .book(&patient, &at(&doctor, TUESDAY, "10:00"))
        .await
        .expect(201)
        .json();
    // The doctor now works on another grid: a quarter of an hour later overlaps the visit itself.
    let mut card = doctor.card.clone();
    card.doctor.as_mut().unwrap().availability = daily("UTC", 15, "09:00", "12:00");
    app.peers.put_user(card);
    let moved = app
        .put("reschedule", &patient, &to(&visit, TUESDAY, "10:15"))
        .await
        .expect(200)
        .json();
    assert_eq!(moved["duration_minutes"], 15);
    app.book(&other, &at(&doctor, TUESDAY, "10:00")).await.expect(201);
}

#[tokio::test]
async fn a_move_to_where_it_is_is_no_change() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let same = app
        .put("reschedule", &patient, &to(&visit, TUESDAY, "09:00"))
        .await
        .expect(200)
        .json();
    assert_eq!(same, visit);
    assert_eq!(app.events().await.len(), 1);
}

#[tokio::test]
async fn a_refused_move_leaves_everything_as_it_was() {
    let app = App::start().await;
    let (patient, other, doctor, elsewhere) = (app.patient(), app.patient(), app.doctor(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    app.booked(&other, &doctor, "10:00").await;
    app.booked(&patient, &elsewhere, "11:00").await;
    for (date, time, status, code) in [
        (TUESDAY, "10:00", 409, "slot-taken"),
        (TUESDAY, "11:00", 409, "patient-busy"),
        (TUESDAY, "12:00", 422, "invalid-request"),
        (TUESDAY, "09:10", 422, "invalid-request"),
        ("2027-01-03", "09:00", 422, "invalid-request"),
        ("tomorrow", "09:00", 422, "invalid-request"),
        ("2029-01-02", "09:00", 422, "invalid-request"),
    ] {
        let refused = app.put("reschedule", &patient, &to(&visit, date, time)).await;
        assert_eq!(refused.problem(status), code, "{date} {time}");
        assert_eq!(refused.json().get("next_free").is_some(), code == "slot-taken");
    }
    let path = format!("/appointments/{}", visit["id"].as_str().unwrap());
    assert_eq!(app.get(&path, &patient).await.json(), visit);
    assert_eq!(app.events().await.len(), 3);
}

#[tokio::test]
async fn what_is_over_or_cancelled_cannot_be_moved() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let cancelled = app.booked(&patient, &doctor, "09:00").await;
    app.put("cancel", &patient, &json!({"appointment_id": cancelled["id"]}))
        .await
        .expect(200);
    let completed = app.booked(&patient, &doctor, "09:00").await;
    app.put("complete", &doctor, &json!({"appointment_id": completed["id"]}))
        .await
        .expect(200);
    let begun = app.booked(&patient, &doctor, "10:00").await;
    app.travel("2027-01-05T09:00:00Z");
    for visit in [cancelled, completed, begun] {
        // Even to a time that is no slot: the visit's own state comes first.
        for time in ["11:00", "11:10"] {
            let refused = app.put("reschedule", &doctor, &to(&visit, TUESDAY, time)).await;
            assert_eq!(refused.problem(409), "invalid-transition");
        }
    }
}

#[tokio::test]
async fn nothing_is_moved_into_the_calendar_of_a_doctor_who_was_struck_off() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let mut card = doctor.card.clone();
    card.doctor.as_mut().unwrap().verification = Verification::Rejected;
    app.peers.put_user(card);
    assert_eq!(
        app.put("reschedule", &patient, &to(&visit, TUESDAY, "10:00"))
            .await
            .problem(409),
        "doctor-unavailable"
    );
    // The patient can still get out of it.
    app.put("cancel", &patient, &json!({"appointment_id": visit["id"]}))
        .await
        .expect(200);
}

#[tokio::test]
async fn the_rule_of_the_booking_goes_on_to_hold() {
    let app = App::with("booking: {cancel_notice_min: 600}").await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    sqlx::query("update appointments set notice_minutes = 30")
        .execute(&app.pool)
        .await
        .unwrap();
    let moved = app
        .put("reschedule", &patient, &to(&visit, TUESDAY, "10:00"))
        .await
        .expect(200)
        .json();
    assert_eq!(moved["cancellable_until"], "2027-01-05T08:30:00Z");
    assert_eq!(changed(&moved, "reason", json!(null)).get("reason"), None);
}
