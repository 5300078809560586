//! The access log: complete, before the answer, and proof against quiet changes.

use mongodb::bson::doc;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{TestApp, form, now, pdf};

fn facts(entry: &Value) -> (&str, &str, &str) {
    let text = |member: &str| entry[member].as_str().unwrap();
    (text("action"), text("outcome"), text("rule"))
}

/// What the test below does, newest first.
const STORY: [(&str, &str, &str); 13] = [
    ("GRANT", "ALLOWED", "OWN_RECORD"),
    ("WITHDRAW", "ALLOWED", "AUTHOR"),
    ("WITHDRAW", "REFUSED", "NOT_THE_AUTHOR"),
    ("READ", "REFUSED", "NOT_THE_PATIENT"),
    ("READ", "REFUSED", "ROLE"),
    ("READ", "REFUSED", "NOT_VERIFIED"),
    ("DOWNLOAD", "REFUSED", "NO_RELATIONSHIP"),
    ("LIST", "REFUSED", "NO_RELATIONSHIP"),
    ("READ_VERSIONS", "ALLOWED", "AUTHOR"),
    ("DOWNLOAD", "ALLOWED", "OWN_RECORD"),
    ("READ", "ALLOWED", "OWN_RECORD"),
    ("LIST", "ALLOWED", "APPOINTMENT"),
    ("CREATE", "ALLOWED", "APPOINTMENT"),
];

#[tokio::test]
async fn every_read_write_and_refusal_is_there_with_the_rule() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let (stranger, pending, admin, other) = (app.doctor(), app.pending_doctor(), app.admin(), app.patient());
    let base = format!("/records/{}", patient.id);
    let id = app.document(&doctor, &patient).await;
    let record = format!("{base}/{id}");
    app.get(&doctor, &base).await.expect(200);
    app.get(&patient, &record).await.expect(200);
    app.get(&patient, &format!("{record}/file")).await.expect(200);
    app.get(&doctor, &format!("{record}/versions")).await.expect(200);
    app.get(&stranger, &base).await.expect(403);
    app.get(&stranger, &format!("{record}/file")).await.expect(404);
    app.get(&pending, &record).await.expect(403);
    app.get(&admin, &record).await.expect(403);
    app.get(&other, &record).await.expect(404);
    app.client
        .put(
            &format!("{record}/withdrawal"),
            &patient.token,
            &json!({"reason": "mine"}),
        )
        .await
        .expect(403);
    app.client
        .put(
            &format!("{record}/withdrawal"),
            &doctor.token,
            &json!({"reason": "error"}),
        )
        .await
        .expect(200);
    app.grant(&patient, &stranger).await;
    let log = app.log(&patient).await;
    assert_eq!(log.iter().map(facts).collect::<Vec<_>>(), STORY);
    let download = &log[9];
    for (member, value) in [
        ("user_id", json!(patient.id)),
        ("user_name", json!("Test PATIENT")),
        ("role", json!("PATIENT")),
        ("patient_id", json!(patient.id)),
        ("record_id", json!(id)),
        ("at", json!(now())),
        ("reason", json!(null)),
        ("intact", json!(true)),
    ] {
        assert_eq!(download[member], value, "{member}");
    }
    assert!(download["request_id"].as_str().is_some_and(|id| id.len() >= 8));
}

#[tokio::test]
async fn an_admin_reads_the_log_and_is_in_it() {
    let app = TestApp::start().await;
    let (patient, admin) = (app.patient(), app.admin());
    app.note(&patient, &patient).await;
    let path = format!("/records/{}/access-log", patient.id);
    app.get(&admin, &path).await.expect(200);
    let items = app.get(&patient, &path).await.json()["items"].clone();
    assert_eq!(facts(&items[1]), ("READ_ACCESS_LOG", "ALLOWED", "OVERSIGHT"));
}

#[tokio::test]
async fn what_cannot_be_logged_is_neither_shown_nor_written() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let record = format!(
        "/records/{}/{}",
        patient.id,
        app.document(&doctor, &patient).await
    );
    let before = app.count("records").await;
    // From now on the log refuses every row.
    let block = doc! { "collMod": "access_log", "validator": { "nothing": { "$exists": true } } };
    app.db.run_command(block).await.unwrap();

    for path in [
        format!("/records/{}", patient.id),
        record.clone(),
        format!("{record}/file"),
        format!("{record}/versions"),
    ] {
        for reader in [&patient, &doctor] {
            let answer = app.get(reader, &path).await;
            assert_eq!(answer.problem(503), "unavailable", "{path}");
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    let glass = app
        .get_with(&app.doctor(), &record, &[("x-break-glass", "cardiac arrest")])
        .await;
    assert_eq!(glass.problem(503), "unavailable");
    let refused = app
        .upload(
            &doctor,
            form(&patient, "LAB_REPORT").part("file", pdf("report.pdf")),
        )
        .await;
    assert_eq!(refused.problem(503), "unavailable");
    assert_eq!(app.count("records").await, before);
    let withdrawal = app
        .client
        .put(
            &format!("{record}/withdrawal"),
            &doctor.token,
            &json!({"reason": "error"}),
        )
        .await;
    assert_eq!(withdrawal.problem(503), "unavailable");

    app.db
        .run_command(doc! { "collMod": "access_log", "validator": {} })
        .await
        .unwrap();
    assert_eq!(
        app.get(&patient, &record).await.expect(200).json()["status"],
        "FINAL"
    );
}

#[tokio::test]
async fn readers_at_the_same_time_all_find_their_place() {
    let app = TestApp::start().await;
    let second = TestApp::on(
        app.db.clone(),
        app.peers.clone(),
        crate::helpers::Setup::default(),
    )
    .await;
    let patient = app.patient();
    let elsewhere = second.again(&patient, common::auth::Role::Patient);
    let path = format!("/records/{}", patient.id);
    let readers = (0..40).map(|turn| {
        let (client, token) = if turn % 2 == 0 {
            (&app.client, &patient.token)
        } else {
            (&second.client, &elsewhere.token)
        };
        client.get(&path, token)
    });
    for answer in futures_util::future::join_all(readers).await {
        answer.expect(200);
    }
    let log = app.log(&patient).await;
    assert_eq!(log.len(), 40);
    assert!(log.iter().all(|entry| entry["intact"] == true));
    let places: Vec<i64> = log.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert_eq!(places, (1..=40).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_changed_a_moved_and_a_missing_row_show() {
    for (how, change) in [
        ("changed", 0),
        ("removed", 1),
        ("renumbered", 2),
        ("removed, and the gap closed", 3),
    ] {
        let app = TestApp::start().await;
        let patient = app.patient();
        for _ in 0..4 {
            app.get(&patient, &format!("/records/{}", patient.id))
                .await
                .expect(200);
        }
        let rows = app.db.collection::<mongodb::bson::Document>("access_log");
        let second = doc! { "seq": 2 };
        match change {
            0 => {
                let row = rows.find_one(second.clone()).await.unwrap().unwrap();
                let line = row.get_str("line").unwrap().replace("ALLOWED", "REFUSED");
                rows.update_one(second, doc! { "$set": { "line": line } })
                    .await
                    .unwrap();
            }
            1 => drop(rows.delete_one(second).await.unwrap()),
            2 => drop(
                rows.update_one(second, doc! { "$set": { "seq": 200 } })
                    .await
                    .unwrap(),
            ),
            _ => {
                rows.delete_one(second).await.unwrap();
                for seq in 3..=4 {
                    rows.update_one(doc! { "seq": seq }, doc! { "$inc": { "seq": -1 } })
                        .await
                        .unwrap();
                }
            }
        }
        let log = app.log(&patient).await;
        assert!(log.iter().any(|entry| entry["intact"] == false), "{how}");
        assert!(log.iter().any(|entry| entry["intact"] == true), "{how}");
    }
}

#[tokio::test]
async fn the_log_comes_in_pages_and_its_cursor_is_personal() {
    let app = TestApp::start().await;
    let (patient, admin) = (app.patient(), app.admin());
    for _ in 0..5 {
        app.get(&patient, &format!("/records/{}", patient.id))
            .await
            .expect(200);
    }
    let path = format!("/records/{}/access-log?limit=3", patient.id);
    let first = app.get(&patient, &path).await.expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = app
        .get(&patient, &format!("{path}&cursor={cursor}"))
        .await
        .expect(200)
        .json();
    let seqs: Vec<&Value> = [&first, &next]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|entry| &entry["seq"])
        .collect();
    assert_eq!(
        seqs,
        [6, 5, 4, 3, 2, 1].map(|n| json!(n)).iter().collect::<Vec<_>>()
    );
    assert!(
        next["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["intact"] == true)
    );
    assert_eq!(
        app.get(&admin, &format!("{path}&cursor={cursor}"))
            .await
            .problem(400),
        "unknown-cursor"
    );
}

#[tokio::test]
async fn nobody_changes_the_log_from_outside() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let path = format!("/records/{}/access-log", patient.id);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = common_testing::Client::send(app.client.request(method, &path, &patient.token)).await;
        assert_eq!(answer.problem(405), "method-not-allowed");
    }
}
