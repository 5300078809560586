use std::time::Duration;

use e2e::wait;
use reqwest::Method;
use serde_json::json;

use crate::cast::{self, answer, refused};
use crate::processes::Fleet;

/// The notice follows when the broker is back.
pub(crate) async fn broker_away(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    fleet.broker.cut();
    let visit = cast::visit(&patient, &doctor).await;
    assert_eq!(visit.status, "BOOKED");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let early = patient.notifications().await.unwrap();
    fleet.broker.mend();
    assert!(
        early.items.iter().all(|n| n.appointment_id != Some(visit.id)),
        "told without a broker?"
    );
    for user in [&patient, &doctor] {
        let told = wait::until(Duration::from_secs(40), || async {
            let list = user.notifications().await.ok()?;
            let notices = list
                .items
                .iter()
                .filter(|n| n.appointment_id == Some(visit.id) && n.has_left())
                .count();
            (notices > 0).then_some(notices)
        });
        assert_eq!(told.await, Some(1), "the notice follows, once");
    }
}

pub(crate) async fn database_away(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    let slot = cast::free(&patient, &doctor).await.remove(0);
    let body = json!({ "doctor_id": doctor.id(), "date": slot.date, "time": slot.time });
    fleet.database.cut();
    let lost = answer(patient.request(Method::POST, "/appointments").json(&body)).await;
    let other = answer(patient.request(Method::GET, "/users/me")).await;
    fleet.database.mend();
    refused(&lost, 503, "booking without a database");
    assert_eq!(other.status, 200, "other services are not concerned");
    let booked = wait::until(Duration::from_secs(20), || async {
        let again = answer(patient.request(Method::POST, "/appointments").json(&body)).await;
        (again.status == 201).then_some(())
    });
    assert!(booked.await.is_some(), "the service does not come back by itself");
}

pub(crate) async fn killed_service(fleet: &Fleet) {
    let patient = cast::patient(fleet).await;
    fleet.kill("notification-service");
    let gone = answer(patient.request(Method::GET, "/notifications")).await;
    let status = gone.status.as_u16();
    assert!((502..=504).contains(&status), "{status} {}", gone.body);
    refused(&gone, status, "a killed service");
    assert_eq!(
        answer(patient.request(Method::GET, "/users/me")).await.status,
        200
    );
    fleet.launch("notification-service");
    let back = wait::until(Duration::from_secs(30), || async {
        let answer = answer(patient.request(Method::GET, "/notifications")).await;
        (answer.status == 200).then_some(())
    });
    assert!(
        back.await.is_some(),
        "the service does not come back into rotation"
    );
}

/// Those who know each other go on without the registry.
pub(crate) async fn registry_away(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    fleet.kill("discovery-server");
    let visit = cast::visit(&patient, &doctor).await;
    assert_eq!(visit.status, "BOOKED");
    fleet.launch("discovery-server");
    fleet.await_ready("discovery-server").await;
    assert_eq!(patient.appointment(visit.id).await.unwrap().id, visit.id);
}
