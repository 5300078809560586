//! What still works when something behind is away, and that it comes back by itself.

use std::time::Duration;

use common::broker::AmqpSettings;
use common::mysql::{self, MySqlSettings};
use common_testing::{Answer, eventually};
use serde_json::json;

use crate::helpers::{App, TUESDAY, at};
use crate::proxy::Proxy;

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.problem(503), "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
}

#[tokio::test]
async fn without_user_service_visits_are_read_and_cancelled_and_none_is_made() {
    let app = App::with("names: {fresh_s: 0}").await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let slots = format!("/doctors/{}/slots?from={TUESDAY}&to={TUESDAY}", doctor.id());
    let moved = json!({"appointment_id": visit["id"], "date": TUESDAY, "time": "10:00"});
    app.peers.set_away(true);
    assert_unavailable(&app.get(&slots, &patient).await);
    assert_unavailable(&app.book(&patient, &at(&doctor, TUESDAY, "11:00")).await);
    assert_unavailable(&app.put("reschedule", &patient, &moved).await);
    // The names are those last heard.
    let path = format!("/appointments/{}", visit["id"].as_str().unwrap());
    assert_eq!(app.get(&path, &patient).await.expect(200).json(), visit);
    assert_eq!(
        app.get("/appointments", &doctor).await.expect(200).json()["items"][0]["patient_name"],
        "Test PATIENT"
    );
    app.put("cancel", &patient, &json!({"appointment_id": visit["id"]}))
        .await
        .expect(200);

    app.peers.set_away(false);
    eventually("slots are shown again", async || {
        (app.get(&slots, &patient).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_database_is_503_and_recovers_by_itself() {
    let (cable, url) = Proxy::of(&common_testing::mysql_url().await).await;
    let settings = MySqlSettings {
        url: Some(url.into()),
        max_connections: 4,
        acquire_timeout_ms: 500,
    };
    let pool = mysql::connect(&settings, &appointment_service::MIGRATOR)
        .await
        .unwrap();
    let app = App::on(pool, AmqpSettings::for_test("amqp://127.0.0.1:1"), "").await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let path = format!("/appointments/{}", visit["id"].as_str().unwrap());
    cable.pull();
    assert_unavailable(&app.get(&path, &patient).await);
    assert_unavailable(&app.book(&patient, &at(&doctor, TUESDAY, "10:00")).await);
    assert_unavailable(
        &app.put("cancel", &patient, &json!({"appointment_id": visit["id"]}))
            .await,
    );
    app.client
        .get("/readyz", common_testing::As::Anyone)
        .await
        .expect(503);
    app.client
        .get("/livez", common_testing::As::Anyone)
        .await
        .expect(200);
    cable.plug();
    eventually("the visit is read again", async || {
        (app.get(&path, &patient).await.status == 200).then_some(())
    })
    .await;
    app.booked(&patient, &doctor, "10:00").await;
    app.client
        .get("/readyz", common_testing::As::Anyone)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_booking_that_loses_a_deadlock_is_tried_again() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    app.booked(&patient, &doctor, "09:00").await;
    // The test takes the patient's row, the booking the doctor's; then each wants the other's. The test has written
    // more, so the booking is the victim.
    let mut tx = app.pool.begin().await.unwrap();
    for _ in 0..50 {
        sqlx::query("insert into people (id, name, checked_at) values (?, 'x', utc_timestamp(6))")
            .bind(common::ids::UserId::generate())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    sqlx::query("select id from people where id = ? for update")
        .bind(patient.id())
        .execute(&mut *tx)
        .await
        .unwrap();
    let body = at(&doctor, TUESDAY, "10:00");
    let booking = app.book(&patient, &body);
    let entangle = async {
        eventually("the booking holds the doctor's row", async || {
            let probe = sqlx::query("select id from people where id = ? for update nowait").bind(doctor.id());
            probe.execute(&app.pool).await.err().map(drop)
        })
        .await;
        sqlx::query("select id from people where id = ? for update")
            .bind(doctor.id())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(booking, entangle);
    answer.expect(201);
}

#[tokio::test]
async fn a_slow_lock_is_waited_for() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    app.booked(&patient, &doctor, "09:00").await;
    let mut tx = app.pool.begin().await.unwrap();
    sqlx::query("select id from people where id = ? for update")
        .bind(doctor.id())
        .execute(&mut *tx)
        .await
        .unwrap();
    // Longer than one lock wait of 3 s: the second try gets it.
    let release = async {
        tokio::time::sleep(Duration::from_millis(3300)).await;
        tx.commit().await.unwrap();
    };
    let body = at(&doctor, TUESDAY, "10:00");
    let (answer, ()) = tokio::join!(app.book(&patient, &body), release);
    answer.expect(201);
}
