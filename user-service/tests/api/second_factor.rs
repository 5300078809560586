//! The second factor: set up, demanded, lost, taken away, required.

use chrono::TimeDelta;
use common::clock::Clock;
use common_testing::Answer;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::helpers::{ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD, TestApp, User, text};

/// What the authenticator app shows now.
pub fn code(app: &TestApp, secret: &str) -> String {
    let totp = Builder::new()
        .with_secret(Secret::try_from_base32(secret).unwrap())
        .with_account_name("test")
        .with_issuer(Some("test"))
        .build()
        .unwrap();
    totp.generate(u64::try_from(app.clock.now().timestamp()).unwrap())
        .to_string()
}

async fn login_with(app: &TestApp, email: &str, password: &str, code: &str) -> Answer {
    app.post(
        "/login",
        &json!({"email": email, "password": password, "code": code}),
    )
    .await
}

/// Begin to set up; the secret.
pub async fn begin(app: &TestApp, user: &User) -> String {
    let body = json!({"current_password": PASSWORD});
    let answer = app
        .client
        .post("/users/me/second-factor", &user.access, &body)
        .await
        .expect(201)
        .json();
    assert!(text(&answer["otpauth_url"]).starts_with("otpauth://totp/"));
    text(&answer["secret"])
}

/// Set up; the secret and the recovery codes.
pub async fn enrol(app: &TestApp, user: &User) -> (String, Vec<Value>) {
    let secret = begin(app, user).await;
    let body = json!({"code": code(app, &secret)});
    let answer = app
        .client
        .post("/users/me/second-factor/confirmation", &user.access, &body)
        .await
        .expect(200)
        .json();
    (secret, answer["recovery_codes"].as_array().unwrap().clone())
}

#[tokio::test]
async fn one_that_is_set_up_while_the_password_is_checked_counts() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    // As the end of setting up: the account's row first, then the second factor.
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query("select id from users where email_key = ? for update")
        .bind(&user.email)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let setting_up = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        sqlx::query(
            "insert into second_factors (user_id, secret_sealed, created_at, confirmed_at, last_step)
            select id, 'x', now(), now(), 0 from users where email_key = ?",
        )
        .bind(&user.email)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(app.login_as(&user.email, PASSWORD), setting_up);
    assert_eq!(answer.problem(401), "second-factor-required");
}

#[tokio::test]
async fn once_set_up_a_code_is_needed_and_good_once() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let other = app.login(&user.email, PASSWORD).await;
    let (secret, codes) = enrol(&app, &user).await;
    assert_eq!(codes.len(), 10);
    assert!(
        app.accepts(&user.access).await && !app.accepts(&other.access).await,
        "other sessions end"
    );

    assert_eq!(
        app.login_as(&user.email, PASSWORD).await.problem(401),
        "second-factor-required"
    );
    assert_eq!(
        app.login_as(&user.email, "wrong-horse-battery-11")
            .await
            .problem(401),
        "wrong-credentials"
    );
    let now = code(&app, &secret);
    assert_eq!(
        login_with(&app, &user.email, PASSWORD, &now).await.problem(401),
        "second-factor-wrong",
        "used to confirm"
    );
    app.advance(TimeDelta::seconds(30));
    let now = code(&app, &secret);
    assert_eq!(
        login_with(&app, &user.email, "wrong-horse-battery-11", &now)
            .await
            .problem(401),
        "wrong-credentials"
    );
    login_with(&app, &user.email, PASSWORD, &now).await.expect(200);
    login_with(&app, &user.email, PASSWORD, &now).await.expect(401);
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("select secret_sealed from second_factors")
        .fetch_all(&app.db)
        .await
        .unwrap();
    assert_eq!(stored.len(), 1);
    let plain = Secret::try_from_base32(&secret).unwrap();
    let plain = plain.as_bytes();
    assert!(
        !stored[0].windows(plain.len()).any(|window| window == plain),
        "a copy of the table is no second factor"
    );
}

async fn confirm(app: &TestApp, user: &User, code: &str) -> Answer {
    let body = json!({"code": code});
    app.client
        .post("/users/me/second-factor/confirmation", &user.access, &body)
        .await
}

fn noted(audit: &[(String, String)], action: &str, outcome: &str) -> usize {
    let same = |entry: &&(String, String)| (entry.0.as_str(), entry.1.as_str()) == (action, outcome);
    audit.iter().filter(same).count()
}

#[tokio::test]
async fn guessing_codes_pauses_the_account() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let (secret, _) = enrol(&app, &user).await;
    app.advance(TimeDelta::seconds(30));
    for n in 0..5 {
        // Asking for the code in between must not wipe the count.
        app.login_as(&user.email, PASSWORD).await.expect(401);
        login_with(&app, &user.email, PASSWORD, &format!("00000{n}"))
            .await
            .expect(401);
    }
    let good = code(&app, &secret);
    assert_eq!(
        login_with(&app, &user.email, PASSWORD, &good).await.problem(429),
        "login-throttled"
    );
}

#[tokio::test]
async fn guessing_while_it_is_set_up_or_taken_away_pauses_as_well() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let secret = begin(&app, &user).await;
    for n in 0..5 {
        confirm(&app, &user, &format!("00000{n}")).await.expect(422);
    }
    let good = confirm(&app, &user, &code(&app, &secret)).await;
    assert_eq!(good.problem(429), "login-throttled", "also for the right one");
    app.advance(TimeDelta::seconds(31));
    confirm(&app, &user, &code(&app, &secret)).await.expect(200);

    let removal = |code: String| json!({"current_password": PASSWORD, "code": code});
    app.advance(TimeDelta::hours(12));
    let user = {
        let answer = login_with(&app, &user.email, PASSWORD, &code(&app, &secret)).await;
        let access = text(&answer.expect(200).json()["access_token"]);
        User { access, ..user }
    };
    let path = "/users/me/second-factor/removal";
    for n in 0..5 {
        let body = removal(format!("00000{n}"));
        app.client.post(path, &user.access, &body).await.expect(422);
    }
    app.advance(TimeDelta::seconds(29));
    let body = removal(code(&app, &secret));
    let good = app.client.post(path, &user.access, &body).await;
    assert_eq!(good.problem(429), "login-throttled");
}

/// A million codes, three of them good at any time: how far a patient guesser gets in a day.
#[tokio::test]
async fn a_day_of_guessing_codes_is_a_handful_of_guesses() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    enrol(&app, &user).await;
    let (mut looked_at, mut n) = (0, 0);
    for _ in 0..24 * 12 {
        app.advance(TimeDelta::minutes(5));
        loop {
            n += 1;
            let answer = login_with(&app, &user.email, PASSWORD, &format!("{n:06}")).await;
            if answer.status == 429 {
                break;
            }
            looked_at += 1;
            answer.expect(401);
        }
    }
    println!("guessing codes: {looked_at} looked at in a day of {n}");
    assert!((90..=110).contains(&looked_at), "{looked_at}");
}

#[tokio::test]
async fn one_code_in_parallel_opens_one_session() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let (secret, _) = enrol(&app, &user).await;
    app.advance(TimeDelta::seconds(30));
    let now = code(&app, &secret);
    let logins = (0..4).map(|_| login_with(&app, &user.email, PASSWORD, &now));
    let answers = futures_util::future::join_all(logins).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn recovery_codes_stand_in_once_each() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let (_, codes) = enrol(&app, &user).await;
    let first = text(&codes[0]);
    login_with(&app, &user.email, PASSWORD, &first.to_lowercase())
        .await
        .expect(200);
    login_with(&app, &user.email, PASSWORD, &first).await.expect(401);
    login_with(&app, &user.email, PASSWORD, &text(&codes[1]))
        .await
        .expect(200);
    let stranger = app.patient("eve").await;
    enrol(&app, &stranger).await;
    login_with(&app, &stranger.email, PASSWORD, &text(&codes[2]))
        .await
        .expect(401);
    let audit = app.audit().await;
    assert_eq!(noted(&audit, "second_factor.recovery_code_used", "SUCCESS"), 2);
}

#[tokio::test]
async fn setting_up_needs_the_password_and_a_right_code() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let wrong = json!({"current_password": "wrong-horse-battery-11"});
    app.client
        .post("/users/me/second-factor", &user.access, &wrong)
        .await
        .expect(422);
    confirm(&app, &user, "000000").await.expect(422);
    let first = begin(&app, &user).await;
    let second = begin(&app, &user).await;
    confirm(&app, &user, &code(&app, &first)).await.expect(422);
    app.login(&user.email, PASSWORD).await;
    confirm(&app, &user, &code(&app, &second)).await.expect(200);
    let audit = app.audit().await;
    assert_eq!(noted(&audit, "second_factor.begun", "SUCCESS"), 2);
    assert_eq!(noted(&audit, "second_factor.enrolled", "REFUSED"), 2);
    assert_eq!(noted(&audit, "second_factor.enrolled", "SUCCESS"), 1);
    let again = app
        .client
        .post(
            "/users/me/second-factor",
            &user.access,
            &json!({"current_password": PASSWORD}),
        )
        .await;
    assert_eq!(again.problem(409), "second-factor-exists");
}

#[tokio::test]
async fn taking_it_away_needs_both_factors() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let (secret, _) = enrol(&app, &user).await;
    app.advance(TimeDelta::seconds(30));
    let remove = |password: &'static str, code: String| {
        let (app, user) = (&app, &user);
        async move {
            let body = json!({"current_password": password, "code": code});
            app.client
                .post("/users/me/second-factor/removal", &user.access, &body)
                .await
        }
    };
    remove("wrong-horse-battery-11", code(&app, &secret))
        .await
        .expect(422);
    remove(PASSWORD, "000000".to_owned()).await.expect(422);
    remove(PASSWORD, code(&app, &secret)).await.expect(204);
    app.login(&user.email, PASSWORD).await;
}

#[tokio::test]
async fn where_it_is_required_an_administrator_sets_it_up_at_login() {
    let clock = Clock::fixed(Clock::System.now());
    let app = TestApp::start_with("second_factor: {required_for_admin: true}", clock).await;
    let refused = app.login_as(ADMIN_EMAIL, ADMIN_PASSWORD).await;
    assert_eq!(refused.problem(403), "second-factor-enrolment-required");
    let secret = text(&refused.json()["secret"]);
    login_with(&app, ADMIN_EMAIL, ADMIN_PASSWORD, "000000")
        .await
        .expect(401);
    app.login_as(ADMIN_EMAIL, "wrong-horse-battery-11")
        .await
        .expect(401);
    let done = login_with(&app, ADMIN_EMAIL, ADMIN_PASSWORD, &code(&app, &secret))
        .await
        .expect(200)
        .json();
    assert_eq!(done["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(
        app.login_as(ADMIN_EMAIL, ADMIN_PASSWORD).await.problem(401),
        "second-factor-required"
    );
    let access = text(&done["access_token"]);
    let body = json!({"current_password": ADMIN_PASSWORD, "code": code(&app, &secret)});
    let kept = app
        .client
        .post("/users/me/second-factor/removal", &access, &body)
        .await;
    assert_eq!(kept.problem(409), "second-factor-required");
    app.patient("ann").await;
}

#[tokio::test]
async fn a_requirement_reaches_the_sessions_from_before() {
    let app = TestApp::start_with_clock().await;
    let (admin, patient) = (app.admin().await, app.patient("ann").await);
    let strict = TestApp::start_on(
        app.db.clone(),
        "second_factor: {required_for_admin: true}",
        app.clock.clone(),
    )
    .await;
    assert_eq!(
        strict.refresh(&admin.refresh).await.problem(401),
        "refresh-refused"
    );
    strict.refresh(&patient.refresh).await.expect(200);
    let secret = text(
        &strict
            .login_as(ADMIN_EMAIL, ADMIN_PASSWORD)
            .await
            .expect(403)
            .json()["secret"],
    );
    assert!(strict.accepts(&admin.access).await);
    let done = login_with(&strict, ADMIN_EMAIL, ADMIN_PASSWORD, &code(&strict, &secret))
        .await
        .expect(200)
        .json();
    assert!(
        !strict.accepts(&admin.access).await,
        "what was begun with the password alone has ended"
    );
    assert!(strict.accepts(&text(&done["access_token"])).await);
    strict.refresh(&text(&done["refresh_token"])).await.expect(200);
    let audit = strict.audit().await;
    assert_eq!(noted(&audit, "second_factor.begun", "SUCCESS"), 1);
    assert_eq!(noted(&audit, "second_factor.enrolled", "SUCCESS"), 1);
}
