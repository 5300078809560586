//! Operators of the database, and texts that are something else elsewhere: never more than texts here.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{TestApp, form};

fn operators() -> Vec<Value> {
    vec![
        json!({"$ne": null}),
        json!({"$gt": ""}),
        json!({"$where": "sleep(5000)"}),
        json!({"$regex": ".*"}),
        json!({"$expr": {"$eq": [1, 1]}}),
        json!({"$in": []}),
        json!({"a.b": 1}),
        json!({"\u{0}": 1}),
        json!([]),
        json!([{"$ne": null}]),
        json!(0),
        json!(true),
    ]
}

#[tokio::test]
async fn no_member_takes_an_operator() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let id = app.note(&doctor, &patient).await;
    let begun = Instant::now();
    for operator in operators() {
        for member in [
            "patient_id",
            "record_type",
            "title",
            "notes",
            "appointment_id",
            "occurred_at",
        ] {
            let mut body = json!({"patient_id": patient.id, "record_type": "OTHER"});
            body[member] = operator.clone();
            assert_eq!(
                app.post(&doctor, &body).await.problem(422),
                "invalid-request",
                "{member}: {operator}"
            );
        }
        let place = format!("/records/{}/{id}", patient.id);
        let body = json!({"reason": operator});
        let answer = app
            .client
            .put(&format!("{place}/withdrawal"), &doctor.token, &body)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{operator}");
        let body = json!({"amendment_reason": operator});
        let answer = app
            .client
            .post(&format!("{place}/amendments"), &doctor.token, &body)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{operator}");
        let body = json!({"doctor_id": operator});
        let answer = app
            .client
            .post(&format!("/records/{}/grants", patient.id), &patient.token, &body)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{operator}");
    }
    assert!(begun.elapsed().as_secs() < 60, "nothing slept");
    assert_eq!(app.count("records").await, 1);
}

#[tokio::test]
async fn operators_in_data_are_data() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let sent = r#"{"$where":"sleep(5000)","a.b":{"$ne":null},"__proto__":{"admin":true},"n":12345678901234567890.10}"#;
    let answer = app
        .upload(&patient, form(&patient, "OTHER").text("data", sent))
        .await
        .expect(201);
    assert!(
        answer.text().contains(&format!("\"data\":{sent}")),
        "byte for byte: {}",
        answer.text()
    );
    let path = format!(
        "/records/{}/{}",
        patient.id,
        answer.json()["id"].as_str().unwrap()
    );
    assert!(
        app.get(&patient, &path)
            .await
            .text()
            .contains(&format!("\"data\":{sent}"))
    );
    for bad in [
        r#"{"a":1,"a":2}"#,
        r#"{"\u0000":1}"#,
        "[]",
        "1",
        "null",
        r#"{"a":1e999}"#,
    ] {
        assert_eq!(
            app.upload(&patient, form(&patient, "OTHER").text("data", bad))
                .await
                .problem(422),
            "invalid-request",
            "{bad}"
        );
        let body = format!(
            r#"{{"patient_id":"{}","record_type":"OTHER","data":{bad}}}"#,
            patient.id
        );
        let request = app
            .client
            .request(Method::POST, "/records", &patient.token)
            .header("content-type", "application/json")
            .body(body);
        let answer = common_testing::Client::send(request).await;
        let expected = if bad == "null" { 201 } else { 422 };
        assert_eq!(answer.status.as_u16(), expected, "{bad}: {}", answer.text());
    }
}

#[tokio::test]
async fn ids_have_one_spelling_and_queries_no_operators() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let id = app.note(&patient, &patient).await;
    let simple = patient.id.uuid().simple().to_string();
    for other in [
        "0",
        "-1",
        "null",
        "%7B%7D",
        "%00",
        "[$ne]=1",
        "$ne",
        &simple,
        &format!("%7B{}%7D", patient.id),
    ] {
        let answer = app.get(&patient, &format!("/records/{other}")).await;
        assert_eq!(answer.problem(404), "not-found", "{other}");
        let answer = app
            .get(&patient, &format!("/records/{}/{other}", patient.id))
            .await;
        assert_eq!(answer.problem(404), "not-found", "{other}");
    }
    for query in [
        "patient_id[$ne]=1",
        "record_type[$ne]=OTHER",
        "record_type=%7B%22$ne%22:null%7D",
        "sort=password",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1e9",
        "limit[$gt]=1",
        "from=%7B%22$gt%22:0%7D",
        "to=tomorrow",
        "from=2026-02-02&to=2026-02-01",
        "record_type=OTHER&record_type=HISTORY",
        "skip=1",
        "record_type=other",
    ] {
        let answer = app
            .get(&patient, &format!("/records/{}?{query}", patient.id))
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{query}");
    }
    let upper = patient.id.to_string().to_uppercase();
    app.get(&patient, &format!("/records/{upper}/{id}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn naughty_texts_come_back_as_they_were_sent() {
    let app = TestApp::start().await;
    let patient = app.patient();
    for text in [
        "' OR 1=1-- ",
        "'; DROP TABLE records;--",
        "{{7*7}} ${7*7} #{7*7}",
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
        "${jndi:ldap://127.0.0.1/a}",
        "Ω≈ç√∫˜µ≤≥÷",
        "田中さんにあげて下さい",
        "👩🏽‍⚕️",
        "  leading and trailing  ",
        "null",
        "NaN",
        "\\\"'",
        "ﷺ",
        "é e\u{301}",
        "../../../etc/passwd",
        "%00%0d%0a",
    ] {
        let body = json!({"patient_id": patient.id, "record_type": "OTHER", "title": text, "notes": text, "data": {"text": text}});
        let record = app.post(&patient, &body).await.expect(201).json();
        assert_eq!(
            (&record["title"], &record["notes"], &record["data"]["text"]),
            (&json!(text), &json!(text), &json!(text))
        );
    }
    for text in ["a\u{0}b", "a\u{1b}[31mb", "a\u{202e}b", "a\u{85}b", "a\u{2028}b"] {
        let body = json!({"patient_id": patient.id, "record_type": "OTHER", "title": text, "notes": text});
        let answer = app.post(&patient, &body).await;
        assert_eq!(answer.problem(422), "invalid-request");
        assert_eq!(
            answer.json()["errors"].as_array().unwrap().len(),
            2,
            "both are named"
        );
    }
}
