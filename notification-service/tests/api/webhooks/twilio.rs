use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use common_testing::{Answer, As, Client};
use http::Method;
use serde_json::json;
use url::form_urlencoded;

use super::status;
use crate::fakes::Mood;
use crate::fakes::twilio::{ACCOUNT, FROM, FakeTwilio, TOKEN};
use crate::helpers::App;

const BASE: &str = "https://clinic.example";

async fn with_twilio() -> (App, FakeTwilio) {
    let twilio = FakeTwilio::start().await;
    let app = App::with(&format!(
        "{{sms: {{transport: twilio}}, twilio: {{account_sid: {ACCOUNT}, auth_token: '{TOKEN}', from: '{FROM}', \
         base_url: 'http://{}'}}, public: {{base_url: '{BASE}'}}}}",
        twilio.address
    ))
    .await;
    (app, twilio)
}

/// A form signed as Twilio signs, by another way than the service's.
pub(super) fn signature(path: &str, fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let text = sorted
        .iter()
        .fold(format!("{BASE}{path}"), |text, (name, value)| text + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

pub(super) async fn post_form(app: &App, path: &str, fields: &[(&str, &str)], signature: &str) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let request = app.client.request(Method::POST, path, As::Anyone);
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    Client::send(if signature.is_empty() {
        request
    } else {
        request.header("x-twilio-signature", signature)
    })
    .await
}

/// An SMS that Twilio has taken: its id with us, its id there, and where Twilio reports to.
async fn sent(app: &App, twilio: &FakeTwilio) -> (String, String, String) {
    let user = app.peers.patient();
    let id = app.notify(user.id, "SMS", "x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.send().await;
    let sent = twilio.sent().pop().unwrap();
    let path = sent["StatusCallback"]
        .strip_prefix(BASE)
        .unwrap()
        .split('#')
        .next()
        .unwrap()
        .to_owned();
    (id, sent["sid"].clone(), path)
}

#[tokio::test]
async fn twilio_reports_move_a_message_forward_in_any_order_and_any_number() {
    let (app, twilio) = with_twilio().await;
    let orders = [
        ["queued", "sent", "delivered"],
        ["delivered", "sent", "queued"],
        ["sent", "delivered", "sending"],
        ["delivered", "queued", "sent"],
    ];
    for order in orders {
        let (id, sid, path) = sent(&app, &twilio).await;
        for step in order.iter().cycle().take(30) {
            let fields = [
                ("MessageSid", sid.as_str()),
                ("MessageStatus", step),
                ("AccountSid", ACCOUNT),
                ("RawDlrDoneDate", "1"),
            ];
            post_form(&app, &path, &fields, &signature(&path, &fields))
                .await
                .expect(204);
        }
        assert_eq!(status(&app, &id).await, "DELIVERED", "{order:?}");
    }
    let known: i64 = sqlx::query_scalar("select count(*) from provider_events")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(known, 12);
    let (id, sid, path) = sent(&app, &twilio).await;
    let fields = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", "undelivered"),
        ("AccountSid", ACCOUNT),
        ("ErrorCode", "30005"),
    ];
    post_form(&app, &path, &fields, &signature(&path, &fields))
        .await
        .expect(204);
    assert_eq!(status(&app, &id).await, "FAILED");
}

#[tokio::test]
async fn a_report_settles_what_nobody_knew() {
    let (app, twilio) = with_twilio().await;
    let user = app.peers.patient();
    twilio.script(user.phone.as_deref().unwrap(), &[Mood::TakeAndFail]);
    let id = app.notify(user.id, "SMS", "x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.send().await;
    assert_eq!(status(&app, &id).await, "QUEUED");
    let sent = twilio.sent().pop().unwrap();
    let path = sent["StatusCallback"]
        .strip_prefix(BASE)
        .unwrap()
        .split('#')
        .next()
        .unwrap()
        .to_owned();
    let fields = [
        ("MessageSid", sent["sid"].as_str()),
        ("MessageStatus", "delivered"),
        ("AccountSid", ACCOUNT),
    ];
    post_form(&app, &path, &fields, &signature(&path, &fields))
        .await
        .expect(204);
    app.advance(TimeDelta::minutes(6));
    app.send().await;
    assert_eq!(status(&app, &id).await, "DELIVERED");
    assert_eq!(twilio.calls(), 1);
}

#[tokio::test]
async fn twilios_webhook_refuses_what_it_did_not_sign() {
    let (app, twilio) = with_twilio().await;
    let (id, sid, path) = sent(&app, &twilio).await;
    let fields = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", "delivered"),
        ("AccountSid", ACCOUNT),
    ];
    let good = signature(&path, &fields);
    let other_status = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", "failed"),
        ("AccountSid", ACCOUNT),
    ];
    let twice = [fields[0], fields[1], fields[2], ("MessageStatus", "failed")];
    let other_path = path.replace("a=1", "a=2");
    for (path, fields, signature) in [
        (path.as_str(), &fields[..], ""),
        (&path, &fields, "x"),
        (&path, &fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (&path, &other_status, &good),
        (&path, &twice, &good),
        (&path, &fields[..2], &good),
        (&other_path, &fields, &good),
    ] {
        assert_eq!(
            post_form(&app, path, fields, signature).await.problem(403),
            "bad-signature"
        );
    }
    let stranger = [
        fields[0],
        fields[1],
        ("AccountSid", "AC00000000000000000000000000000000"),
    ];
    let signature = signature(&path, &stranger);
    assert_eq!(
        post_form(&app, &path, &stranger, &signature).await.problem(403),
        "bad-signature"
    );
    assert_eq!(status(&app, &id).await, "SENT");
    app.client
        .get("/webhooks/twilio/status", As::Anyone)
        .await
        .problem(405);
}

#[tokio::test]
async fn a_report_of_an_earlier_try_does_not_touch_the_later_one() {
    let (app, twilio) = with_twilio().await;
    let (id, sid, path) = sent(&app, &twilio).await;
    let failed = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", "failed"),
        ("AccountSid", ACCOUNT),
    ];
    post_form(&app, &path, &failed, &signature(&path, &failed))
        .await
        .expect(204);
    app.client
        .post(&format!("/notifications/{id}/retry"), &app.admin(), &json!({}))
        .await
        .expect(202);
    let delivered = [
        ("MessageSid", sid.as_str()),
        ("MessageStatus", "delivered"),
        ("AccountSid", ACCOUNT),
    ];
    app.send().await;
    post_form(&app, &path, &delivered, &signature(&path, &delivered))
        .await
        .expect(204);
    assert_eq!(status(&app, &id).await, "SENT");
    assert_eq!(
        twilio.sent()[1]["Body"],
        twilio.sent()[0]["Body"],
        "with its words"
    );
}

#[tokio::test]
async fn stop_is_honoured_until_start_and_only_as_the_whole_message() {
    let (app, twilio) = with_twilio().await;
    let user = app.peers.patient();
    let phone = user.phone.clone().unwrap();
    let path = "/webhooks/twilio/inbound";
    let say = async |word: &str| {
        let fields = [
            ("From", phone.as_str()),
            ("Body", word),
            ("AccountSid", ACCOUNT),
            ("MessageSid", "SM1"),
        ];
        post_form(&app, path, &fields, &signature(path, &fields))
            .await
            .expect(204);
        app.notify(user.id, "SMS", "x").await;
        app.send().await;
        let told = app.told(user.id).await;
        told.last().unwrap().clone()
    };
    for polite in ["STOP 12345", "please stop", "don't STOP", ""] {
        assert_eq!(say(polite).await, "message/SMS/SENT", "{polite}");
    }
    assert_eq!(say(" stop\n").await, "message/SMS/SKIPPED:opted-out");
    assert_eq!(say("hello").await, "message/SMS/SKIPPED:opted-out");
    assert_eq!(say("Start").await, "message/SMS/SENT");
    let forged = [
        ("From", phone.as_str()),
        ("Body", "STOP"),
        ("AccountSid", ACCOUNT),
    ];
    assert_eq!(
        post_form(&app, path, &forged, "x").await.problem(403),
        "bad-signature"
    );
    assert_eq!(twilio.sent().len(), 5);
}
