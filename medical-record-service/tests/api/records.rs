//! Writing and reading records.

use common_testing::{Client, eventually};
use reqwest::Method;
use serde_json::json;

use crate::helpers::{PDF, TestApp, form, id_of, now, part, pdf};

#[tokio::test]
async fn a_prescription_with_a_file_is_uploaded_and_read_by_both() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let visit = app.visit(&doctor, &patient);
    let form = form(&patient, "PRESCRIPTION")
        .text("title", "Amoxicillin 500 mg")
        .text("notes", "three times a day\nwith food")
        .text("data", r#"{"drug":"amoxicillin","dose_mg":500.0}"#)
        .text("appointment_id", visit.to_string())
        .part("file", pdf("Rezept Müller.pdf"));
    let answer = app.upload(&doctor, form).await.expect(201);
    let record = answer.json();
    let path = format!("/records/{}/{}", patient.id, record["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), path);
    let expected = json!({
        "id": record["id"], "patient_id": patient.id, "doctor_id": doctor.id, "author_id": doctor.id,
        "record_type": "PRESCRIPTION", "title": "Amoxicillin 500 mg", "notes": "three times a day\nwith food",
        "data": {"drug": "amoxicillin", "dose_mg": 500.0}, "appointment_id": visit, "occurred_at": now(),
        "file": {
            "name": "Rezept Müller.pdf", "content_type": "application/pdf", "size": PDF.len(),
            "sha256": record["file"]["sha256"],
        },
        "status": "FINAL", "version": 1, "amends": null, "amendment_reason": null, "created_at": now(), "withdrawal": null,
    });
    assert_eq!(record, expected);
    for reader in [&patient, &doctor] {
        assert_eq!(app.get(reader, &path).await.expect(200).json(), expected);
        let list = app
            .get(reader, &format!("/records/{}", patient.id))
            .await
            .expect(200)
            .json();
        assert_eq!(list, json!({"items": [expected], "next_cursor": null}));
        let file = app.get(reader, &format!("{path}/file")).await.expect(200);
        assert_eq!(file.body, PDF);
    }
    eventually("no upload is left open", || async {
        (app.count("uploads").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_parts_of_a_form_may_come_in_any_order() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let form = reqwest::multipart::Form::new()
        .part("file", part(b"Hb 14.1 g/dl", "values.txt", "text/plain"))
        .text("record_type", "LAB_REPORT")
        .text("patient_id", patient.id.to_string());
    let id = id_of(&app.upload(&doctor, form).await.expect(201));
    let file = app
        .get(&patient, &format!("/records/{}/{id}/file", patient.id))
        .await
        .expect(200);
    assert_eq!(file.body, b"Hb 14.1 g/dl");
    assert_eq!(file.header("content-type"), "text/plain");
}

#[tokio::test]
async fn a_patient_keeps_own_records_but_writes_no_prescription() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY", "title": "Allergies", "notes": "penicillin"});
    let record = app.post(&patient, &body).await.expect(201).json();
    assert_eq!(
        (&record["doctor_id"], &record["author_id"]),
        (&json!(null), &json!(patient.id))
    );
    let body = json!({"patient_id": patient.id, "record_type": "PRESCRIPTION"});
    assert_eq!(app.post(&patient, &body).await.problem(403), "role-not-allowed");
}

#[tokio::test]
async fn wrong_members_are_all_named() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = json!({
        "record_type": "SCAN", "title": "x".repeat(201), "notes": "x".repeat(20_001), "data": [1],
        "appointment_id": "visit", "occurred_at": "yesterday",
    });
    let answer = app.post(&patient, &body).await;
    assert_eq!(answer.problem(422), "invalid-request");
    let mut pointers: Vec<String> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/appointment_id",
            "/data",
            "/notes",
            "/occurred_at",
            "/patient_id",
            "/record_type",
            "/title"
        ]
    );
    for (member, value) in [
        ("occurred_at", json!("1899-12-31T00:00:00Z")),
        ("occurred_at", json!("2028-01-01T00:00:00Z")),
        ("occurred_at", json!("2026-01-01")),
        ("patient_id", json!(patient.id.uuid().simple().to_string())),
        ("id", json!(patient.id)),
        ("author_id", json!(patient.id)),
        ("doctor_id", json!(patient.id)),
        ("status", json!("FINAL")),
        ("version", json!(3)),
        ("file", json!({"name": "a.pdf"})),
    ] {
        let mut body = json!({"patient_id": patient.id, "record_type": "OTHER"});
        body[member] = value;
        assert_eq!(
            app.post(&patient, &body).await.problem(422),
            "invalid-request",
            "{member}"
        );
    }
    assert_eq!(app.count("records").await, 0);
}

#[tokio::test]
async fn a_record_names_only_a_visit_of_this_patient_at_this_doctor() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let (other_patient, other_doctor) = (app.patient(), app.doctor());
    let own = app.visit(&doctor, &patient);
    let foreign = [
        app.visit(&doctor, &other_patient),
        app.visit(&other_doctor, &patient),
        app.visit(&other_doctor, &other_patient),
        common::ids::AppointmentId::generate(),
    ];
    let body = |visit| json!({"patient_id": patient.id, "record_type": "OTHER", "appointment_id": visit});
    app.post(&doctor, &body(own)).await.expect(201);
    for visit in foreign {
        assert_eq!(
            app.post(&doctor, &body(visit)).await.problem(422),
            "invalid-request"
        );
    }
    app.post(&patient, &body(foreign[1])).await.expect(201);
    assert_eq!(
        app.post(&patient, &body(foreign[0])).await.problem(422),
        "invalid-request"
    );
}

#[tokio::test]
async fn there_is_no_delete_and_no_overwriting() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let id = app.document(&patient, &patient).await;
    let base = format!("/records/{}/{id}", patient.id);
    for path in [
        "/records".to_owned(),
        format!("/records/{}", patient.id),
        base.clone(),
        format!("{base}/file"),
        format!("{base}/versions"),
    ] {
        for method in [Method::DELETE, Method::PUT, Method::PATCH, Method::TRACE] {
            let answer = Client::send(app.client.request(method.clone(), &path, &patient.token)).await;
            assert_eq!(answer.problem(405), "method-not-allowed", "{method} {path}");
        }
    }
    app.get(&patient, &base).await.expect(200);
}

#[tokio::test]
async fn the_description_has_every_endpoint() {
    let document = serde_json::to_value(medical_record_service::openapi()).unwrap();
    let mut paths: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "DELETE /records/{patient_id}/grants/{doctor_id}",
            "GET /records/{patient_id}",
            "GET /records/{patient_id}/access-log",
            "GET /records/{patient_id}/grants",
            "GET /records/{patient_id}/{record_id}",
            "GET /records/{patient_id}/{record_id}/file",
            "GET /records/{patient_id}/{record_id}/versions",
            "POST /records",
            "POST /records/{patient_id}/grants",
            "POST /records/{patient_id}/{record_id}/amendments",
            "PUT /records/{patient_id}/{record_id}/withdrawal",
        ]
    );
}
