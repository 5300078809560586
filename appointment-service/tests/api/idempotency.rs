use appointment_service::domain::idempotency::fingerprint;
use appointment_service::store::idempotency_keys::{self, Answer as Kept, Claim, Keyed, Terms};
use chrono::TimeDelta;
use common_testing::{Answer, Client};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, User, at, changed};

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

async fn send(client: &Client, who: &User, key: &str, body: &Value) -> Answer {
    let request = client.request(Method::POST, "/appointments", &who.token());
    Client::send(request.header("idempotency-key", key).json(body)).await
}

fn replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

async fn count(app: &App, table: &str) -> i64 {
    let query = format!("select count(*) from {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_repeat_hears_the_first_answer_on_every_instance() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let (second, _server) = app.second_instance().await;
    let body = at(&doctor, TUESDAY, "09:00");
    let first = send(&app.client, &patient, KEY, &body).await.expect(201);
    assert!(!replayed(&first));
    // What happens to the visit meanwhile does not change what was answered.
    app.put("cancel", &patient, &json!({"appointment_id": first.json()["id"]}))
        .await
        .expect(200);
    for client in [&app.client, &second] {
        let again = send(client, &patient, KEY, &body).await.expect(201);
        assert!(replayed(&again));
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("content-type"), "application/json");
    }
    assert_eq!(count(&app, "appointments").await, 1);
}

#[tokio::test]
async fn the_same_request_may_be_written_in_another_way() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let first = send(&app.client, &patient, KEY, &at(&doctor, TUESDAY, "09:00"))
        .await
        .expect(201);
    let other_way = format!(
        "{{ \"time\":\"09:00\",\n \"reason\":null, \"doctor_id\":\"{}\", \"date\" : \"{TUESDAY}\" }}",
        doctor.id()
    );
    let request = app
        .client
        .request(Method::POST, "/appointments", &patient.token());
    let request = request
        .header("idempotency-key", KEY)
        .header("content-type", "application/json")
        .body(other_way);
    assert_eq!(Client::send(request).await.expect(201).body, first.body);
}

#[tokio::test]
async fn another_body_is_refused_and_another_caller_is_another_matter() {
    let app = App::start().await;
    let (patient, other, doctor) = (app.patient(), app.patient(), app.doctor());
    send(&app.client, &patient, KEY, &at(&doctor, TUESDAY, "09:00"))
        .await
        .expect(201);
    let reused = send(&app.client, &patient, KEY, &at(&doctor, TUESDAY, "09:30")).await;
    assert_eq!(reused.problem(422), "idempotency-key-reused");
    let theirs = send(&app.client, &other, KEY, &at(&doctor, TUESDAY, "09:30"))
        .await
        .expect(201);
    assert!(!replayed(&theirs));
}

#[tokio::test]
async fn refusals_are_answers_too() {
    let app = App::start().await;
    let (patient, other, doctor) = (app.patient(), app.patient(), app.doctor());
    let taken = app.booked(&other, &doctor, "09:00").await;
    let body = at(&doctor, TUESDAY, "09:00");
    let first = send(&app.client, &patient, KEY, &body).await;
    assert_eq!(first.problem(409), "slot-taken");
    app.put("cancel", &other, &json!({"appointment_id": taken["id"]}))
        .await
        .expect(200);
    let again = send(&app.client, &patient, KEY, &body).await;
    assert_eq!((again.status.as_u16(), replayed(&again)), (409, true));
    assert_eq!(again.header("content-type"), "application/problem+json");
    assert_eq!(again.body, first.body);
    send(&app.client, &patient, "another-key", &body)
        .await
        .expect(201);
}

#[tokio::test]
async fn what_failed_on_our_side_can_be_tried_again_under_its_key() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let body = at(&doctor, TUESDAY, "09:00");
    app.peers.set_away(true);
    assert_eq!(
        send(&app.client, &patient, KEY, &body).await.problem(503),
        "unavailable"
    );
    app.peers.set_away(false);
    assert!(!replayed(
        &send(&app.client, &patient, KEY, &body).await.expect(201)
    ));
}

#[tokio::test]
async fn twenty_at_once_make_one_visit() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let (second, _server) = app.second_instance().await;
    let body = at(&doctor, TUESDAY, "09:00");
    let sends = (0..20).map(|n| {
        send(
            if n % 2 == 0 { &app.client } else { &second },
            &patient,
            KEY,
            &body,
        )
    });
    let answers = join_all(sends).await;
    let fresh = answers
        .iter()
        .filter(|answer| answer.status == 201 && !replayed(answer))
        .count();
    assert_eq!(fresh, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.problem(409), "idempotency-key-in-use");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(
        (count(&app, "appointments").await, count(&app, "outbox").await),
        (1, 1)
    );
}

fn keyed(app: &App, who: &User) -> (Keyed, Terms) {
    let keyed = Keyed {
        caller: who.id(),
        key: KEY.parse().unwrap(),
        body_hash: fingerprint(&"body"),
    };
    let terms = Terms {
        now: app.clock.now(),
        lease: TimeDelta::seconds(10),
        keep: TimeDelta::hours(24),
    };
    (keyed, terms)
}

#[tokio::test]
async fn a_request_that_died_is_succeeded_after_its_lease_and_can_then_commit_nothing() {
    let app = App::start().await;
    let (request, terms) = keyed(&app, &app.patient());
    let claim = async |terms: Terms| {
        idempotency_keys::claim(&app.pool, request.clone(), terms)
            .await
            .unwrap()
    };
    let Claim::Ours(dead) = claim(terms).await else {
        panic!("the key is new")
    };
    let later = |seconds| Terms {
        now: terms.now + TimeDelta::seconds(seconds),
        ..terms
    };
    assert!(matches!(claim(later(9)).await, Claim::Running));
    let Claim::Ours(heir) = claim(later(10)).await else {
        panic!("the lease is over")
    };
    assert!(matches!(claim(later(19)).await, Claim::Running));

    let connection = &mut *app.pool.acquire().await.unwrap();
    let answer = |status| Kept {
        status,
        location: None,
        body: "{}".to_owned(),
    };
    assert!(
        !idempotency_keys::complete(connection, &dead, &answer(201))
            .await
            .unwrap()
    );
    idempotency_keys::release(connection, &dead).await.unwrap();
    assert!(
        idempotency_keys::complete(connection, &heir, &answer(409))
            .await
            .unwrap()
    );
    // An answer once given stays, whoever asks to take it back.
    idempotency_keys::release(connection, &heir).await.unwrap();
    let Claim::Answered(kept) = claim(later(60)).await else {
        panic!("it was answered")
    };
    assert_eq!(kept, answer(409));
}

#[tokio::test]
async fn a_booking_whose_key_was_taken_over_is_rolled_back() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    app.booked(&patient, &doctor, "11:00").await;
    // Hold the doctor's calendar, so that the booking waits; meanwhile somebody else takes its key.
    let mut hold = app.pool.begin().await.unwrap();
    sqlx::query("select id from people where id = ? for update")
        .bind(doctor.id())
        .execute(&mut *hold)
        .await
        .unwrap();
    let body = at(&doctor, TUESDAY, "09:00");
    let booking = send(&app.client, &patient, KEY, &body);
    let steal = async {
        common_testing::eventually("the key is claimed", async || {
            (count(&app, "idempotency_keys").await == 1).then_some(())
        })
        .await;
        sqlx::query("update idempotency_keys set attempt = ?")
            .bind(uuid::Uuid::now_v7())
            .execute(&app.pool)
            .await
            .unwrap();
        hold.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(booking, steal);
    assert_eq!(answer.problem(409), "idempotency-key-in-use");
    assert_eq!(
        (count(&app, "appointments").await, count(&app, "outbox").await),
        (1, 1)
    );
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let body = at(&doctor, "2027-01-06", "09:00");
    let first = send(&app.client, &patient, KEY, &body).await.expect(201).json();
    app.put("cancel", &patient, &json!({"appointment_id": first["id"]}))
        .await
        .expect(200);
    app.clock.advance(TimeDelta::hours(24) + TimeDelta::seconds(1));
    let anew = send(&app.client, &patient, KEY, &body).await.expect(201);
    assert!(!replayed(&anew));
    assert_ne!(anew.json()["id"], first["id"]);
    let cutoff = app.clock.now() + TimeDelta::hours(1);
    assert_eq!(idempotency_keys::sweep(&app.pool, cutoff).await.unwrap(), 1);
}

#[tokio::test]
async fn a_key_must_be_one_and_look_like_one() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let body = at(&doctor, TUESDAY, "09:00");
    for key in ["", "two words", &"x".repeat(256), "é"] {
        assert_eq!(
            send(&app.client, &patient, key, &body).await.problem(400),
            "malformed-request",
            "{key}"
        );
    }
    let request = app
        .client
        .request(Method::POST, "/appointments", &patient.token());
    let doubled = request
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .json(&body);
    Client::send(doubled).await.problem(400);
    // A request that is invalid in itself uses up no key.
    send(&app.client, &patient, KEY, &changed(&body, "time", json!("9")))
        .await
        .problem(422);
    send(&app.client, &patient, KEY, &body).await.expect(201);
}
