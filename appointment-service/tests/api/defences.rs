//! Each line of defence against double booking alone; and that their absence would be seen.

use std::sync::Arc;

use appointment_service::domain::schedule::Slot;
use appointment_service::store::appointments;
use chrono::{DateTime, TimeDelta, Utc};
use common::ids::{AppointmentId, UserId};
use futures_util::future::join_all;
use sqlx::mysql::MySqlPool;
use tokio::sync::Barrier;

use crate::helpers::App;
use crate::races::{assert_one_winner, double_bookings, race_past_the_overlap_search};

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
    assert_one_winner(&race_past_the_overlap_search(&app).await);
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
    assert_one_winner(&race_past_the_overlap_search(&app).await);
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

/// Whoever one day reads something before taking the locks must not be shown yesterday's calendar.
#[tokio::test]
async fn the_overlap_search_sees_what_was_committed_after_the_transaction_began_to_read() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let mut late = app.pool.acquire().await.unwrap();
    sqlx::raw_sql(
        "set session transaction isolation level repeatable read; begin; select * from appointments",
    )
    .execute(&mut *late)
    .await
    .unwrap();
    app.booked(&patient, &doctor, "09:00").await;
    let start = "2027-01-05T08:00:00Z".parse().unwrap();
    let slot = Slot {
        start,
        end: start + TimeDelta::minutes(30),
        zone: chrono_tz::UTC,
    };
    assert!(
        appointments::doctor_is_taken(&mut late, doctor.id(), &slot, None)
            .await
            .unwrap()
    );
    assert!(
        appointments::patient_is_busy(&mut late, patient.id(), &slot, None)
            .await
            .unwrap()
    );
    sqlx::raw_sql("rollback").execute(&mut *late).await.unwrap();
}
