//! Nobody is booked twice: many at once, on two instances, with each line of defence alone.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::ids::{AppointmentId, UserId};
use common_testing::Answer;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::mysql::MySqlPool;
use tokio::sync::Barrier;

use crate::helpers::{App, TUESDAY, User, at, daily};

const RACERS: usize = 64;

/// Pairs of visits that take the same doctor's or the same patient's time. Must always be 0.
async fn double_bookings(pool: &MySqlPool) -> i64 {
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

fn assert_one_winner(answers: &[Answer]) {
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

async fn drop_unique_keys(app: &App) {
    // The keys of the foreign keys' columns are still needed.
    for (key, column) in [
        ("doctor_start_taken", "doctor_id"),
        ("patient_start_taken", "patient_id"),
    ] {
        let alter = format!("alter table appointments drop index {key}, add index plain_{key} ({column})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter))
            .execute(&app.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_locks_alone_hold() {
    let app = App::start().await;
    drop_unique_keys(&app).await;
    assert_one_winner(&race_for_one_slot(&app).await);
    assert_eq!(double_bookings(&app.pool).await, 0);
}

/// Should somebody one day run the service at MySQL's default isolation: the overlap search is a locking read.
#[tokio::test]
async fn the_locks_alone_hold_at_repeatable_read() {
    let url = common_testing::mysql_url().await;
    let pool = sqlx::mysql::MySqlPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(std::time::Duration::from_secs(20))
        .after_connect(|connection, _| {
            let level = "set session transaction isolation level repeatable read";
            Box::pin(async move { sqlx::raw_sql(level).execute(connection).await.map(drop) })
        })
        .connect(&url)
        .await
        .unwrap();
    common::mysql::migrate(
        &pool,
        &appointment_service::MIGRATOR,
        std::time::Duration::from_secs(10),
    )
    .await
    .unwrap();
    let nowhere = common::broker::AmqpSettings::for_test("amqp://127.0.0.1:1");
    let app = App::on(pool, nowhere, "").await;
    drop_unique_keys(&app).await;
    assert_one_winner(&race_for_one_slot(&app).await);
    assert_eq!(double_bookings(&app.pool).await, 0);
}

async fn plain_insert(pool: &MySqlPool, doctor: UserId, start: DateTime<Utc>) -> sqlx::Result<()> {
    let patient = UserId::generate();
    for person in [doctor, patient] {
        sqlx::query("insert ignore into people (id, name, checked_at) values (?, 'x', ?)")
            .bind(person)
            .bind(start)
            .execute(pool)
            .await?;
    }
    sqlx::query(
        "insert into appointments (id, patient_id, doctor_id, start_at, end_at, time_zone, local_date, status, made_by,
             made_by_role, notice_minutes, version, created_at, updated_at)
         values (?, ?, ?, ?, ?, 'UTC', ?, 'BOOKED', ?, 'PATIENT', 0, 1, ?, ?)",
    )
    .bind(AppointmentId::generate())
    .bind(patient)
    .bind(doctor)
    .bind(start)
    .bind(start + TimeDelta::minutes(30))
    .bind(start.date_naive())
    .bind(patient)
    .bind(start)
    .bind(start)
    .execute(pool)
    .await
    .map(drop)
}

/// What the booking must not be: look, then insert. All look before anybody inserts.
async fn careless_race(pool: &MySqlPool) -> usize {
    const CARELESS: usize = 8;
    let (doctor, start) = (
        UserId::generate(),
        "2027-01-05T08:00:00Z".parse::<DateTime<Utc>>().unwrap(),
    );
    let all_looked = Arc::new(Barrier::new(CARELESS));
    let racers = (0..CARELESS).map(|_| async {
        let taken: i64 =
            sqlx::query_scalar("select count(*) from appointments where doctor_id = ? and start_at = ?")
                .bind(doctor)
                .bind(start)
                .fetch_one(pool)
                .await
                .unwrap();
        all_looked.wait().await;
        taken == 0 && plain_insert(pool, doctor, start).await.is_ok()
    });
    join_all(racers)
        .await
        .into_iter()
        .filter(|booked| *booked)
        .count()
}

#[tokio::test]
async fn the_unique_key_alone_holds_for_equal_starts() {
    let app = App::start().await;
    assert_eq!(careless_race(&app.pool).await, 1);
    assert_eq!(double_bookings(&app.pool).await, 0);
}

/// A planted bug, to see that the check above would see one.
#[tokio::test]
async fn without_locks_and_keys_everybody_wins_and_the_check_tells() {
    let app = App::start().await;
    drop_unique_keys(&app).await;
    assert_eq!(careless_race(&app.pool).await, 8);
    assert_eq!(double_bookings(&app.pool).await, 8 * 7 / 2);
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
