//! Changing and resetting passwords.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use common::clock::Clock;
use common_testing::{As, eventually};
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, TestApp, User, text};

const NEW: &str = "copper-violet-38-heron";

async fn change(app: &TestApp, user: &User, current: &str, new: &str) -> common_testing::Answer {
    let body = json!({"current_password": current, "new_password": new});
    app.client.put("/users/me/password", &user.access, &body).await
}

/// Ask for a reset and fetch the token as the notification-service does.
async fn reset_token(app: &TestApp, email: &str, nth: usize) -> String {
    app.post("/password/forgot", &json!({"email": email}))
        .await
        .expect(202);
    let event = eventually("the event", || async {
        app.events("user.password_reset_requested")
            .await
            .into_iter()
            .nth(nth)
    })
    .await;
    as_mailer(app, &event).await
}

/// The token of the first reset that `user` asks for.
pub async fn first_token(app: &TestApp, user: &User) -> String {
    app.post("/password/forgot", &json!({"email": user.email}))
        .await
        .expect(202);
    let event = eventually("the event", || async {
        let events = app.events("user.password_reset_requested").await;
        events
            .into_iter()
            .find(|event| event["data"]["user_id"] == user.id)
    })
    .await;
    as_mailer(app, &event).await
}

async fn as_mailer(app: &TestApp, event: &Value) -> String {
    let path = format!("/internal/password-resets/{}", text(&event["data"]["reset_id"]));
    let mailer = app.service_token("notification-service").await;
    text(&app.client.get(&path, &mailer).await.expect(200).json()["token"])
}

async fn reset(app: &TestApp, token: &str, new: &str) -> common_testing::Answer {
    app.post("/password/reset", &json!({"token": token, "new_password": new}))
        .await
}

#[tokio::test]
async fn a_change_ends_every_other_session() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let other = app.login(&user.email, PASSWORD).await;
    change(&app, &user, PASSWORD, NEW).await.expect(204);
    assert!(app.accepts(&user.access).await, "this device stays");
    assert!(!app.accepts(&other.access).await);
    app.refresh(&other.refresh).await.expect(401);
    app.refresh(&user.refresh).await.expect(200);
    app.login_as(&user.email, PASSWORD).await.expect(401);
    app.login(&user.email, NEW).await;
    let events = app.events("user.session_ended").await;
    assert_eq!(events.last().unwrap()["data"]["reason"], "PASSWORD_CHANGED");
}

#[tokio::test]
async fn a_stolen_access_token_changes_no_password() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    for _ in 0..5 {
        let answer = change(&app, &user, "wrong-horse-battery-11", NEW).await;
        assert_eq!(answer.problem(422), "invalid-request");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/current_password");
    }
    assert_eq!(
        change(&app, &user, PASSWORD, NEW).await.problem(429),
        "login-throttled"
    );
    app.advance(TimeDelta::seconds(31));
    for weak in ["short", "password1234", "patients-example", &"x".repeat(129)] {
        let answer = change(&app, &user, PASSWORD, weak).await.expect(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], "/new_password", "{weak}");
    }
    app.login(&user.email, PASSWORD).await;
}

#[tokio::test]
async fn a_reset_works_once_and_ends_every_session() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let token = reset_token(&app, &user.email, 0).await;
    reset(&app, &token, "password1234").await.expect(422);
    reset(&app, &token, NEW).await.expect(204);
    assert!(!app.accepts(&user.access).await);
    app.refresh(&user.refresh).await.expect(401);
    app.login_as(&user.email, PASSWORD).await.expect(401);
    app.login(&user.email, NEW).await;
    let again = reset(&app, &token, PASSWORD).await;
    assert_eq!(again.problem(422), "invalid-request");
    assert_eq!(again.json()["errors"][0]["pointer"], "/token");
    let ended = app.events("user.session_ended").await;
    assert_eq!(ended.last().unwrap()["data"]["reason"], "PASSWORD_RESET");
}

#[tokio::test]
async fn a_reset_lifts_the_pauses_of_the_owner() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    for _ in 0..5 {
        app.login_as(&user.email, "wrong-horse-battery-11")
            .await
            .expect(401);
    }
    app.login_as(&user.email, PASSWORD).await.expect(429);
    let token = reset_token(&app, &user.email, 0).await;
    reset(&app, &token, NEW).await.expect(204);
    app.login(&user.email, NEW).await;
}

/// What follows takes longer for an address that is known: it must not begin before the answer is out.
#[tokio::test]
async fn a_wish_is_answered_before_anybody_looks_at_it() {
    let app = TestApp::start_with("password_reset: {per_hour: 1000}", Clock::System).await;
    let user = app.patient("ann").await;
    let waiting = async || {
        let count = "select count(*) from password_reset_requests";
        sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&app.db)
            .await
            .unwrap()
    };
    let (mut in_time, mut untouched) = (0, 0);
    for _ in 0..20 {
        let begun = Instant::now();
        app.post("/password/forgot", &json!({"email": user.email}))
            .await
            .expect(202);
        // Time enough for a look that follows at once.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let waits = waiting().await == 1;
        // On a busy machine its time may have come meanwhile.
        if begun.elapsed() < Duration::from_millis(240) {
            in_time += 1;
            untouched += usize::from(waits);
        }
        eventually("somebody looks at it", || async {
            (waiting().await == 0).then_some(())
        })
        .await;
    }
    assert!(in_time >= 5, "too slow to tell");
    // The look that is taken now and then may come at any moment.
    assert!(
        untouched + 2 >= in_time,
        "{untouched} of {in_time} were still untouched"
    );
}

#[tokio::test]
async fn tokens_cannot_be_guessed() {
    let app = TestApp::start().await;
    let (ann, eve) = (app.patient("ann").await, app.patient("eve").await);
    let token = reset_token(&app, &ann.email, 0).await;
    let other = reset_token(&app, &eve.email, 1).await;
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let others = URL_SAFE_NO_PAD.decode(&other).unwrap();
    let mut guesses: Vec<Vec<u8>> = (0..bytes.len() * 8)
        .map(|bit| {
            let mut guess = bytes.clone();
            guess[bit / 8] ^= 1 << (bit % 8);
            guess
        })
        .collect();
    // Her reset with the MAC of his, less of it, and more.
    guesses.push([&bytes[..16], &others[16..]].concat());
    guesses.extend((0..bytes.len()).map(|length| bytes[..length].to_vec()));
    guesses.push([&bytes[..], &[0]].concat());
    for guess in &guesses {
        let guess = URL_SAFE_NO_PAD.encode(guess);
        let answer = reset(&app, &guess, NEW).await;
        assert_eq!(answer.problem(422), "invalid-request", "{guess}");
    }
    println!("reset tokens: {} guesses, none of them worked", guesses.len());
    reset(&app, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn of_parallel_resets_with_one_token_one_works() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let token = reset_token(&app, &user.email, 0).await;
    let answers = futures_util::future::join_all((0..8).map(|_| reset(&app, &token, NEW))).await;
    let done = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!(done, 1);
    assert!(
        answers
            .iter()
            .all(|answer| [204, 422].contains(&answer.status.as_u16()))
    );
}

#[tokio::test]
async fn a_token_dies_with_time_with_a_newer_one_and_with_a_change() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let old = reset_token(&app, &user.email, 0).await;
    let newer = reset_token(&app, &user.email, 1).await;
    reset(&app, &old, NEW).await.expect(422);
    change(&app, &user, PASSWORD, NEW).await.expect(204);
    reset(&app, &newer, PASSWORD).await.expect(422);
    let late = reset_token(&app, &user.email, 2).await;
    app.advance(TimeDelta::minutes(30));
    reset(&app, &late, PASSWORD).await.expect(422);
    for bad in ["", "x", &"A".repeat(64), &late[..60]] {
        reset(&app, bad, PASSWORD).await.expect(422);
    }
    app.login(&user.email, NEW).await;
}

#[tokio::test]
async fn forgetting_tells_nothing_about_who_has_an_account() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let mut answers = Vec::new();
    for email in [&*user.email, "nobody@x.example", "not an address", ""] {
        let answer = app
            .post("/password/forgot", &json!({"email": email}))
            .await
            .expect(202);
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((answer.body, headers));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let events = eventually("the one event", || async {
        let open: i64 = sqlx::query_scalar("select count(*) from password_reset_requests")
            .fetch_one(&app.db)
            .await
            .unwrap();
        (open == 0).then_some(())
    });
    events.await;
    assert_eq!(app.events("user.password_reset_requested").await.len(), 1);
}

#[tokio::test]
async fn one_mailbox_is_not_flooded() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    for _ in 0..12 {
        app.post("/password/forgot", &json!({"email": user.email}))
            .await
            .expect(202);
    }
    eventually("all are looked at", || async {
        let open: i64 = sqlx::query_scalar("select count(*) from password_reset_requests")
            .fetch_one(&app.db)
            .await
            .unwrap();
        (open == 0).then_some(())
    })
    .await;
    assert_eq!(app.events("user.password_reset_requested").await.len(), 5);
}

#[tokio::test]
async fn a_reset_token_is_for_the_mailer_s_eyes() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let token = reset_token(&app, &user.email, 0).await;
    let event = app.events("user.password_reset_requested").await.remove(0);
    assert!(!event.to_string().contains(&token), "no token in the event");
    let path = format!("/internal/password-resets/{}", text(&event["data"]["reset_id"]));
    let gateway = app.service_token("api-gateway").await;
    app.client.get(&path, &gateway).await.expect(403);
    app.client.get(&path, &user.access).await.expect(403);
    app.client.get(&path, As::Anyone).await.expect(401);
    let database: Vec<Value> = sqlx::query_scalar::<_, String>("select body from outbox")
        .fetch_all(&app.db)
        .await
        .unwrap()
        .into_iter()
        .map(Value::from)
        .collect();
    assert!(!Value::from(database).to_string().contains(&token));
}

#[tokio::test]
async fn a_reset_opens_an_account_that_strangers_had_paused() {
    let app = TestApp::start_with_clock().await;
    app.post("/register", &crate::helpers::patient_form("ann@x.example"))
        .await
        .expect(201);
    for _ in 0..5 {
        app.login_as("ann@x.example", "wrong-horse-battery-11")
            .await
            .expect(401);
    }
    app.login_as("ann@x.example", PASSWORD).await.expect(429);
    let token = reset_token(&app, "ann@x.example", 0).await;
    reset(&app, &token, NEW).await.expect(204);
    app.login("ann@x.example", NEW).await;
}
