//! What providers report, and what others pretend that they report.

mod sendgrid;
mod twilio;

use common_testing::As;
use serde_json::{Value, json};

use crate::helpers::App;

async fn status(app: &App, id: &str) -> Value {
    app.client
        .get(&format!("/notifications/{id}"), &app.admin())
        .await
        .expect(200)
        .json()["status"]
        .clone()
}

#[tokio::test]
async fn without_a_token_in_the_settings_every_webhook_is_refused() {
    let app = App::start().await;
    let fields = [("From", "+4915112345678"), ("Body", "STOP"), ("AccountSid", "")];
    for path in ["/webhooks/twilio/inbound", "/webhooks/twilio/status"] {
        assert_eq!(
            twilio::post_form(&app, path, &fields, &twilio::signature(path, &fields))
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
