//! `POST /login`: equal answers, counted failures.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use common::clock::Clock;
use common_testing::{Answer, As, Client, eventually};
use futures_util::future::join_all;
use serde_json::json;

use crate::helpers::{PASSWORD, TestApp, patient_form, with};

const WRONG: &str = "wrong-horse-battery-11";

/// What a stranger can see of an answer.
fn visible(answer: &Answer) -> (u16, Vec<String>, serde_json::Value) {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    (answer.status.as_u16(), headers, body)
}

#[tokio::test]
async fn unknown_wrong_and_suspended_look_the_same() {
    let app = TestApp::start().await;
    app.patient("ann").await;
    let out = app.patient("out").await;
    let admin = app.admin().await;
    app.client
        .patch(
            &format!("/users/{}", out.id),
            &admin.access,
            &json!({"status": "SUSPENDED"}),
        )
        .await
        .expect(200);

    let unknown = app.login_as("nobody@x.example", WRONG).await;
    assert_eq!(unknown.problem(401), "wrong-credentials");
    assert!(unknown.headers.contains_key("www-authenticate"));
    for (email, password, why) in [
        ("ann@patients.example", WRONG, "wrong password"),
        (&*out.email, PASSWORD, "suspended, right password"),
        (&*out.email, WRONG, "suspended, wrong password"),
        ("not an address", WRONG, "no address"),
        ("", WRONG, "empty"),
        ("ann@patients.example", "", "no password"),
        ("ánn@patients.example", PASSWORD, "accent"),
        ("ann@patients.example\u{0}", PASSWORD, "NUL"),
        ("ann@patients.example", &"x".repeat(5000), "long password"),
    ] {
        assert_eq!(
            visible(&app.login_as(email, password).await),
            visible(&unknown),
            "{why}"
        );
    }
}

#[tokio::test]
async fn the_password_is_the_whole_password() {
    let app = TestApp::start().await;
    let long = format!("{}-lantern-orbit-walrus-quartz", "plumage-".repeat(9));
    let form = with(patient_form("long@x.example"), "password", json!(long));
    app.post("/register", &form).await.expect(201);
    app.login("long@x.example", &long).await;
    let other_end = format!("{}x", &long[..long.len() - 1]);
    app.login_as("long@x.example", &other_end).await.expect(401);
    app.login_as("long@x.example", &long[..72]).await.expect(401);

    let composed = "caf\u{e9}-lantern-orbit-92";
    app.post(
        "/register",
        &with(patient_form("nfc@x.example"), "password", json!(composed)),
    )
    .await
    .expect(201);
    app.login("nfc@x.example", "cafe\u{301}-lantern-orbit-92").await;
}

#[tokio::test]
async fn failures_pause_an_account_whether_or_not_it_exists() {
    let app = TestApp::start_with_clock().await;
    app.post("/register", &patient_form("ann@x.example"))
        .await
        .expect(201);
    let mut paused = Vec::new();
    for email in ["ann@x.example", "nobody@x.example"] {
        for _ in 0..5 {
            app.login_as(email, WRONG).await.expect(401);
        }
        let answer = app.login_as(email, WRONG).await;
        assert_eq!(answer.problem(429), "login-throttled");
        assert_eq!(answer.headers["retry-after"], "31");
        paused.push(visible(&answer));
    }
    assert_eq!(paused[0], paused[1]);
    let right = app.login_as("ann@x.example", PASSWORD).await;
    assert_eq!(
        visible(&right),
        paused[0],
        "the right password is answered the same during a pause"
    );
    for spelling in ["ANN@x.example", " ann@x.example", "ａnn@x.example"] {
        app.login_as(spelling, PASSWORD).await.expect(429);
    }
    app.advance(TimeDelta::seconds(31));
    app.login_as("ann@x.example", WRONG).await.expect(401);
    app.login_as("ann@x.example", PASSWORD).await.expect(429);
    app.advance(TimeDelta::seconds(61));
    app.login("ann@x.example", PASSWORD).await;
    app.login_as("ann@x.example", WRONG).await.expect(401);
    app.login("ann@x.example", PASSWORD).await;
}

#[tokio::test]
async fn a_login_wipes_out_the_failures_before_it() {
    let app = TestApp::start_with_clock().await;
    let ann = app.patient("ann").await;
    for _ in 0..3 {
        for _ in 0..4 {
            app.login_as(&ann.email, WRONG).await.expect(401);
        }
        app.login(&ann.email, PASSWORD).await;
    }
}

#[tokio::test]
async fn hanging_up_does_not_take_a_failure_away() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    // As long as the end of the audit is locked, no failure can be written down.
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query("select value from guards where name = 'audit' for update")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let attempt = app.login_as(&user.email, WRONG);
    // Time enough to come as far as that, also on a busy machine.
    let patience = Duration::from_secs(5);
    assert!(tokio::time::timeout(patience, attempt).await.is_err(), "it waits");
    tx.rollback().await.unwrap();
    eventually("the failure is counted", || async {
        let failures: Option<f64> =
            sqlx::query_scalar("select max(failures) from throttles where scope = 'DEVICE'")
                .fetch_one(&app.db)
                .await
                .unwrap();
        (failures == Some(1.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_two_hundred_parallel_guesses_a_handful_is_looked_at() {
    let app = TestApp::start_with(
        "password: {hashes_at_once: 2}\nmysql: {max_connections: 30}",
        Clock::fixed(Clock::System.now()),
    )
    .await;
    app.post("/register", &patient_form("ann@x.example"))
        .await
        .expect(201);
    let guess = |n: usize| {
        let app = &app;
        async move {
            app.login_as("ann@x.example", &format!("{WRONG}{n}"))
                .await
                .status
                .as_u16()
        }
    };
    let statuses = join_all((0..200).map(guess)).await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!(
        // Five until the pause, and whoever else had a turn when it began: there are three on two cores.
        (5..=7).contains(&looked_at),
        "{looked_at} were looked at: {statuses:?}"
    );
    // On a slow machine some of the others give up waiting for a core.
    assert!(
        statuses.iter().all(|status| [401, 429, 503].contains(status)),
        "{statuses:?}"
    );
    let failures: f64 = sqlx::query_scalar("select failures from throttles where scope = 'ACCOUNT'")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(
        (failures - looked_at as f64).abs() < 0.1,
        "{failures} counted of {looked_at}"
    );
}

async fn login_from(app: &TestApp, address: &str, email: &str, password: &str) -> u16 {
    let request = app
        .client
        .request(http::Method::POST, "/login", As::Anyone)
        .header("x-forwarded-for", address);
    Client::send(request.json(&json!({"email": email, "password": password})))
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn strangers_cannot_lock_the_owner_out() {
    let app = TestApp::start_with_clock().await;
    app.post("/register", &patient_form("ann@x.example"))
        .await
        .expect(201);
    assert_eq!(
        login_from(&app, "198.51.100.1", "ann@x.example", PASSWORD).await,
        200,
        "at home"
    );
    for _ in 0..5 {
        assert_eq!(login_from(&app, "203.0.113.9", "ann@x.example", WRONG).await, 401);
    }
    assert_eq!(
        login_from(&app, "203.0.113.9", "ann@x.example", PASSWORD).await,
        429
    );
    assert_eq!(
        login_from(&app, "203.0.113.10", "ann@x.example", PASSWORD).await,
        429,
        "another stranger"
    );
    assert_eq!(
        login_from(&app, "198.51.100.1", "ann@x.example", PASSWORD).await,
        200,
        "at home still"
    );
    for _ in 0..5 {
        assert_eq!(
            login_from(&app, "198.51.100.1", "ann@x.example", WRONG).await,
            401
        );
    }
    assert_eq!(
        login_from(&app, "198.51.100.1", "ann@x.example", PASSWORD).await,
        429,
        "home is no free pass"
    );
}

#[tokio::test]
async fn one_password_for_many_accounts_stops_at_the_address() {
    let app = TestApp::start_with(
        "throttle: {address_failures: 20, address_refill_s: 60}",
        Clock::fixed(Clock::System.now()),
    )
    .await;
    app.post("/register", &patient_form("ann@x.example"))
        .await
        .expect(201);
    let mut looked_at = 0;
    for n in 0..100 {
        // A good login in between must not wipe the address clean.
        if n % 10 == 5 && looked_at < 20 {
            assert_eq!(
                login_from(&app, "203.0.113.9", "ann@x.example", PASSWORD).await,
                200
            );
        }
        match login_from(
            &app,
            "203.0.113.9",
            &format!("user{n}@x.example"),
            "Spring-in-Paris-2024",
        )
        .await
        {
            401 => looked_at += 1,
            429 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(looked_at, 20);
    assert_eq!(
        login_from(&app, "203.0.113.8", "user@x.example", WRONG).await,
        401,
        "another address"
    );
    app.advance(TimeDelta::seconds(61));
    assert_eq!(
        login_from(&app, "203.0.113.9", "user@x.example", WRONG).await,
        401,
        "one is forgiven"
    );
    assert_eq!(
        login_from(&app, "203.0.113.9", "user@x.example", WRONG).await,
        429
    );
}

#[tokio::test]
async fn an_address_that_the_client_made_up_counts_for_nothing() {
    let app = TestApp::start_with(
        "client: {trusted_proxies: \"192.0.2.0/24\"}",
        Clock::fixed(Clock::System.now()),
    )
    .await;
    for n in 0..60 {
        assert_eq!(
            login_from(&app, &format!("203.0.113.{n}"), &format!("u{n}@x.example"), WRONG).await,
            401
        );
    }
    assert_eq!(
        login_from(&app, "203.0.113.99", "u99@x.example", WRONG).await,
        429
    );
}

#[tokio::test]
async fn more_logins_than_cores_are_turned_away_and_the_rest_of_the_house_stays_quick() {
    let app = TestApp::start_with(
        "password: {memory_kib: 19456, passes: 2, hashes_at_once: 1, queue: 8, patience_ms: 2000}
throttle: {address_failures: 1000}",
        Clock::System,
    )
    .await;
    let flood = join_all((0..200).map(|n| {
        let app = &app;
        async move { app.login_as(&format!("u{n}@x.example"), WRONG).await }
    }));
    let probe = async {
        let mut times = Vec::new();
        for _ in 0..100 {
            let begun = Instant::now();
            app.client.get("/livez", As::Anyone).await.expect(200);
            times.push(begun.elapsed());
        }
        times.sort();
        times
    };
    let (answers, times) = tokio::join!(flood, probe);
    let shed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!shed.is_empty(), "something must be turned away");
    assert!(
        shed.iter()
            .all(|answer| answer.headers.contains_key("retry-after"))
    );
    assert!(
        answers
            .iter()
            .all(|answer| [401, 503].contains(&answer.status.as_u16()))
    );
    let p99 = times[98];
    println!(
        "200 logins at once: {} turned away, health p99 {p99:?}",
        shed.len()
    );
    assert!(p99 < Duration::from_millis(500), "{p99:?}");
}

#[tokio::test]
async fn a_stronger_setting_reaches_a_hash_at_its_owner_s_login() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let hash = || async {
        let hashes: Vec<String> = sqlx::query_scalar("select password_hash from users where email_key = ?")
            .bind(&user.email)
            .fetch_all(&app.db)
            .await
            .unwrap();
        hashes[0].clone()
    };
    assert!(hash().await.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    let stronger = TestApp::start_on(
        app.db.clone(),
        "password: {memory_kib: 128, passes: 2}",
        Clock::System,
    )
    .await;
    stronger.login_as(&user.email, WRONG).await.expect(401);
    assert!(hash().await.contains("m=64,"), "a wrong password changes nothing");
    stronger.login(&user.email, PASSWORD).await;
    assert!(hash().await.starts_with("$argon2id$v=19$m=128,t=2,p=1$"));
    stronger.login(&user.email, PASSWORD).await;
}
