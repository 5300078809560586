use std::time::Duration;

use e2e::model::{NewRecord, Notification, Upload};
use e2e::{Session, wait};
use reqwest::Method;
use serde_json::json;

use crate::cast::{self, answer};
use crate::processes::Fleet;

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// Wait for a message that fits.
async fn told(user: &Session, what: &str, fits: impl Fn(&Notification) -> bool) -> Notification {
    let found = wait::until(Duration::from_secs(20), || async {
        let list = user.notifications().await.ok()?;
        list.items
            .into_iter()
            .find(|notification| fits(notification) && notification.has_left())
    });
    found.await.unwrap_or_else(|| panic!("nobody was told: {what}"))
}

pub(crate) async fn one_visit(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    assert!(
        patient
            .find_doctors("Cardiology", "Case")
            .await
            .unwrap()
            .iter()
            .any(|found| found.id == doctor.id())
    );
    let visit = cast::visit(&patient, &doctor).await;
    assert_eq!(
        (visit.status.as_str(), visit.patient_id, visit.doctor_id),
        ("BOOKED", patient.id(), doctor.id())
    );
    assert_eq!(doctor.appointment(visit.id).await.unwrap().id, visit.id);
    told(&patient, "the patient of the booking", |n| {
        n.appointment_id == Some(visit.id) && n.channel == "EMAIL"
    })
    .await;
    told(&doctor, "the doctor of the booking", |n| {
        n.appointment_id == Some(visit.id) && n.channel == "EMAIL"
    })
    .await;

    let record = NewRecord {
        patient_id: patient.id(),
        record_type: "PRESCRIPTION",
        title: "CNRY-title".to_owned(),
        notes: Some("CNRY-notes".to_owned()),
        data: Some(json!({ "dose": "CNRY-dose" })),
        appointment_id: Some(visit.id),
        file: Some(Upload {
            name: "CNRY-file.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            content: PDF.to_vec(),
        }),
    };
    let written = doctor.upload(record).await.unwrap();
    let list = patient.records(patient.id()).await.unwrap();
    assert_eq!(list.items[0].id, written.id);
    assert_eq!(patient.download(patient.id(), written.id).await.unwrap(), PDF);
    assert_eq!(doctor.download(patient.id(), written.id).await.unwrap(), PDF);
    told(&patient, "of the record", |n| {
        n.category.to_uppercase().contains("RECORD")
    })
    .await;

    nothing_leaked(fleet);
}

/// What is private stays out of mails, texts and logs.
fn nothing_leaked(fleet: &Fleet) {
    let folders = ["mail", "sms"].map(|name| fleet.folder().join(name));
    let mails = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let mut texts: Vec<_> = mails
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(texts.len() >= 3, "only {} messages", texts.len());
    for service in [
        "api-gateway",
        "user-service",
        "appointment-service",
        "medical-record-service",
        "notification-service",
    ] {
        let log = fleet.log_text(service);
        assert!(!log.contains("@example.org"), "{service} logs addresses");
        assert!(!log.contains("Case PATIENT"), "{service} logs names");
        assert!(!log.contains("eyJ"), "{service} logs tokens");
        texts.push(log);
    }
    assert!(
        texts.iter().all(|text| !text.contains("CNRY")),
        "private content leaked"
    );
}

pub(crate) async fn moved_and_cancelled(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    let visit = cast::visit(&patient, &doctor).await;
    let slots = cast::free(&patient, &doctor).await;
    assert!(
        slots.iter().all(|slot| slot.start_at != visit.start_at),
        "a booked time is still offered"
    );
    let moved = patient.reschedule(visit.id, &slots[3]).await.unwrap();
    assert_eq!((moved.id, moved.start_at), (visit.id, slots[3].start_at));
    assert!(moved.version > visit.version);
    // Its old time is free again, its new one is not.
    let after = cast::free(&patient, &doctor).await;
    assert!(after.iter().any(|slot| slot.start_at == visit.start_at));
    assert!(after.iter().all(|slot| slot.start_at != moved.start_at));
    let confirmed = doctor.confirm(visit.id).await.unwrap();
    assert_eq!(confirmed.status, "CONFIRMED");
    let cancelled = patient.cancel(visit.id, "cannot come").await.unwrap();
    assert_eq!(cancelled.status, "CANCELLED");
    // Again is no error and no change.
    assert_eq!(
        patient.cancel(visit.id, "again").await.unwrap().version,
        cancelled.version
    );
    told(&doctor, "the doctor of the cancelling, by text", |n| {
        n.appointment_id == Some(visit.id)
            && n.channel == "SMS"
            && n.template.as_deref().unwrap_or_default().contains("cancel")
    })
    .await;
}

pub(crate) async fn admin_notice(fleet: &Fleet) {
    let (admin, patient) = (cast::admin(fleet).await, cast::patient(fleet).await);
    let body = json!({ "user_id": patient.id(), "channel": "EMAIL", "subject": "Closed on Friday", "message": "We are closed." });
    let sent = answer(admin.request(Method::POST, "/notify").json(&body)).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    let id = sent.body["id"].as_str().unwrap().to_owned();
    assert!(
        sent.headers["location"]
            .to_str()
            .unwrap()
            .ends_with(&format!("/notifications/{id}"))
    );
    told(&patient, "what the admin wrote", |n| n.id.to_string() == id).await;
    let denied = answer(patient.request(Method::POST, "/notify").json(&body)).await;
    cast::refused(&denied, 403, "a patient may not notify");
}

/// One id from the client to the last service and back.
pub(crate) async fn request_id(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    let slot = cast::free(&patient, &doctor).await.remove(0);
    let body = json!({ "doctor_id": doctor.id(), "date": slot.date, "time": slot.time });
    let request = patient
        .request(Method::POST, "/appointments")
        .header("x-request-id", "e2e-request-0815")
        .json(&body);
    let booked = answer(request).await;
    assert_eq!(booked.status, 201, "{}", booked.body);
    assert_eq!(booked.headers["x-request-id"], "e2e-request-0815");
    for service in ["api-gateway", "appointment-service", "user-service"] {
        let seen = wait::until(Duration::from_secs(5), || async {
            fleet.log_text(service).contains("e2e-request-0815").then_some(())
        });
        assert!(seen.await.is_some(), "{service} does not log the request's id");
    }
}
