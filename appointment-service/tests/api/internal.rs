use common::clients::appointments::{AppointmentCard, Relationship};
use common::ids::{AppointmentId, UserId};
use common_testing::Answer;
use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, User, at, changed};

const CALLER: &str = "medical-record-service";

async fn ask(app: &App, path: &str) -> Answer {
    app.client
        .get(path, &app.mint.service(CALLER, "appointment-service"))
        .await
}

async fn relationship(app: &App, doctor: &User, patient: &User) -> Relationship {
    let path = format!(
        "/internal/relationships?doctor_id={}&patient_id={}",
        doctor.id(),
        patient.id()
    );
    ask(app, &path).await.expect(200).parse()
}

async fn made_by_doctor(app: &App, doctor: &User, patient: &User) -> Value {
    let body = changed(&at(doctor, TUESDAY, "09:00"), "patient_id", json!(patient.id()));
    app.book(doctor, &body).await.expect(201).json()
}

fn id_of(visit: &Value) -> Value {
    json!({"appointment_id": visit["id"]})
}

#[tokio::test]
async fn only_services_that_have_a_use_for_it_are_answered() {
    let app = App::start().await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    for path in [
        format!("/internal/appointments/{}", visit["id"].as_str().unwrap()),
        format!(
            "/internal/relationships?doctor_id={}&patient_id={}",
            doctor.id(),
            patient.id()
        ),
    ] {
        app.client
            .get(&path, common_testing::As::Anyone)
            .await
            .problem(401);
        for user in [&patient, &doctor, &admin] {
            assert_eq!(app.get(&path, user).await.problem(403), "service-only");
        }
        let misdirected = app.mint.service(CALLER, "user-service");
        app.client.get(&path, &misdirected).await.problem(401);
        for (caller, status) in [
            (CALLER, 200),
            ("notification-service", 200),
            ("api-gateway", 403),
            ("user-service", 403),
        ] {
            let token = app.mint.service(caller, "appointment-service");
            app.client.get(&path, &token).await.expect(status);
        }
    }
}

#[tokio::test]
async fn a_card_holds_no_names_and_no_reason() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let body = changed(&at(&doctor, TUESDAY, "09:00"), "reason", json!("canary-reason"));
    let visit = app.book(&patient, &body).await.expect(201).json();
    let answer = ask(
        &app,
        &format!("/internal/appointments/{}", visit["id"].as_str().unwrap()),
    )
    .await
    .expect(200);
    assert!(!answer.text().contains("canary-reason") && !answer.text().contains("Test "));
    let card: AppointmentCard = answer.parse();
    assert_eq!(
        (card.patient_id, card.doctor_id, card.version),
        (patient.id(), doctor.id(), 1)
    );
    assert_eq!(
        (card.status.as_str(), card.time_zone.as_str()),
        ("BOOKED", "Europe/Berlin")
    );
    ask(
        &app,
        &format!("/internal/appointments/{}", AppointmentId::generate()),
    )
    .await
    .problem(404);
}

#[tokio::test]
async fn a_visit_the_patient_booked_makes_the_doctor_theirs_until_90_days_after_it() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    assert_eq!(
        relationship(&app, &doctor, &patient).await,
        Relationship {
            appointment_id: None,
            until: None
        }
    );
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let treating = relationship(&app, &doctor, &patient).await;
    assert_eq!(json!(treating.appointment_id), visit["id"]);
    assert_eq!(json!(treating.until), "2027-04-05T08:30:00Z");
    // Neither for another doctor, nor for another patient, nor the other way round.
    for (of, with) in [
        (&app.doctor(), &patient),
        (&doctor, &app.patient()),
        (&patient, &doctor),
    ] {
        assert_eq!(relationship(&app, of, with).await.appointment_id, None);
    }
    app.travel("2027-04-05T08:29:59Z");
    assert!(
        relationship(&app, &doctor, &patient)
            .await
            .appointment_id
            .is_some()
    );
    app.travel("2027-04-05T08:30:00Z");
    assert_eq!(relationship(&app, &doctor, &patient).await.appointment_id, None);
}

#[tokio::test]
async fn neither_a_cancelled_nor_a_missed_visit_gives_access() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let cancelled = app.booked(&patient, &doctor, "09:00").await;
    app.put("cancel", &doctor, &id_of(&cancelled)).await.expect(200);
    assert_eq!(relationship(&app, &doctor, &patient).await.appointment_id, None);
    let missed = app.booked(&patient, &doctor, "10:00").await;
    app.travel("2027-01-05T09:10:00Z");
    app.put("no-show", &doctor, &id_of(&missed)).await.expect(200);
    assert_eq!(relationship(&app, &doctor, &patient).await.appointment_id, None);
}

#[tokio::test]
async fn confirmed_and_completed_visits_give_access() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    for step in ["confirm", "complete"] {
        app.put(step, &doctor, &id_of(&visit)).await.expect(200);
        assert!(
            relationship(&app, &doctor, &patient)
                .await
                .appointment_id
                .is_some(),
            "{step}"
        );
    }
}

#[tokio::test]
async fn a_visit_that_the_doctor_alone_made_gives_access_when_the_patient_agrees() {
    let app = App::start().await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let visit = made_by_doctor(&app, &doctor, &patient).await;
    // Whatever the doctor or the desk does to it.
    for (who, step) in [(&doctor, "confirm"), (&admin, "confirm"), (&doctor, "complete")] {
        app.put(step, who, &id_of(&visit)).await.expect(200);
        assert_eq!(
            relationship(&app, &doctor, &patient).await.appointment_id,
            None,
            "{step}"
        );
    }
    let second = changed(&at(&doctor, TUESDAY, "10:00"), "patient_id", json!(patient.id()));
    let second = app.book(&doctor, &second).await.expect(201).json();
    assert_eq!(relationship(&app, &doctor, &patient).await.appointment_id, None);
    app.put("confirm", &patient, &id_of(&second)).await.expect(200);
    assert_eq!(
        json!(relationship(&app, &doctor, &patient).await.appointment_id),
        second["id"]
    );
}

#[tokio::test]
async fn a_visit_that_the_doctor_alone_made_gives_access_when_it_begins() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    made_by_doctor(&app, &doctor, &patient).await;
    app.travel("2027-01-05T07:59:59Z");
    assert_eq!(relationship(&app, &doctor, &patient).await.appointment_id, None);
    app.travel("2027-01-05T08:00:00Z");
    assert!(
        relationship(&app, &doctor, &patient)
            .await
            .appointment_id
            .is_some()
    );
}

#[tokio::test]
async fn the_asker_may_count_fewer_or_more_days() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    app.booked(&patient, &doctor, "09:00").await;
    app.travel("2027-01-15T00:00:00Z");
    for (days, treating) in [(9, false), (10, true), (4_000_000_000_u32, true)] {
        let path = format!(
            "/internal/relationships?doctor_id={}&patient_id={}&days_after={days}",
            doctor.id(),
            patient.id()
        );
        let answer: Relationship = ask(&app, &path).await.expect(200).parse();
        assert_eq!(answer.appointment_id.is_some(), treating, "{days}");
    }
    let incomplete = format!("/internal/relationships?doctor_id={}", UserId::generate());
    ask(&app, &incomplete).await.problem(422);
}
