//! Settings that change while the service runs.

use chrono::TimeDelta;
use common_testing::ConfigStub;
use serde_json::{Value, json};

use crate::helpers::{App, Visit};

/// A visit is booked; the patient's mail.
async fn booking(app: &App, ahead: TimeDelta) -> (Visit, String) {
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let before = app.mails().len();
    let visit = Visit::booked(app, &patient, &doctor, app.now() + ahead);
    app.hear(&visit.as_booked()).await.unwrap();
    app.send().await;
    assert!(app.mails().len() > before);
    let mail = app.mails().into_iter().find(|mail| mail.contains(&patient.email));
    (visit, mail.unwrap())
}

#[tokio::test]
async fn words_change_without_a_restart_and_bad_ones_do_not() {
    let stub = ConfigStub::start().await;
    let app = App::with(&stub.yaml()).await;
    let (_, mail) = booking(&app, TimeDelta::days(2)).await;
    assert!(mail.contains("Subject: Your appointment is booked"), "{mail}");

    let words = "messages.templates.appointment_booked";
    let new = json!({
        format!("{words}.subject"): "See you at {clinic}",
        format!("{words}.text"): "We expect you on {start}.",
        "messages.clinic": "Elm Street",
        "messages.greeting": "Dear {name},",
    });
    stub.change(&app.client, &app.admin(), new.clone()).await;
    let (_, mail) = booking(&app, TimeDelta::days(2)).await;
    for part in [
        "Subject: See you at Elm Street",
        "From: \"Elm Street\" <no-reply@",
        "We expect you on Wednesday, 6 January 2027 at 10:00 (Europe/Berlin).",
        "Dear ",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }

    for (key, bad) in [
        ("text", json!("About your {diagnosis}")),
        ("text", json!("On {start")),
        ("subject", json!("a\r\nBcc: all@example.org")),
        ("sms", json!("")),
        ("sms", Value::Null),
    ] {
        let mut properties = new.clone();
        properties[format!("{words}.{key}")] = bad.clone();
        properties["messages.clinic"] = json!("Oak Street");
        stub.set(properties);
        let answer = app
            .client
            .post("/actuator/refresh", &app.admin(), &Value::Null)
            .await;
        assert_eq!(answer.problem(422), "settings-refused", "{key} {bad}");
    }
    let (_, mail) = booking(&app, TimeDelta::days(2)).await;
    assert!(mail.contains("Subject: See you at Elm Street"), "{mail}");
}

#[tokio::test]
async fn limits_of_sms_change_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = App::with(&stub.yaml()).await;
    let (one, other) = (app.peers.patient(), app.peers.patient());
    app.notify(one.id, "SMS", "first").await;
    app.send().await;
    stub.change(&app.client, &app.admin(), json!({"sms.daily_limit_per_user": 1}))
        .await;
    app.notify(one.id, "SMS", "second").await;
    app.notify(other.id, "SMS", "third").await;
    app.send().await;
    stub.change(&app.client, &app.admin(), json!({"sms.daily_limit": 2}))
        .await;
    app.notify(other.id, "SMS", "fourth").await;
    app.send().await;
    stub.change(&app.client, &app.admin(), json!({})).await;
    app.notify(one.id, "SMS", "fifth").await;
    app.send().await;
    let texts: Vec<Value> = app.texts().into_iter().map(|text| text["body"].clone()).collect();
    assert_eq!(texts, ["first", "third", "fifth"]);
}

#[tokio::test]
async fn the_times_of_reminders_change_without_a_restart() {
    let stub = ConfigStub::start().await;
    let app = App::with(&stub.yaml()).await;
    stub.change(&app.client, &app.admin(), json!({"reminders.offsets_min[0]": 60}))
        .await;
    let (visit, _) = booking(&app, TimeDelta::hours(3)).await;
    let reminded = async || {
        app.remind().await;
        let told = app.told(visit.change.patient_id).await;
        told.iter().any(|line| line.starts_with("appointment.reminder"))
    };
    app.advance(TimeDelta::minutes(90));
    assert!(!reminded().await, "the former time, two hours before");
    app.advance(TimeDelta::minutes(30));
    assert!(reminded().await);
}
