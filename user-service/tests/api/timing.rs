//! How long an answer takes tells nobody who has an account.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use common::clock::Clock;
use serde_json::json;

use crate::helpers::{PASSWORD, TestApp, patient_form};

const WRONG: &str = "wrong-horse-battery-11";
const TRIES: usize = 300;
const KNOWN: &str = "ann@x.example";
const SUSPENDED: &str = "out@x.example";
const UNKNOWN: &str = "ben@x.example";

/// What `attempt` takes for each of `emails`, tried in turn so that a busy moment hits all alike, each as often after
/// one as after another.
async fn times(emails: &[&str], attempt: impl AsyncFn(&str)) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); emails.len()];
    for n in 0..TRIES {
        for place in 0..emails.len() {
            let step = if n % 2 == 0 {
                place
            } else {
                emails.len() - 1 - place
            };
            let place = (n + step) % emails.len();
            let begun = Instant::now();
            attempt(emails[place]).await;
            times[place].push(begun.elapsed());
        }
    }
    times
}

/// The chance that one of `a` took longer than one of `b`; a half when nothing shows.
fn chance(a: &[Duration], b: &[Duration]) -> f64 {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| a.cmp(b)));
    let longer: f64 = pairs
        .map(|order| match order {
            Ordering::Greater => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Less => 0.0,
        })
        .sum();
    longer / (a.len() * b.len()) as f64
}

#[expect(clippy::print_stdout, reason = "the figures, for whoever runs it")]
fn assert_alike(what: &str, emails: &[&str], times: &[Vec<Duration>]) {
    for other in 1..emails.len() {
        let chance = chance(&times[0], &times[other]);
        println!("timing: {what}, {} or {}: {chance:.2}", emails[0], emails[other]);
        assert!(
            (0.40..=0.60).contains(&chance),
            "{what}: {} against {} is {chance:.2}",
            emails[0],
            emails[other]
        );
    }
}

/// One who has an account and one whose is suspended.
async fn people(app: &TestApp) {
    for email in [KNOWN, SUSPENDED] {
        app.post("/register", &patient_form(email)).await.expect(201);
    }
    let admin = app.admin().await;
    let out = app.login(SUSPENDED, PASSWORD).await;
    app.client
        .patch(
            &format!("/users/{}", out.id),
            &admin.access,
            &json!({"status": "SUSPENDED"}),
        )
        .await
        .expect(200);
}

#[tokio::test]
async fn a_failed_login_takes_the_same_time_whoever_it_is() {
    // A hash as long as the rest, so that neither could hide a difference in the other.
    let app = TestApp::start_with(
        "password: {memory_kib: 2048}\nthrottle: {account_failures: 1000000, address_failures: 1000000}",
        Clock::System,
    )
    .await;
    people(&app).await;
    let emails = [UNKNOWN, KNOWN, SUSPENDED];
    let attempt = async |email: &str| drop(app.login_as(email, WRONG).await.expect(401));
    let times = times(&emails, attempt).await;
    assert_alike("login", &emails, &times);
}

#[tokio::test]
async fn a_paused_login_takes_the_same_time_whoever_it_is() {
    let clock = Clock::fixed(Clock::System.now());
    let app = TestApp::start_with("throttle: {address_failures: 1000000}", clock).await;
    people(&app).await;
    let emails = [UNKNOWN, KNOWN, SUSPENDED];
    for email in emails {
        for _ in 0..5 {
            app.login_as(email, WRONG).await.expect(401);
        }
    }
    let attempt = async |email: &str| drop(app.login_as(email, WRONG).await.expect(429));
    let times = times(&emails, attempt).await;
    assert_alike("paused login", &emails, &times);
}

/// For an address that nobody has, its neighbour's account is read: how much there is must not show.
#[tokio::test]
async fn a_neighbour_with_many_sessions_makes_nobody_stand_out() {
    let clock = Clock::fixed(Clock::System.now());
    let app = TestApp::start_with("throttle: {address_failures: 1000000}", clock).await;
    people(&app).await;
    // None from here: that one would be found at once.
    sqlx::query("delete from sessions")
        .execute(&app.db)
        .await
        .unwrap();
    sqlx::query(
        "insert into sessions (id, user_id, salt, generation, rotated_at, client, address, user_agent,
            created_at, last_used_at, expires_at)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 100)
        select unhex(replace(uuid(), '-', '')), id, repeat('s', 16), 1, now(), repeat('c', 32), '203.0.113.9', '',
            now(), now(), now() + interval 30 day
        from users join n one join n other where email_key = ?",
    )
    .bind(SUSPENDED)
    .execute(&app.db)
    .await
    .unwrap();
    let emails = [UNKNOWN, KNOWN];
    for email in emails {
        for _ in 0..5 {
            app.login_as(email, WRONG).await.expect(401);
        }
    }
    let attempt = async |email: &str| drop(app.login_as(email, WRONG).await.expect(429));
    let times = times(&emails, attempt).await;
    assert_alike("beside many sessions", &emails, &times);
}

#[tokio::test]
async fn asking_for_a_reset_takes_the_same_time_whoever_it_is() {
    let app = TestApp::start_with("password_reset: {per_hour: 1000000}", Clock::System).await;
    people(&app).await;
    let emails = [UNKNOWN, KNOWN, SUSPENDED];
    let attempt = async |email: &str| {
        let answer = app.post("/password/forgot", &json!({"email": email})).await;
        answer.expect(202);
    };
    let times = times(&emails, attempt).await;
    assert_alike("forgotten password", &emails, &times);
}

/// Stored hashes stay as cheap as they were made until their owners log in; strangers' must not stand out against them.
#[tokio::test]
async fn a_raised_cost_tells_nobody_who_is_known() {
    let app = TestApp::start().await;
    people(&app).await;
    let costly = TestApp::start_on(
        app.db.clone(),
        "password: {memory_kib: 32768, passes: 2}\nthrottle: {account_failures: 1000000, address_failures: 1000000}",
        Clock::System,
    )
    .await;
    let emails = [UNKNOWN, KNOWN, SUSPENDED];
    let attempt = async |email: &str| drop(costly.login_as(email, WRONG).await.expect(401));
    let times = times(&emails, attempt).await;
    assert_alike("login after a rise", &emails, &times);
}
