use common::clients::users::Availability;
use common::events::Payload;
use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, at, changed};

fn id_of(visit: &Value) -> Value {
    json!({"appointment_id": visit["id"]})
}

async fn kinds(app: &App) -> Vec<String> {
    app.events().await.into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn cancelling_twice_is_cancelling_once() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let body = changed(&id_of(&visit), "reason", json!("canary-reason"));
    let cancelled = app.put("cancel", &patient, &body).await.expect(200).json();
    assert_eq!(cancelled["status"], "CANCELLED");
    assert_eq!(cancelled["version"], 2);
    let expected = json!({"by": patient.id(), "by_role": "PATIENT", "reason": "canary-reason", "at": "2027-01-04T06:00:00Z"});
    assert_eq!(cancelled["cancellation"], expected);
    for again in [&patient, &doctor] {
        let repeat = app
            .put(
                "cancel",
                again,
                &changed(&id_of(&visit), "reason", json!("other")),
            )
            .await
            .expect(200);
        assert_eq!(repeat.json(), cancelled);
    }
    assert_eq!(kinds(&app).await, ["appointment.booked", "appointment.cancelled"]);
    let text = serde_json::to_string(&app.events().await).unwrap();
    assert!(!text.contains("canary-reason"));
}

#[tokio::test]
async fn a_cancelled_time_is_free_at_once() {
    let app = App::start().await;
    let (patient, other, doctor) = (app.patient(), app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    app.put("cancel", &patient, &id_of(&visit)).await.expect(200);
    app.booked(&other, &doctor, "09:00").await;
    // Nothing brings the first one back to life.
    for step in ["confirm", "complete", "no-show"] {
        assert_eq!(
            app.put(step, &doctor, &id_of(&visit)).await.problem(409),
            "invalid-transition"
        );
    }
}

#[tokio::test]
async fn the_notice_binds_patients_to_the_second_also_across_a_change_of_clocks() {
    let app = App::with("booking: {cancel_notice_min: 180}").await;
    let (patient, doctor, admin) = (app.patient(), app.doctor_with(berlin_nights()), app.admin());
    // 04:00 in Berlin is two hours of the wall clock after 01:00, on the night when that is one hour of time.
    let visits = [
        app.book(&patient, &at(&doctor, "2027-03-28", "04:00"))
            .await
            .expect(201)
            .json(),
        app.book(&patient, &at(&doctor, "2027-03-28", "04:30"))
            .await
            .expect(201)
            .json(),
        app.book(&patient, &at(&doctor, "2027-03-28", "05:00"))
            .await
            .expect(201)
            .json(),
    ];
    assert_eq!(visits[0]["cancellable_until"], "2027-03-27T23:00:00Z");
    app.travel("2027-03-27T23:00:00Z");
    app.put("cancel", &patient, &id_of(&visits[0])).await.expect(200);
    app.travel("2027-03-27T23:30:01Z");
    let refused = app.put("cancel", &patient, &id_of(&visits[1])).await;
    assert_eq!(refused.problem(409), "cancellation-window-closed");
    assert_eq!(refused.json()["cancellable_until"], "2027-03-27T23:30:00Z");
    let moved = json!({"appointment_id": visits[1]["id"], "date": "2027-03-29", "time": "04:00"});
    assert_eq!(
        app.put("reschedule", &patient, &moved).await.problem(409),
        "cancellation-window-closed"
    );
    app.put("cancel", &doctor, &id_of(&visits[1])).await.expect(200);
    app.put("cancel", &admin, &id_of(&visits[2])).await.expect(200);
}

fn berlin_nights() -> Availability {
    crate::helpers::daily("Europe/Berlin", 30, "00:00", "06:00")
}

#[tokio::test]
async fn what_has_begun_is_not_cancelled_by_anybody() {
    let app = App::start().await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    app.travel("2027-01-05T08:00:00Z");
    for who in [&patient, &doctor, &admin] {
        for step in ["cancel", "confirm"] {
            let expected = if step == "confirm" && who.id() == patient.id() {
                403
            } else {
                409
            };
            app.put(step, who, &id_of(&visit)).await.problem(expected);
        }
    }
    let late = app
        .put("no-show", &doctor, &id_of(&visit))
        .await
        .expect(200)
        .json();
    assert_eq!(late["status"], "NO_SHOW");
    for step in ["cancel", "complete", "confirm"] {
        assert_eq!(
            app.put(step, &doctor, &id_of(&visit)).await.problem(409),
            "invalid-transition"
        );
    }
}

#[tokio::test]
async fn confirmed_and_completed_each_with_its_event_and_repeats_without() {
    let app = App::start().await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    for (step, status, version) in [("confirm", "CONFIRMED", 2), ("complete", "COMPLETED", 3)] {
        for who in [&doctor, &admin] {
            let after = app.put(step, who, &id_of(&visit)).await.expect(200).json();
            assert_eq!(
                (after["status"].as_str(), after["version"].as_u64()),
                (Some(status), Some(version))
            );
        }
    }
    assert_eq!(
        app.put("cancel", &patient, &id_of(&visit)).await.problem(409),
        "invalid-transition"
    );
    assert_eq!(
        kinds(&app).await,
        [
            "appointment.booked",
            "appointment.confirmed",
            "appointment.completed"
        ]
    );
    let versions: Vec<u32> = app
        .events()
        .await
        .iter()
        .map(|event| match event.payload().unwrap() {
            Payload::AppointmentBooked(data)
            | Payload::AppointmentConfirmed(data)
            | Payload::AppointmentCompleted(data) => data.version,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(versions, [1, 2, 3]);
}

#[tokio::test]
async fn the_patient_confirms_what_the_doctor_made_and_nothing_else() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let own = app.booked(&patient, &doctor, "09:00").await;
    assert_eq!(
        app.put("confirm", &patient, &id_of(&own)).await.problem(403),
        "role-not-allowed"
    );

    let body = changed(&at(&doctor, TUESDAY, "10:00"), "patient_id", json!(patient.id()));
    let made = app.book(&doctor, &body).await.expect(201).json();
    let by_doctor = app
        .put("confirm", &doctor, &id_of(&made))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&by_doctor["status"], &by_doctor["awaits_patient"]),
        (&json!("CONFIRMED"), &json!(true))
    );
    let by_patient = app
        .put("confirm", &patient, &id_of(&made))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&by_patient["status"], &by_patient["awaits_patient"]),
        (&json!("CONFIRMED"), &json!(false))
    );
    assert_eq!(by_patient["version"], 3);
    let again = app
        .put("confirm", &patient, &id_of(&made))
        .await
        .expect(200)
        .json();
    assert_eq!(again, by_patient);
}
