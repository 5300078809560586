use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::fakes::Mood;
use crate::fakes::sendgrid::{FakeSendGrid, KEY};
use crate::helpers::App;

async fn app(sendgrid: &FakeSendGrid) -> App {
    App::with(&format!(
        "{{email: {{transport: sendgrid}}, sendgrid: {{api_key: '{KEY}', base_url: 'http://{}'}}}}",
        sendgrid.address
    ))
    .await
}

async fn mail(app: &App, address: &str, name: &str) -> common::ids::UserId {
    let mut user = app.peers.patient();
    address.clone_into(&mut user.email);
    name.clone_into(&mut user.name);
    app.peers.put_user(user.clone());
    app.notify(user.id, "EMAIL", "hello").await;
    app.send().await;
    user.id
}

async fn state(app: &App, user: common::ids::UserId) -> Value {
    app.ledger(&format!("&user_id={user}")).await.pop().unwrap()
}

#[tokio::test]
async fn a_mail_goes_out_as_sendgrid_wants_it_and_tracks_nobody() {
    let sendgrid = FakeSendGrid::start().await;
    let app = app(&sendgrid).await;
    let user = mail(&app, "ada@example.org", "Ada; Lovelace, <x>\r\nBcc: y").await;
    let shown = state(&app, user).await;
    assert_eq!(
        (shown["status"].as_str(), shown["provider"].as_str()),
        (Some("SENT"), Some("sendgrid"))
    );
    assert_eq!(shown["provider_message_id"], "LRzXl_NHStOGhQ4kofSm_A");
    let sent = &sendgrid.sent()[0];
    let person = &sent["personalizations"][0];
    assert_eq!(
        person["to"],
        json!([{"email": "ada@example.org", "name": "Ada Lovelace x Bcc: y"}])
    );
    assert_eq!(
        person["custom_args"],
        json!({"notification_id": shown["id"], "attempt": "1"})
    );
    for kind in [
        "click_tracking",
        "open_tracking",
        "subscription_tracking",
        "ganalytics",
    ] {
        assert_eq!(sent["tracking_settings"][kind]["enable"], false, "{kind}");
    }
}

#[tokio::test]
async fn answers_are_put_into_their_classes() {
    let sendgrid = FakeSendGrid::start().await;
    let app = app(&sendgrid).await;
    for (mood, status, repeated) in [
        (Mood::Status(400), "FAILED", false),
        (Mood::Status(413), "FAILED", false),
        (Mood::Busy(20), "QUEUED", true),
        (Mood::TakeAndFail, "QUEUED", false),
        (Mood::Status(503), "QUEUED", false),
        (Mood::Status(403), "QUEUED", true),
    ] {
        let address = format!("{}@example.org", uuid::Uuid::now_v7());
        sendgrid.script(&address, &[mood]);
        let user = mail(&app, &address, "Ada").await;
        assert_eq!(state(&app, user).await["status"], status, "{mood:?}");
        // Those that wait for a report wait five minutes; those that were not taken look again before.
        app.advance(TimeDelta::seconds(61));
        app.send().await;
        app.advance(TimeDelta::seconds(242));
        app.send().await;
        let now = state(&app, user).await["status"].as_str() == Some("SENT");
        assert_eq!(now, repeated, "{mood:?}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for_for_ever() {
    let sendgrid = FakeSendGrid::start().await;
    let app = app(&sendgrid).await;
    sendgrid.script("hang@example.org", &[Mood::TakeAndHang]);
    let user = mail(&app, "hang@example.org", "Ada").await;
    assert_eq!(state(&app, user).await["status"], "QUEUED");
    assert_eq!(sendgrid.sent().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let sendgrid = FakeSendGrid::start().await;
    let app = app(&sendgrid).await;
    sendgrid.script("ada@example.org", &[Mood::Redirect]);
    mail(&app, "ada@example.org", "Ada").await;
    assert_eq!((sendgrid.sent().len(), sendgrid.strangers()), (0, 0));
}

#[tokio::test]
async fn five_failures_in_a_row_give_the_provider_a_rest() {
    let sendgrid = FakeSendGrid::start().await;
    let app = app(&sendgrid).await;
    for n in 0..5 {
        let address = format!("{n}@example.org");
        sendgrid.script(&address, &[Mood::Status(500)]);
        mail(&app, &address, "Ada").await;
    }
    let user = mail(&app, "good@example.org", "Ada").await;
    assert_eq!(state(&app, user).await["attempts"], 0);
    app.advance(TimeDelta::seconds(11));
    app.send().await;
    assert_eq!(state(&app, user).await["status"], "SENT");
}
