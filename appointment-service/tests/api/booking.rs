use common::events::Payload;
use serde_json::json;

use crate::helpers::{App, TUESDAY, at, changed, daily};

#[tokio::test]
async fn a_booking_answers_with_the_whole_visit() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    let answer = app
        .book(
            &patient,
            &changed(&at(&doctor, TUESDAY, "09:30"), "reason", json!("Knee\npain")),
        )
        .await;
    let visit = answer.json();
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.header("location"),
        format!("/appointments/{}", visit["id"].as_str().unwrap())
    );
    let expected = json!({
        "id": visit["id"], "patient_id": patient.id(), "patient_name": "Test PATIENT",
        "doctor_id": doctor.id(), "doctor_name": "Test DOCTOR",
        "date": TUESDAY, "time": "09:30", "time_zone": "Europe/Berlin",
        "start_at": "2027-01-05T08:30:00Z", "end_at": "2027-01-05T09:00:00Z", "duration_minutes": 30,
        "status": "BOOKED", "reason": "Knee\npain", "cancellation": null, "awaits_patient": false,
        "cancellable_until": "2027-01-05T06:30:00Z", "version": 1,
        "created_at": "2027-01-04T06:00:00Z", "updated_at": "2027-01-04T06:00:00Z",
    });
    assert_eq!(visit, expected);
    let read = app
        .get(answer.header("location"), &patient)
        .await
        .expect(200)
        .json();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_taken_slot_names_the_next_free_ones() {
    let app = App::start().await;
    let (doctor, patient, other) = (app.doctor(), app.patient(), app.patient());
    app.booked(&patient, &doctor, "11:00").await;
    let answer = app.book(&other, &at(&doctor, TUESDAY, "11:00")).await;
    assert_eq!(answer.problem(409), "slot-taken");
    let next = answer.json()["next_free"].clone();
    let times: Vec<String> = next
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| {
            format!(
                "{} {}",
                slot["date"].as_str().unwrap(),
                slot["time"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        times,
        [
            "2027-01-05 11:30",
            "2027-01-06 09:00",
            "2027-01-06 09:30",
            "2027-01-06 10:00",
            "2027-01-06 10:30"
        ]
    );
    assert_eq!(next[0]["start_at"], "2027-01-05T10:30:00Z");
    // The patient's own visit is taken time too.
    assert_eq!(
        app.book(&patient, &at(&doctor, TUESDAY, "11:00"))
            .await
            .problem(409),
        "slot-taken"
    );
}

#[tokio::test]
async fn overlaps_count_and_not_only_equal_starts() {
    let app = App::start().await;
    let (patient, other) = (app.patient(), app.patient());
    let doctor = app.doctor_with(daily("UTC", 60, "09:00", "12:00"));
    app.book(&patient, &at(&doctor, TUESDAY, "10:00"))
        .await
        .expect(201);
    let mut card = doctor.card.clone();
    card.doctor.as_mut().unwrap().availability = daily("UTC", 15, "09:00", "12:00");
    app.peers.put_user(card);
    for (time, status) in [("09:45", 201), ("10:15", 409), ("10:45", 409), ("11:00", 201)] {
        assert_eq!(
            app.book(&other, &at(&doctor, TUESDAY, time))
                .await
                .status
                .as_u16(),
            status,
            "{time}"
        );
    }
}

#[tokio::test]
async fn a_patient_is_in_one_place_at_a_time() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    let elsewhere = app.doctor_with(daily("Europe/Berlin", 45, "09:15", "12:00"));
    app.booked(&patient, &doctor, "09:00").await;
    assert_eq!(
        app.book(&patient, &at(&elsewhere, TUESDAY, "09:15"))
            .await
            .problem(409),
        "patient-busy"
    );
    app.book(&patient, &at(&elsewhere, TUESDAY, "10:00"))
        .await
        .expect(201);
}

#[tokio::test]
async fn the_event_holds_ids_and_times_and_neither_names_nor_reasons() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    let body = changed(&at(&doctor, TUESDAY, "09:00"), "reason", json!("canary-reason"));
    let visit = app.book(&patient, &body).await.expect(201).json();
    let events = app.events().await;
    assert_eq!(events.len(), 1);
    let Payload::AppointmentBooked(data) = events[0].payload().unwrap() else {
        panic!("{:?}", events[0])
    };
    assert_eq!(json!(data.appointment_id), visit["id"]);
    assert_eq!(
        (data.patient_id, data.doctor_id, data.changed_by),
        (patient.id(), doctor.id(), patient.id())
    );
    assert_eq!(
        (data.status.as_str(), data.version, data.previous_start_at),
        ("BOOKED", 1, None)
    );
    let text = serde_json::to_string(&events[0]).unwrap();
    for canary in ["canary-reason", "Test PATIENT", "Test DOCTOR", "example.org"] {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
}

#[tokio::test]
async fn naughty_strings_come_back_as_they_went_in() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor_with(daily("UTC", 5, "09:00", "17:00")), app.patient());
    let strings = [
        "' OR 1=1-- ",
        "'; DROP TABLE appointments; --",
        "\\'",
        "%bf%27",
        "/*!50000 */",
        "SLEEP(5)",
        "% _ \\",
        "{{7*7}} ${7*7} #{7*7}",
        "${jndi:ldap://127.0.0.1/x}",
        "=cmd()|' /C calc'!A0",
        "<script>alert(1)</script>",
        "\u{202e}cod",
        "Z\u{351}\u{36b}algo",
        "👩‍⚕️ 🏳️‍🌈",
        "𝒳",
        "田中さん",
        "الله",
        "\u{feff}bom",
        "null",
        "NaN",
        "-1",
        "two\r\nBEGIN:VEVENT\r\n",
        "\u{fffd}",
        "trailing  ",
    ];
    for (index, text) in strings.iter().enumerate() {
        let time = format!("{:02}:{:02}", 9 + index / 12, index % 12 * 5);
        let body = changed(&at(&doctor, TUESDAY, &time), "reason", json!(text));
        let visit = app.book(&patient, &body).await.expect(201).json();
        let read = app
            .get(
                &format!("/appointments/{}", visit["id"].as_str().unwrap()),
                &patient,
            )
            .await
            .json();
        assert_eq!(read["reason"], *text);
    }
    for refused in ["nul\0", "\u{1b}[2J", "\u{9b}31m", "\u{8}"] {
        let body = changed(&at(&doctor, TUESDAY, "16:00"), "reason", json!(refused));
        app.book(&patient, &body).await.problem(422);
    }
}

#[tokio::test]
async fn ids_do_not_count() {
    let app = App::start().await;
    let (doctor, patient) = (app.doctor(), app.patient());
    let mut tails = Vec::new();
    for time in ["09:00", "09:30", "10:00", "10:30"] {
        let visit = app.booked(&patient, &doctor, time).await;
        let id: uuid::Uuid = visit["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        tails.push(id.as_u64_pair().1);
    }
    let steps: Vec<u64> = tails
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    assert!(steps.iter().all(|step| *step > 1_000_000), "{steps:?}");
}
