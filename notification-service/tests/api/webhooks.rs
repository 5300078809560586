use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use common_testing::{Answer, As, Client};
use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::fakes::Mood;
use crate::fakes::sendgrid::{FakeSendGrid, KEY};
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
fn twilio_signature(path: &str, fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let text = sorted
        .iter()
        .fold(format!("{BASE}{path}"), |text, (name, value)| text + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

async fn post_form(app: &App, path: &str, fields: &[(&str, &str)], signature: &str) -> Answer {
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

async fn status(app: &App, id: &str) -> Value {
    app.client
        .get(&format!("/notifications/{id}"), &app.admin())
        .await
        .expect(200)
        .json()["status"]
        .clone()
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
            post_form(&app, &path, &fields, &twilio_signature(&path, &fields))
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
    post_form(&app, &path, &fields, &twilio_signature(&path, &fields))
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
    post_form(&app, &path, &fields, &twilio_signature(&path, &fields))
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
    let good = twilio_signature(&path, &fields);
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
    let signature = twilio_signature(&path, &stranger);
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
    post_form(&app, &path, &failed, &twilio_signature(&path, &failed))
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
    post_form(&app, &path, &delivered, &twilio_signature(&path, &delivered))
        .await
        .expect(204);
    assert_eq!(status(&app, &id).await, "SENT");
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
        post_form(&app, path, &fields, &twilio_signature(path, &fields))
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

#[tokio::test]
async fn without_a_token_in_the_settings_every_webhook_is_refused() {
    let app = App::start().await;
    let fields = [("From", "+4915112345678"), ("Body", "STOP"), ("AccountSid", "")];
    for path in ["/webhooks/twilio/inbound", "/webhooks/twilio/status"] {
        assert_eq!(
            post_form(&app, path, &fields, &twilio_signature(path, &fields))
                .await
                .problem(403),
            "bad-signature"
        );
    }
    let answer = app
        .client
        .post("/webhooks/sendgrid/events", As::Anyone, &json!([]))
        .await;
    assert_eq!(answer.problem(403), "bad-signature");
}

/// SendGrid's side: a key pair, and batches signed with it.
struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
        }
    }

    /// The key in the form in which SendGrid shows it.
    fn public_key(&self) -> String {
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        STANDARD.encode([&head, self.pair.public_key().as_ref()].concat())
    }

    async fn post(&self, app: &App, at: i64, events: &Value) -> Answer {
        let body = format!("{events}\r\n");
        let signed = [at.to_string().as_bytes(), body.as_bytes()].concat();
        let signature = STANDARD.encode(self.pair.sign(&SystemRandom::new(), &signed).unwrap());
        Self::send(app, at, body, &signature).await
    }

    async fn send(app: &App, at: i64, body: String, signature: &str) -> Answer {
        let request = app
            .client
            .request(Method::POST, "/webhooks/sendgrid/events", As::Anyone);
        let request = request
            .header("content-type", "application/json")
            .header("x-twilio-email-event-webhook-signature", signature)
            .header("x-twilio-email-event-webhook-timestamp", at.to_string())
            .body(body);
        Client::send(request).await
    }
}

async fn with_sendgrid(signer: &Signer) -> App {
    let sendgrid = FakeSendGrid::start().await;
    App::with(&format!(
        "{{email: {{transport: sendgrid}}, sendgrid: {{api_key: '{KEY}', base_url: 'http://{}', \
         webhook_public_key: '{}'}}}}",
        sendgrid.address,
        signer.public_key()
    ))
    .await
}

async fn mailed(app: &App) -> String {
    let user = app.peers.patient();
    let id = app.notify(user.id, "EMAIL", "x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.send().await;
    id
}

fn event(id: &str, what: &str, attempt: &str) -> Value {
    json!({
        "event": what, "sg_event_id": format!("{what}-{id}"), "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filter.0",
        "email": "ada@example.org", "timestamp": 1, "notification_id": id, "attempt": attempt, "new_field": [1],
    })
}

#[tokio::test]
async fn sendgrid_reports_move_mails_forward_in_batches() {
    let signer = Signer::new();
    let app = with_sendgrid(&signer).await;
    let (good, bad, deferred) = (mailed(&app).await, mailed(&app).await, mailed(&app).await);
    let now = app.now().timestamp();
    let batch = json!([
        event(&good, "delivered", "1"),
        event(&bad, "delivered", "1"),
        event(&deferred, "deferred", "1"),
        {"event": "delivered"},
        7,
        event("x", "delivered", "1"),
        event(&bad, "bounce", "1"),
        event(&good, "processed", "1"),
        event(&deferred, "delivered", "2"),
        event(&good, "unsubscribe", "1"),
    ]);
    for _ in 0..5 {
        signer.post(&app, now, &batch).await.expect(204);
    }
    assert_eq!(status(&app, &good).await, "DELIVERED");
    assert_eq!(status(&app, &bad).await, "FAILED");
    assert_eq!(status(&app, &deferred).await, "SENT");
}

#[tokio::test]
async fn sendgrids_webhook_refuses_what_it_did_not_sign() {
    let signer = Signer::new();
    let app = with_sendgrid(&signer).await;
    let id = mailed(&app).await;
    let now = app.now().timestamp();
    let batch = json!([event(&id, "delivered", "1")]);
    assert_eq!(
        Signer::new().post(&app, now, &batch).await.problem(403),
        "bad-signature"
    );
    assert_eq!(
        signer.post(&app, now - 26 * 3600, &batch).await.problem(403),
        "bad-signature"
    );
    let body = batch.to_string();
    let signed = STANDARD.encode(
        signer
            .pair
            .sign(&SystemRandom::new(), format!("{now}{body}").as_bytes())
            .unwrap(),
    );
    assert_eq!(
        Signer::send(&app, now + 1, body.clone(), &signed)
            .await
            .problem(403),
        "bad-signature"
    );
    assert_eq!(
        Signer::send(&app, now, format!("{body} "), &signed)
            .await
            .problem(403),
        "bad-signature"
    );
    assert_eq!(status(&app, &id).await, "SENT");
    Signer::send(&app, now, body, &signed).await.expect(204);
    assert_eq!(status(&app, &id).await, "DELIVERED");
    assert_eq!(
        signer
            .post(&app, now, &json!({"event": "delivered"}))
            .await
            .problem(400),
        "malformed-request"
    );
    let huge = signer.post(&app, now, &json!("x".repeat(2 << 20))).await;
    assert_eq!(huge.problem(413), "too-large");
}
