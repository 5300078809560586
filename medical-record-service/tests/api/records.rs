//! Writing and reading records.

use common_testing::eventually;
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
        let list = app.get(reader, &format!("/records/{}", patient.id)).await.expect(200).json();
        assert_eq!(list, json!({"items": [expected], "next_cursor": null}));
        let file = app.get(reader, &format!("{path}/file")).await.expect(200);
        assert_eq!(file.body, PDF);
    }
    eventually("no upload is left open", || async { (app.count("uploads").await == 0).then_some(()) }).await;
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
    let file = app.get(&patient, &format!("/records/{}/{id}/file", patient.id)).await.expect(200);
    assert_eq!(file.body, b"Hb 14.1 g/dl");
    assert_eq!(file.header("content-type"), "text/plain");
}

#[tokio::test]
async fn a_patient_keeps_own_records_but_writes_no_prescription() {
    let app = TestApp::start().await;
    let patient = app.patient();
    let body = json!({"patient_id": patient.id, "record_type": "HISTORY", "title": "Allergies", "notes": "penicillin"});
    let record = app.post(&patient, &body).await.expect(201).json();
    assert_eq!((&record["doctor_id"], &record["author_id"]), (&json!(null), &json!(patient.id)));
    let body = json!({"patient_id": patient.id, "record_type": "PRESCRIPTION"});
    assert_eq!(app.post(&patient, &body).await.problem(403), "role-not-allowed");
}
