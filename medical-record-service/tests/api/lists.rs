//! Lists: newest first, filtered, in pages, never more than the caller may know.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::helpers::{Person, TestApp, id_of, now};

async fn write(app: &TestApp, patient: &Person, kind: &str, days_ago: i64) -> String {
    let at = now() - TimeDelta::days(days_ago);
    let body = json!({"patient_id": patient.id, "record_type": kind, "occurred_at": at});
    id_of(&app.post(patient, &body).await.expect(201))
}

fn ids(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn newest_first_by_what_happened_then_by_what_was_written_last() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let old = write(&app, &patient, "HISTORY", 400).await;
    let first_today = write(&app, &patient, "OTHER", 0).await;
    let second_today = write(&app, &patient, "OTHER", 0).await;
    let week = write(&app, &patient, "LAB_REPORT", 7).await;
    let list = app
        .get(&patient, &format!("/records/{}", patient.id))
        .await
        .expect(200)
        .json();
    assert_eq!(ids(&list), [second_today, first_today, week, old]);
}

#[tokio::test]
async fn filters_narrow_by_type_and_time() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let today = write(&app, &patient, "OTHER", 0).await;
    let week = write(&app, &patient, "LAB_REPORT", 7).await;
    let month = write(&app, &patient, "LAB_REPORT", 30).await;
    // Now is 2026-06-15T10:00:00.123Z.
    let cases: [(&str, &[&String]); 9] = [
        ("record_type=LAB_REPORT", &[&week, &month]),
        ("record_type=IMAGING", &[]),
        ("from=2026-06-08", &[&today, &week]),
        ("from=2026-06-09", &[&today]),
        ("to=2026-06-08", &[&week, &month]),
        ("to=2026-06-07", &[&month]),
        ("from=2026-06-08&to=2026-06-08", &[&week]),
        (
            "from=2026-06-08T10:00:00.123Z&to=2026-06-08T12:00:00.124%2B02:00",
            &[&week],
        ),
        ("from=2026-06-01&record_type=LAB_REPORT", &[&week]),
    ];
    for (query, expected) in cases {
        let list = app
            .get(&patient, &format!("/records/{}?{query}", patient.id))
            .await
            .expect(200)
            .json();
        assert_eq!(ids(&list).iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_records_are_added() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let mut expected = Vec::new();
    for days in 0..7 {
        expected.push(write(&app, &patient, "OTHER", days / 3).await);
    }
    let base = format!("/records/{}?limit=3", patient.id);
    let mut seen = Vec::new();
    let mut path = base.clone();
    loop {
        let page = app.get(&patient, &path).await.expect(200).json();
        seen.extend(ids(&page));
        // Newer than everything seen: must not shift the pages that follow.
        write(&app, &patient, "OTHER", -1).await;
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{base}&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_owner_only() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    for _ in 0..3 {
        app.note(&patient, &patient).await;
    }
    let base = format!("/records/{}?limit=2", patient.id);
    let page = app.get(&patient, &base).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for (who, cursor) in [
        (&doctor, cursor),
        (&patient, "x"),
        (&patient, "AAAAAAAAAAAAAAAAAAAAAAAA"),
        (&patient, ""),
    ] {
        assert_eq!(
            app.get(who, &format!("{base}&cursor={cursor}"))
                .await
                .problem(400),
            "unknown-cursor",
            "{cursor}"
        );
    }
}

#[tokio::test]
async fn no_list_shows_another_patients_records() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let other = app.patient();
    app.visit(&doctor, &other);
    for _ in 0..3 {
        app.note(&doctor, &patient).await;
    }
    let own = app.note(&doctor, &other).await;
    let list = app.get(&doctor, &format!("/records/{}", other.id)).await.json();
    assert_eq!(ids(&list), [own]);
    assert_eq!(list["next_cursor"], json!(null));
}

#[tokio::test]
async fn an_amended_record_takes_its_new_place() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let moved = write(&app, &patient, "OTHER", 10).await;
    let fixed = write(&app, &patient, "OTHER", 5).await;
    let body = json!({"amendment_reason": "wrong date", "occurred_at": now(), "record_type": "IMAGING"});
    let place = format!("/records/{}/{moved}/amendments", patient.id);
    let new = id_of(&app.client.post(&place, &patient.token, &body).await.expect(201));
    let base = format!("/records/{}", patient.id);
    assert_eq!(ids(&app.get(&patient, &base).await.json()), [new.clone(), fixed]);
    assert_eq!(
        ids(&app
            .get(&patient, &format!("{base}?record_type=IMAGING"))
            .await
            .json()),
        [new]
    );
}
