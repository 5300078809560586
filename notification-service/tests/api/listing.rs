use common::ids::{NotificationId, UserId};
use common_testing::As;
use serde_json::json;

use crate::helpers::{App, Visit};

#[tokio::test]
async fn everybody_sees_their_own_and_administrators_all() {
    let app = App::start().await;
    let (mine, other) = (app.peers.patient(), app.peers.patient());
    app.notify(mine.id, "EMAIL", "x").await;
    app.notify(other.id, "EMAIL", "x").await;
    let ids = |list: serde_json::Value| {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["user_id"].clone())
            .collect::<Vec<_>>()
    };
    let own = app
        .client
        .get("/notifications", &app.token(&mine))
        .await
        .expect(200)
        .json();
    assert_eq!(ids(own), [json!(mine.id)]);
    let all = app
        .client
        .get("/notifications", &app.admin())
        .await
        .expect(200)
        .json();
    assert_eq!(ids(all), [json!(other.id), json!(mine.id)], "newest first");

    // Asking for somebody else's shows nothing, as if there were nothing.
    let theirs = format!("/notifications?user_id={}", other.id);
    assert!(
        ids(app
            .client
            .get(&theirs, &app.token(&mine))
            .await
            .expect(200)
            .json())
        .is_empty()
    );
}

#[tokio::test]
async fn one_notification_is_shown_to_its_recipient_and_administrators() {
    let app = App::start().await;
    let (mine, other) = (app.peers.patient(), app.peers.patient());
    let my_id = app.notify(mine.id, "EMAIL", "x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/notifications/{my_id}");
    app.client.get(&path, &app.token(&mine)).await.expect(200);
    app.client.get(&path, &app.admin()).await.expect(200);
    assert_eq!(
        app.client.get(&path, &app.token(&other)).await.problem(404),
        "not-found"
    );
    assert_eq!(
        app.client.get(&path, As::Anyone).await.problem(401),
        "unauthorized"
    );
    assert_eq!(
        app.client.get("/notifications", As::Anyone).await.problem(401),
        "unauthorized"
    );
    for unknown in [
        NotificationId::generate().to_string(),
        "x".to_owned(),
        "0".to_owned(),
    ] {
        app.client
            .get(&format!("/notifications/{unknown}"), &app.admin())
            .await
            .problem(404);
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let visit = Visit::booked(&app, &patient, &doctor, app.now() + chrono::TimeDelta::days(2));
    app.hear(&visit.as_booked()).await.unwrap();
    app.send().await;
    app.notify(patient.id, "SMS", "x").await;
    let appointment = visit.change.appointment_id;
    for (filter, count) in [
        ("&status=DELIVERED".to_owned(), 2),
        ("&status=QUEUED".to_owned(), 1),
        ("&status=FAILED".to_owned(), 0),
        ("&channel=SMS".to_owned(), 1),
        ("&channel=EMAIL".to_owned(), 2),
        (format!("&appointment_id={appointment}"), 2),
        (format!("&appointment_id={appointment}&user_id={}", doctor.id), 1),
        (format!("&user_id={}&status=QUEUED&channel=EMAIL", patient.id), 0),
    ] {
        assert_eq!(app.ledger(&filter).await.len(), count, "{filter}");
    }
    for bad in [
        "status=SENDING",
        "channel=FAX",
        "user_id=x",
        "page=2",
        "limit=0",
        "limit=101",
        "limit=x",
    ] {
        app.client
            .get(&format!("/notifications?{bad}"), &app.admin())
            .await
            .problem(422);
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let app = App::start().await;
    let (user, other) = (app.peers.patient(), app.peers.patient());
    for _ in 0..5 {
        app.notify(user.id, "EMAIL", "x").await;
    }
    let token = app.token(&user);
    let mut seen = Vec::new();
    let mut path = "/notifications?limit=2".to_owned();
    loop {
        let page = app.client.get(&path, &token).await.expect(200).json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        // What comes meanwhile is newer and not on later pages.
        app.notify(user.id, "EMAIL", "new").await;
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/notifications?limit=2&cursor={cursor}");
        assert_eq!(
            app.client.get(&path, &app.token(&other)).await.problem(400),
            "unknown-cursor"
        );
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b));
    app.client
        .get("/notifications?cursor=AAAA", &token)
        .await
        .problem(400);
}

#[tokio::test]
async fn a_notification_shows_exactly_what_is_promised() {
    let app = App::start().await;
    let user = app.peers.patient();
    let queued = app.notify(user.id, "EMAIL", "secret words").await;
    let names: Vec<&str> = queued.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = [
        "id",
        "user_id",
        "channel",
        "category",
        "template",
        "status",
        "skip_reason",
        "attempts",
        "provider",
        "provider_message_id",
        "appointment_id",
        "due_at",
        "created_at",
        "sent_at",
    ];
    assert_eq!(names, promised);
}

#[tokio::test]
async fn only_what_failed_is_sent_again_and_only_by_an_administrator() {
    let app = App::start().await;
    let mut user = app.peers.patient();
    user.email = "not an address".to_owned();
    app.peers.put_user(user.clone());
    let id = app.notify(user.id, "EMAIL", "x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/notifications/{id}/retry");
    let nothing = json!({});
    assert_eq!(
        app.client.post(&path, &app.admin(), &nothing).await.problem(409),
        "invalid-transition"
    );
    app.send().await;
    assert_eq!(app.told(user.id).await, ["message/EMAIL/FAILED"]);

    assert_eq!(
        app.client
            .post(&path, &app.token(&user), &nothing)
            .await
            .problem(403),
        "role-not-allowed"
    );
    let nowhere = format!("/notifications/{}/retry", UserId::generate());
    assert_eq!(
        app.client
            .post(&nowhere, &app.admin(), &nothing)
            .await
            .problem(404),
        "not-found"
    );
    user.email = "ada@example.org".to_owned();
    app.peers.put_user(user.clone());
    assert_eq!(
        app.client
            .post(&path, &app.admin(), &nothing)
            .await
            .expect(202)
            .json()["status"],
        "QUEUED"
    );
    app.send().await;
    assert_eq!(app.told(user.id).await, ["message/EMAIL/DELIVERED"]);
    assert_eq!(app.ledger("").await[0]["attempts"], 2);
}
