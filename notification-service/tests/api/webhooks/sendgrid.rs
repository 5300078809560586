use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common_testing::{Answer, As, Client};
use http::Method;
use serde_json::{Value, json};

use super::status;
use crate::fakes::sendgrid::{FakeSendGrid, KEY};
use crate::helpers::App;

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
