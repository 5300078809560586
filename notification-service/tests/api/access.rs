//! Who may do what: one table, checked against the endpoints that exist.

use common::auth::Role;
use common::ids::{AppointmentId, NotificationId, UserId};
use common_testing::{Answer, As, Client, Matrix, Row, strange_ids, strange_values};
use notification_service::NAME;
use notification_service::domain::channel::Channel;
use serde_json::json;

use crate::helpers::App;

/// Status by caller. `recipient` and `own-doctor` are whom the message was for; `other` and `doctor` are strangers to
/// it; `service` holds a good token of another service. 409 is past the guard: the message did not fail. A webhook looks
/// at its provider's signature alone, which none of these can make.
const TABLE: &str = "
    operation                                anyone recipient own-doctor other doctor admin service
    POST /notify                             401    403       403        403   403    202   401
    GET  /notifications                      401    200       200        200   200    200   401
    GET  /notifications/{id}                 401    200       200        404   404    200   401
    GET  /notifications/{id}          none   401    404       404        404   404    404   401
    POST /notifications/{id}/retry           401    403       403        403   403    409   401
    POST /notifications/{id}/retry    none   401    403       403        403   403    404   401
    POST /webhooks/twilio/status             403    403       403        403   403    403   403
    POST /webhooks/twilio/inbound            403    403       403        403   403    403   403
    POST /webhooks/sendgrid/events           403    403       403        403   403    403   403
";

async fn attempt(app: &App, row: &Row, caller: &str) -> Answer {
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let recipient = if caller == "own-doctor" { &doctor } else { &patient };
    let sent = app.notify(recipient.id, "EMAIL", "x").await;
    app.send().await;
    let id = match row.case {
        "none" => NotificationId::generate().to_string(),
        _ => sent["id"].as_str().unwrap().to_owned(),
    };
    let token = match caller {
        "recipient" => Some(app.token(&patient)),
        "own-doctor" => Some(app.token(&doctor)),
        "other" => Some(app.mint.access(UserId::generate(), Role::Patient)),
        "doctor" => Some(app.mint.access(UserId::generate(), Role::Doctor)),
        "admin" => Some(app.admin()),
        "service" => Some(app.mint.service("user-service", NAME)),
        _ => None,
    };
    let who = token.as_deref().map_or(As::Anyone, As::Token);
    let path = row.path.replace("{id}", &id);
    let request = app.client.request(row.method.clone(), &path, who);
    Client::send(match row.path {
        "/notify" => request.json(&json!({"user_id": patient.id, "channel": Channel::Email, "message": "x"})),
        "/webhooks/sendgrid/events" => request.json(&json!([])),
        path if path.starts_with("/webhooks/twilio") => request.form(&[("MessageSid", "SM0")]),
        _ => request,
    })
    .await
}

#[tokio::test]
async fn every_caller_gets_what_the_table_says() {
    let app = App::with("{twilio: {auth_token: one-that-nobody-here-has}}").await;
    let attempt = async |row: &Row, caller: &'static str| attempt(&app, row, caller).await;
    Matrix::read(TABLE).holds(NAME, attempt).await;
}

/// A new endpoint must have a row above, and a row an endpoint.
#[test]
fn the_table_has_every_public_operation() {
    Matrix::read(TABLE).covers(&notification_service::openapi());
}

#[tokio::test]
async fn what_is_no_id_of_a_notification_is_not_found() {
    let app = App::start().await;
    let user = app.peers.patient();
    let id = app.notify(user.id, "EMAIL", "x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let kinds = [user.id.to_string(), AppointmentId::generate().to_string()];
    for other in strange_ids(&id, &kinds) {
        let path = format!("/notifications/{other}");
        assert_eq!(
            app.client.get(&path, &app.admin()).await.problem(404),
            "not-found",
            "{other}"
        );
        let retry = app
            .client
            .post(&format!("{path}/retry"), &app.admin(), &json!({}))
            .await;
        assert_eq!(retry.problem(404), "not-found", "{other}");
    }
    // Capitals are digits of the same number: the same message, under the same rules.
    let capitals = format!("/notifications/{}", id.to_uppercase());
    app.client.get(&capitals, &app.token(&user)).await.expect(200);
    let stranger = app.mint.access(UserId::generate(), Role::Patient);
    app.client.get(&capitals, &stranger).await.expect(404);
    for value in strange_values(&user.id.to_string()) {
        let body = json!({"user_id": value, "channel": "EMAIL", "message": "x"});
        let answer = app.client.post("/notify", &app.admin(), &body).await;
        assert_eq!(answer.problem(422), "invalid-request", "{body}");
    }
}
