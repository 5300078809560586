use chrono::TimeDelta;

use crate::fakes::smtp::FakeRelay;
use crate::helpers::App;

async fn app(relay: &FakeRelay) -> App {
    App::with(&format!(
        "{{email: {{transport: smtp}}, smtp: {{url: 'smtp://{}', timeout_s: 5}}}}",
        relay.address
    ))
    .await
}

async fn status(app: &App, id: &str) -> String {
    let shown = app
        .client
        .get(&format!("/notifications/{id}"), &app.admin())
        .await
        .expect(200)
        .json();
    format!("{}/{}", shown["status"].as_str().unwrap(), shown["attempts"])
}

async fn mail(app: &App) -> String {
    let user = app.peers.patient();
    let id = app.notify(user.id, "EMAIL", "hello\n.\nMAIL FROM:<x@y>").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.send().await;
    id
}

#[tokio::test]
async fn a_mail_goes_out_by_a_relay() {
    let relay = FakeRelay::start().await;
    let app = app(&relay).await;
    let id = mail(&app).await;
    assert_eq!(status(&app, &id).await, "SENT/1");
    let taken = relay.taken().pop().unwrap();
    assert_eq!(taken.to.len(), 1);
    assert!(taken.from.contains("no-reply@healthcare.local"));
    assert!(
        taken
            .data
            .contains(&format!("Message-ID: <{id}@healthcare.local>")),
        "{}",
        taken.data
    );
    assert!(taken.data.contains("text/plain") && taken.data.contains("text/html"));
    assert_eq!(relay.taken().len(), 1);
}

#[tokio::test]
async fn refusals_are_put_into_their_classes() {
    for (step, answer, expected) in [
        ("MAIL", "421 come back later", "QUEUED/1"),
        ("RCPT", "450 mailbox busy", "QUEUED/1"),
        ("RCPT", "550 no such user\r\nhere", "FAILED/1"),
        ("DATA", "554 no", "FAILED/1"),
        (".", "452 no space", "QUEUED/1"),
        (".", "550 spam", "FAILED/1"),
    ] {
        let relay = FakeRelay::start().await;
        let app = app(&relay).await;
        relay.answer(step, answer);
        let id = mail(&app).await;
        assert_eq!(status(&app, &id).await, expected, "{step} {answer}");
        relay.be_good();
        app.advance(TimeDelta::seconds(10));
        app.send().await;
        let taken = usize::from(expected.starts_with("QUEUED"));
        assert_eq!(relay.taken().len(), taken, "{step} {answer}");
    }
}

#[tokio::test]
async fn a_cut_after_the_last_dot_is_not_repeated_at_once() {
    let relay = FakeRelay::start().await;
    let app = app(&relay).await;
    relay.answer(".", "");
    let id = mail(&app).await;
    assert_eq!(status(&app, &id).await, "QUEUED/1");
    relay.be_good();
    app.advance(TimeDelta::minutes(4));
    app.send().await;
    assert_eq!(relay.taken().len(), 1);
    app.advance(TimeDelta::minutes(2));
    app.send().await;
    assert_eq!(
        status(&app, &id).await,
        "FAILED/1",
        "a message written by hand is not sent twice"
    );
}

#[tokio::test]
async fn a_relay_that_is_down_is_tried_again() {
    let app = App::with("{email: {transport: smtp}, smtp: {url: 'smtp://127.0.0.1:1', timeout_s: 5}}").await;
    let id = mail(&app).await;
    assert_eq!(status(&app, &id).await, "QUEUED/1");
    app.advance(TimeDelta::seconds(7));
    app.send().await;
    assert_eq!(status(&app, &id).await, "QUEUED/2");
}
