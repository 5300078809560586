use common::ids::UserId;
use common_testing::As;
use serde_json::{Value, json};

use crate::helpers::App;

#[tokio::test]
async fn an_administrator_writes_to_a_user() {
    let app = App::start().await;
    let user = app.peers.patient();
    let body = json!({"user_id": user.id, "channel": "EMAIL", "subject": "Opening hours", "message": "Closed on Friday.\n\nSorry."});
    let answer = app.client.post("/notify", &app.admin(), &body).await.expect(202);
    let queued = answer.json();
    assert_eq!(queued["status"], "QUEUED");
    assert_eq!(queued["user_id"], json!(user.id));
    assert_eq!(
        (queued["category"].as_str(), queued["template"].as_str()),
        (Some("MESSAGE"), Some("message"))
    );
    let location = answer.header("location").to_owned();
    assert_eq!(
        location,
        format!("/notifications/{}", queued["id"].as_str().unwrap())
    );

    app.send().await;
    let sent = app.client.get(&location, &app.admin()).await.expect(200).json();
    assert_eq!(
        (sent["status"].as_str(), sent["provider"].as_str()),
        (Some("DELIVERED"), Some("file"))
    );
    assert_eq!(sent["attempts"], 1);
    assert!(sent["sent_at"].is_string() && sent["provider_message_id"].is_string());
    assert!(
        !sent.to_string().contains("Friday"),
        "no words in the ledger: {sent}"
    );
    let mail = app.mails().pop().unwrap();
    assert!(
        mail.contains("Subject: Opening hours") && mail.contains("Closed on Friday."),
        "{mail}"
    );

    app.notify(user.id, "SMS", "Closed on Friday.").await;
    app.send().await;
    assert_eq!(app.texts()[0]["to"], json!(user.phone));
    assert!(
        app.texts()[0]["body"]
            .as_str()
            .unwrap()
            .ends_with("Closed on Friday.")
    );
}

#[tokio::test]
async fn the_same_words_twice_are_two_messages() {
    let app = App::start().await;
    let user = app.peers.patient();
    for _ in 0..2 {
        app.notify(user.id, "EMAIL", "hello").await;
    }
    app.send().await;
    assert_eq!(app.mails().len(), 2);
}

#[tokio::test]
async fn only_administrators_write() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let body = json!({"user_id": patient.id, "channel": "EMAIL", "message": "hello"});
    assert_eq!(
        app.client.post("/notify", As::Anyone, &body).await.problem(401),
        "unauthorized"
    );
    for user in [&patient, &doctor] {
        assert_eq!(
            app.client
                .post("/notify", &app.token(user), &body)
                .await
                .problem(403),
            "role-not-allowed"
        );
    }
    let service = app.mint.service("user-service", "notification-service");
    app.client.post("/notify", &service, &body).await.problem(401);
    assert!(app.ledger("").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let app = App::start().await;
    let mut user = app.peers.patient();
    let cases: Vec<(Value, &str)> = vec![
        (json!({"message": ""}), "/message"),
        (json!({"message": " \n\t "}), "/message"),
        (json!({"message": "x".repeat(10_001)}), "/message"),
        (
            json!({"message": "x".repeat(1_601), "channel": "SMS"}),
            "/message",
        ),
        (json!({"message": "a\u{0}b"}), "/message"),
        (json!({"message": "a\u{1b}[31m"}), "/message"),
        (json!({"message": 7}), "/message"),
        (json!({"message": "x", "subject": ""}), "/subject"),
        (json!({"message": "x", "subject": "a\nb"}), "/subject"),
        (
            json!({"message": "x", "subject": "a\r\nBcc: all@example.org"}),
            "/subject",
        ),
        (json!({"message": "x", "subject": "a\u{2028}b"}), "/subject"),
        (json!({"message": "x", "subject": "x".repeat(201)}), "/subject"),
        (json!({"message": "x", "channel": "FAX"}), "/channel"),
        (json!({"message": "x", "channel": "email"}), "/channel"),
        (json!({"message": "x", "user_id": "me"}), "/user_id"),
        (json!({"message": "x", "to": "all@example.org"}), "/to"),
    ];
    for (change, pointer) in cases {
        let mut body = json!({"user_id": user.id, "channel": "EMAIL"});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = app.client.post("/notify", &app.admin(), &body).await;
        assert_eq!(answer.problem(422), "invalid-request", "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let longest = json!({"user_id": user.id, "channel": "SMS", "message": "x".repeat(1_600)});
    app.client
        .post("/notify", &app.admin(), &longest)
        .await
        .expect(202);

    user.phone = None;
    app.peers.put_user(user.clone());
    let answer = app.client.post("/notify", &app.admin(), &longest).await;
    assert_eq!(answer.problem(422), "no-address");
    let stranger = json!({"user_id": UserId::generate(), "channel": "EMAIL", "message": "x"});
    assert_eq!(
        app.client
            .post("/notify", &app.admin(), &stranger)
            .await
            .problem(404),
        "not-found"
    );
    let missing = json!({"channel": "EMAIL", "message": "x"});
    app.client
        .post("/notify", &app.admin(), &missing)
        .await
        .problem(422);
}

#[tokio::test]
async fn without_user_service_the_answer_is_503() {
    let app = App::start().await;
    let user = app.peers.patient();
    app.peers.set_away(true);
    let body = json!({"user_id": user.id, "channel": "EMAIL", "message": "x"});
    let answer = app.client.post("/notify", &app.admin(), &body).await;
    assert_eq!(answer.problem(503), "unavailable");
    assert!(!answer.header("retry-after").is_empty());
}
