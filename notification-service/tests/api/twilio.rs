use chrono::TimeDelta;
use serde_json::Value;

use crate::fakes::Mood;
use crate::fakes::twilio::{ACCOUNT, FROM, FakeTwilio, TOKEN};
use crate::helpers::App;

async fn app(twilio: &FakeTwilio) -> App {
    App::with(&format!(
        "{{sms: {{transport: twilio}}, twilio: {{account_sid: {ACCOUNT}, auth_token: '{TOKEN}', from: '{FROM}', \
         base_url: 'http://{}'}}, public: {{base_url: 'https://clinic.example'}}}}",
        twilio.address
    ))
    .await
}

/// A message to a user with this number, and what the ledger says of it.
async fn text(app: &App, phone: &str) -> common::ids::UserId {
    let mut user = app.peers.patient();
    user.phone = Some(phone.to_owned());
    app.peers.put_user(user.clone());
    app.notify(user.id, "SMS", "Tomorrow: é & more").await;
    app.send().await;
    user.id
}

async fn state(app: &App, user: common::ids::UserId) -> Value {
    app.ledger(&format!("&user_id={user}")).await.pop().unwrap()
}

#[tokio::test]
async fn a_message_goes_out_as_twilio_wants_it() {
    let twilio = FakeTwilio::start().await;
    let app = app(&twilio).await;
    let user = text(&app, "+4915100000001").await;
    let sent = &twilio.sent()[0];
    assert_eq!(
        (sent["To"].as_str(), sent["From"].as_str()),
        ("+4915100000001", FROM)
    );
    assert!(sent["Body"].ends_with("Tomorrow: é & more"));
    let shown = state(&app, user).await;
    let callback = format!(
        "https://clinic.example/webhooks/twilio/status?n={}&a=1#rc=3&rp=all",
        shown["id"].as_str().unwrap()
    );
    assert_eq!(sent["StatusCallback"], callback);
    assert_eq!(shown["status"], "SENT");
    assert_eq!(shown["provider_message_id"], sent["sid"].as_str());
}

#[tokio::test]
async fn twilios_own_refusals_are_understood() {
    let twilio = FakeTwilio::start().await;
    let app = app(&twilio).await;
    for (phone, expected) in [
        ("+15005550001", "FAILED"),
        ("+15005550002", "FAILED"),
        ("+15005550003", "FAILED"),
        ("+15005550009", "FAILED"),
        ("+15005550004", "SKIPPED"),
    ] {
        let user = text(&app, phone).await;
        assert_eq!(state(&app, user).await["status"], expected, "{phone}");
    }
    // Told once by Twilio, an opt-out is kept and not asked about again.
    let calls = twilio.calls();
    let user = text(&app, "+15005550004").await;
    assert_eq!(state(&app, user).await["skip_reason"], "opted-out");
    assert_eq!(twilio.calls(), calls);
    assert!(twilio.sent().is_empty());
}

#[tokio::test]
async fn what_was_certainly_not_taken_is_tried_again() {
    let twilio = FakeTwilio::start().await;
    let app = app(&twilio).await;
    twilio.script("+4915100000002", &[Mood::Busy(30)]);
    let user = text(&app, "+4915100000002").await;
    assert_eq!(state(&app, user).await["status"], "QUEUED");
    // The whole channel leaves Twilio in peace for as long as it asked.
    let other = text(&app, "+4915100000003").await;
    assert_eq!(
        (twilio.calls(), state(&app, other).await["attempts"].as_i64()),
        (1, Some(0))
    );
    app.advance(TimeDelta::seconds(31));
    app.send().await;
    assert_eq!(state(&app, user).await["status"], "SENT");
    assert_eq!(state(&app, other).await["status"], "SENT");
    assert_eq!(twilio.sent().len(), 2);
}

#[tokio::test]
async fn what_may_have_been_taken_is_asked_about_and_not_repeated() {
    for (phone, mood) in [
        ("+4915100000004", Mood::TakeAndFail),
        ("+4915100000005", Mood::TakeAndBabble),
    ] {
        let twilio = FakeTwilio::start().await;
        let app = app(&twilio).await;
        twilio.script(phone, &[mood]);
        let user = text(&app, phone).await;
        assert_eq!(state(&app, user).await["status"], "QUEUED", "{mood:?}");
        app.advance(TimeDelta::minutes(4));
        app.send().await;
        assert_eq!(state(&app, user).await["attempts"], 1, "{mood:?}");
        app.advance(TimeDelta::minutes(2));
        app.send().await;
        let shown = state(&app, user).await;
        assert_eq!(
            (shown["status"].as_str(), shown["attempts"].as_i64()),
            (Some("SENT"), Some(1)),
            "{mood:?}"
        );
        assert_eq!(shown["provider_message_id"], twilio.sent()[0]["sid"].as_str());
        assert_eq!(twilio.sent().len(), 1);
    }
}

#[tokio::test]
async fn what_was_not_taken_after_all_is_sent() {
    let twilio = FakeTwilio::start().await;
    let app = app(&twilio).await;
    let user = text(&app, "+4915100000006").await;
    // The same words to the same person: Twilio's list shows the first, which we know.
    twilio.script("+4915100000006", &[Mood::Status(500)]);
    app.notify(user, "SMS", "Tomorrow: é & more").await;
    app.send().await;
    app.advance(TimeDelta::minutes(6));
    app.send().await;
    assert_eq!(app.told(user).await, ["message/SMS/SENT", "message/SMS/SENT"]);
    assert_eq!(
        (state(&app, user).await["attempts"].as_i64(), twilio.sent().len()),
        (Some(2), 2)
    );
}

#[tokio::test]
async fn when_nobody_can_say_a_message_by_hand_is_not_repeated() {
    let twilio = FakeTwilio::start().await;
    let app = app(&twilio).await;
    for (phone, mood) in [
        ("+4915100000012", Mood::TakeAndFail),
        ("+4915100000013", Mood::Flood),
    ] {
        twilio.script(phone, &[mood]);
        twilio.be_silent();
        let user = text(&app, phone).await;
        app.advance(TimeDelta::minutes(6));
        app.send().await;
        assert_eq!(app.told(user).await, ["message/SMS/FAILED"], "{mood:?}");
    }
    assert_eq!(twilio.calls(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_stops_the_channel() {
    let twilio = FakeTwilio::start().await;
    let app = app(&twilio).await;
    twilio.script("+4915100000007", &[Mood::Redirect]);
    let user = text(&app, "+4915100000007").await;
    assert_eq!(state(&app, user).await["status"], "QUEUED");
    assert_eq!(twilio.strangers(), 0);
    let next = text(&app, "+4915100000008").await;
    assert_eq!(state(&app, next).await["attempts"], 0);
}

#[tokio::test]
async fn wrong_credentials_stop_the_channel_and_cost_no_message() {
    let twilio = FakeTwilio::start().await;
    let app = App::with(&format!(
        "{{sms: {{transport: twilio}}, twilio: {{account_sid: {ACCOUNT}, auth_token: 'wrong', from: '{FROM}', \
         base_url: 'http://{}'}}}}",
        twilio.address
    ))
    .await;
    let users = [
        text(&app, "+4915100000009").await,
        text(&app, "+4915100000010").await,
    ];
    assert_eq!(twilio.calls(), 1);
    for user in users {
        assert_eq!(state(&app, user).await["status"], "QUEUED");
    }
    assert!(app.parts.sender.sms_gate.health().is_err());
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_tried_again() {
    let app = App::with(&format!(
        "{{sms: {{transport: twilio}}, twilio: {{account_sid: {ACCOUNT}, auth_token: '{TOKEN}', from: '{FROM}', \
         base_url: 'http://127.0.0.1:1'}}}}"
    ))
    .await;
    let user = text(&app, "+4915100000011").await;
    let shown = state(&app, user).await;
    assert_eq!(
        (shown["status"].as_str(), shown["attempts"].as_i64()),
        (Some("QUEUED"), Some(1))
    );
}
