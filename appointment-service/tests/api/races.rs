//! Nobody is booked twice: many at once, on two instances.

use common_testing::Answer;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::mysql::MySqlPool;

use crate::helpers::{App, TUESDAY, User, at, behind_lock, daily};

const RACERS: usize = 64;

/// Pairs of visits that take the same doctor's or the same patient's time. Must always be 0.
pub(crate) async fn double_bookings(pool: &MySqlPool) -> i64 {
    sqlx::query_scalar(
        "select count(*) from appointments a join appointments b on a.id < b.id
           and (a.doctor_id = b.doctor_id or a.patient_id = b.patient_id)
           and a.start_at < b.end_at and b.start_at < a.end_at
         where a.status <> 'CANCELLED' and b.status <> 'CANCELLED'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn race_for_one_slot(app: &App) -> Vec<Answer> {
    let (second, _server) = app.second_instance().await;
    let doctor = app.doctor();
    let patients: Vec<User> = (0..RACERS).map(|_| app.patient()).collect();
    let body = at(&doctor, TUESDAY, "09:00");
    let racers = patients.iter().enumerate().map(|(n, patient)| {
        let client = if n % 2 == 0 { &app.client } else { &second };
        let (token, body) = (patient.token(), &body);
        async move { client.post("/appointments", &token, body).await }
    });
    join_all(racers).await
}

pub(crate) fn assert_one_winner(answers: &[Answer]) {
    assert_eq!(count(answers, 201), 1);
    for loser in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(loser.problem(409), "slot-taken");
        assert!(!loser.json()["next_free"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn sixty_four_racers_for_one_slot_have_one_winner() {
    let app = App::start().await;
    assert_one_winner(&race_for_one_slot(&app).await);
    assert_eq!(double_bookings(&app.pool).await, 0);
    assert_eq!(app.events().await.len(), 1);
}

#[tokio::test]
async fn one_patient_racing_for_many_doctors_gets_one() {
    let app = App::start().await;
    let patient = app.patient();
    let doctors: Vec<User> = (0..12)
        .map(|n| {
            // Different grids, so that only the overlap tells.
            app.doctor_with(daily("UTC", 60, &format!("08:{:02}", n * 4), "12:00"))
        })
        .collect();
    let bodies: Vec<Value> = doctors
        .iter()
        .enumerate()
        .map(|(n, doctor)| at(doctor, TUESDAY, &format!("09:{:02}", n * 4)))
        .collect();
    let answers = join_all(bodies.iter().map(|body| app.book(&patient, body))).await;
    assert_eq!(count(&answers, 201), 1);
    for loser in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(loser.problem(409), "patient-busy");
    }
    assert_eq!(double_bookings(&app.pool).await, 0);
}

#[tokio::test]
async fn bookings_and_moves_into_one_slot_have_one_winner() {
    let app = App::start().await;
    let doctor = app.doctor_with(daily("UTC", 30, "08:00", "20:00"));
    let movers: Vec<User> = (0..12).map(|_| app.patient()).collect();
    let mut visits = Vec::new();
    for (n, mover) in movers.iter().enumerate() {
        let time = format!("{:02}:{:02}", 8 + n / 2, n % 2 * 30);
        visits.push(
            app.book(mover, &at(&doctor, TUESDAY, &time))
                .await
                .expect(201)
                .json(),
        );
    }
    let bookers: Vec<User> = (0..12).map(|_| app.patient()).collect();
    let target = at(&doctor, TUESDAY, "16:00");
    let moves = movers.iter().zip(&visits).map(|(mover, visit)| {
        let body = json!({"appointment_id": visit["id"], "date": TUESDAY, "time": "16:00"});
        let app = &app;
        async move { app.put("reschedule", mover, &body).await }
    });
    let bookings = bookers.iter().map(|booker| app.book(booker, &target));
    let (moved, booked) = tokio::join!(join_all(moves), join_all(bookings));
    assert_eq!(count(&moved, 200) + count(&booked, 201), 1);
    assert_eq!(count(&moved, 409) + count(&booked, 409), 23);
    assert_eq!(double_bookings(&app.pool).await, 0);
}

#[tokio::test]
async fn two_visits_that_want_each_others_time_end_without_a_fault() {
    let app = App::start().await;
    let (anna, ben, doctor) = (app.patient(), app.patient(), app.doctor());
    for _ in 0..5 {
        let a = app.booked(&anna, &doctor, "09:00").await;
        let b = app.booked(&ben, &doctor, "10:00").await;
        let to = |visit: &Value, time| json!({"appointment_id": visit["id"], "date": TUESDAY, "time": time});
        let (to_b, to_a) = (to(&a, "10:00"), to(&b, "09:00"));
        let (one, other) = tokio::join!(
            app.put("reschedule", &anna, &to_b),
            app.put("reschedule", &ben, &to_a)
        );
        // Each time is taken while the other has not left it.
        assert_eq!(
            (one.problem(409), other.problem(409)),
            ("slot-taken".to_owned(), "slot-taken".to_owned())
        );
        for (who, visit) in [(&anna, a), (&ben, b)] {
            app.put("cancel", who, &json!({"appointment_id": visit["id"]}))
                .await
                .expect(200);
        }
    }
}

/// Whatever order things happen in, the history is whole and each version has its event.
/// Eight patients who are all past looking for overlaps, if nothing keeps them from looking together.
///
/// Each has an early visit elsewhere, whose row is held: a booking meets it when it looks at the patient's time, and
/// that is after it has looked at the doctor's.
pub(crate) async fn race_past_the_overlap_search(app: &App) -> Vec<Answer> {
    let (doctor, elsewhere) = (
        app.doctor(),
        app.doctor_with(daily("Europe/Berlin", 15, "06:00", "08:00")),
    );
    let patients: Vec<User> = (0..8).map(|_| app.patient()).collect();
    for (n, patient) in patients.iter().enumerate() {
        app.booked(
            patient,
            &elsewhere,
            &format!("{:02}:{:02}", 6 + n / 4, n % 4 * 15),
        )
        .await;
    }
    let body = at(&doctor, TUESDAY, "09:00");
    let racers = join_all(patients.iter().map(|patient| app.book(patient, &body)));
    let early_visits = "select id from appointments where doctor_id = ? for update";
    behind_lock(&app.pool, (early_visits, elsewhere.id().uuid()), 8, racers).await
}

#[tokio::test]
async fn those_who_wait_for_the_same_calendar_have_one_winner() {
    let app = App::start().await;
    assert_one_winner(&race_past_the_overlap_search(&app).await);
    assert_eq!(double_bookings(&app.pool).await, 0);
}

#[tokio::test]
async fn changes_that_wait_for_the_same_visit_happen_once() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    for (step, status) in [("confirm", "CONFIRMED"), ("cancel", "CANCELLED")] {
        let visit = app.booked(&patient, &doctor, "09:00").await;
        let id = json!({"appointment_id": visit["id"]});
        let steps = join_all((0..6).map(|_| app.put(step, &doctor, &id)));
        let row = visit["id"].as_str().unwrap().parse().unwrap();
        let answers = behind_lock(
            &app.pool,
            ("select id from appointments where id = ? for update", row),
            6,
            steps,
        )
        .await;
        for answer in answers {
            let after = answer.expect(200).json();
            assert_eq!((&after["status"], &after["version"]), (&json!(status), &json!(2)));
        }
        app.put("cancel", &doctor, &id).await.expect(200);
    }
}

#[tokio::test]
async fn racing_changes_of_one_visit_leave_one_story() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let (second, _server) = app.second_instance().await;
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let id = json!({"appointment_id": visit["id"]});
    let moves: Vec<Value> = ["09:30", "10:00", "10:30", "11:00"]
        .map(|time| json!({"appointment_id": visit["id"], "date": TUESDAY, "time": time}))
        .to_vec();
    let (patient_token, doctor_token) = (patient.token(), doctor.token());
    let moving = join_all(
        moves
            .iter()
            .map(|body| app.client.put("/appointments/reschedule", &patient_token, body)),
    );
    let confirming = second.put("/appointments/confirm", &doctor_token, &id);
    let cancelling = join_all((0..4).map(|_| second.put("/appointments/cancel", &patient_token, &id)));
    let (moved, confirmed, cancelled) = tokio::join!(moving, confirming, cancelling);
    for answer in moved.iter().chain([&confirmed]) {
        assert!([200, 409].contains(&answer.status.as_u16()), "{}", answer.text());
    }
    assert_eq!(count(&cancelled, 200), 4);

    let path = format!(
        "/appointments/{}/history?limit=100",
        visit["id"].as_str().unwrap()
    );
    let history = app.get(&path, &patient).await.json();
    let entries = history["items"].as_array().unwrap();
    for pair in entries.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"], "{history}");
        assert_eq!(
            pair[0]["version"].as_u64().unwrap() + 1,
            pair[1]["version"].as_u64().unwrap()
        );
    }
    assert_eq!(entries.last().unwrap()["to"], "CANCELLED");
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry["action"] == "CANCELLED")
            .count(),
        1
    );
    assert_eq!(app.events().await.len(), entries.len());
    app.booked(&app.patient(), &doctor, "09:00").await;
}

#[tokio::test]
async fn the_cap_on_open_visits_holds_in_a_race() {
    let app = App::with("booking: {open_per_patient: 3}").await;
    let patient = app.patient();
    let doctors: Vec<User> = (0..12)
        .map(|_| app.doctor_with(daily("UTC", 5, "08:00", "20:00")))
        .collect();
    let bodies: Vec<Value> = doctors
        .iter()
        .enumerate()
        .map(|(n, doctor)| at(doctor, TUESDAY, &format!("{:02}:00", 8 + n)))
        .collect();
    let answers = join_all(bodies.iter().map(|body| app.book(&patient, body))).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (3, 9));
}
