//! What is remembered, who may read it, and that tampering shows.

use chrono::TimeDelta;
use common::clock::Clock;
use serde_json::json;
use user_service::domain::secrets::Secrets;
use user_service::housekeeping::verify_audit;

use crate::helpers::{PASSWORD, TestApp, text};

#[tokio::test]
async fn what_happens_is_remembered() {
    let app = TestApp::start().await;
    let ann = app.patient("ann").await;
    app.login_as(&ann.email, "wrong-horse-battery-11")
        .await
        .expect(401);
    app.login_as("nobody@x.example", "wrong-horse-battery-11")
        .await
        .expect(401);
    let admin = app.admin().await;
    app.client
        .patch(
            &format!("/users/{}", ann.id),
            &admin.access,
            &json!({"status": "SUSPENDED"}),
        )
        .await
        .expect(200);
    let list = app
        .client
        .get(&format!("/audit?user_id={}", ann.id), &admin.access)
        .await
        .expect(200)
        .json();
    let actions: Vec<(String, String)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(&entry["action"]), text(&entry["outcome"])))
        .collect();
    let expected = [
        ("user.status_changed", "SUCCESS"),
        ("login", "REFUSED"),
        ("login", "SUCCESS"),
        ("user.registered", "SUCCESS"),
    ];
    assert_eq!(
        actions,
        expected.map(|(action, outcome)| (action.to_owned(), outcome.to_owned())),
        "newest first"
    );
    let newest = &list["items"][0];
    assert_eq!(newest["actor_id"], admin.id);
    assert_eq!(newest["details"], json!({"from": "ACTIVE", "to": "SUSPENDED"}));
    assert!(newest["request_id"].is_string() && newest["address"].is_string());
    let all: Vec<String> = sqlx::query_scalar("select details from audit")
        .fetch_all(&app.db)
        .await
        .unwrap();
    let all = all.join("\n");
    for secret in [PASSWORD, "wrong-horse", "@x.example", "Pat Example"] {
        assert!(!all.contains(secret), "{secret} stands in the audit");
    }
}

#[tokio::test]
async fn entries_are_filtered_by_time() {
    let app = TestApp::start_with("", Clock::fixed(Clock::System.now())).await;
    let begun = app.clock.now();
    app.patient("ann").await;
    app.advance(TimeDelta::hours(1));
    let later = app.clock.now();
    app.patient("bob").await;
    let admin = app.admin().await;
    let z = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let elsewhere = later.with_timezone(&chrono::FixedOffset::east_opt(7200).unwrap());
    for (query, expected) in [
        (String::new(), 2),
        (format!("&from={}", z(later)), 1),
        (format!("&from={}&to={}", z(begun), z(later)), 1),
        // A plus sign that nobody escaped is a blank.
        (format!("&from={}", elsewhere.to_rfc3339()), 1),
        (format!("&to={}", later.date_naive() + chrono::Days::new(1)), 2),
        ("&to=2001-01-01".to_owned(), 0),
        ("&from=1000-01-01&to=9999-12-31".to_owned(), 2),
    ] {
        let path = format!("/audit?limit=100&action=user.registered{query}");
        let list = app.client.get(&path, &admin.access).await.expect(200).json();
        assert_eq!(list["items"].as_array().unwrap().len(), expected, "{query}");
    }
    for bad in [
        "yesterday",
        "0000-01-01",
        "1000-01-01T00:00:00%2B23:59",
        "2026-02-30",
    ] {
        let answer = app.client.get(&format!("/audit?from={bad}"), &admin.access).await;
        assert_eq!(
            answer.expect(422).json()["errors"][0]["pointer"],
            "/from",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn entries_come_in_pages() {
    let app = TestApp::start().await;
    app.patient("ann").await;
    let admin = app.admin().await;
    let first = app.client.get("/audit?limit=2", &admin.access).await.json();
    let cursor = text(&first["next_cursor"]);
    let second = app
        .client
        .get(&format!("/audit?limit=2&cursor={cursor}"), &admin.access)
        .await
        .json();
    assert!(second["items"][0]["seq"].as_i64() < first["items"][1]["seq"].as_i64());
}

#[tokio::test]
async fn the_chain_is_whole_under_load_and_breaks_where_it_is_touched() {
    let app = TestApp::start().await;
    app.admin().await;
    let logins = (0..30).map(|n| {
        let app = &app;
        async move {
            app.login_as(&format!("u{n}@x.example"), "wrong-horse-battery-11")
                .await
        }
    });
    for answer in futures_util::future::join_all(logins).await {
        answer.expect(401);
    }
    let secrets = Secrets::new(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into()).unwrap();
    let verify = || async {
        let mut connection = app.db.acquire().await.unwrap();
        verify_audit(&mut connection, &secrets.audit, None)
            .await
            .map_err(|error| error.to_string())
    };
    let entries = verify().await.unwrap();
    assert!(entries >= 32, "{entries}");
    for (harm, repair, says) in [
        (
            "update audit set outcome = 'SUCCESS' where seq = 5",
            "update audit set outcome = 'REFUSED' where seq = 5",
            "entry 5 was altered",
        ),
        (
            "update audit set at = at + interval 1 second where seq = 7",
            "update audit set at = at - interval 1 second where seq = 7",
            "entry 7 was altered",
        ),
        (
            "update audit set seq = 1000 where seq = 9",
            "update audit set seq = 9 where seq = 1000",
            "entries are missing before 10",
        ),
        (
            "update guards set value = value + 1 where name = 'audit'",
            "update guards set value = value - 1 where name = 'audit'",
            "are missing",
        ),
    ] {
        sqlx::raw_sql(harm).execute(&app.db).await.unwrap();
        let error = verify().await.unwrap_err();
        assert!(error.contains(says), "{harm}: {error}");
        sqlx::raw_sql(repair).execute(&app.db).await.unwrap();
        assert_eq!(verify().await, Ok(entries));
    }
}
