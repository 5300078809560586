//! The people of the cases, each fresh.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::auth::AccessClaims;
use e2e::model::{Appointment, Availability, NewDoctor, NewUser, Slot};
use e2e::{Api, Session};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::processes::{ADMIN_EMAIL, Fleet};

pub(crate) const PASSWORD: &str = "correct-Horse-7-battery";

/// An answer with its body read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["type"]
            .as_str()
            .and_then(|kind| kind.rsplit('/').next())
            .unwrap_or_default()
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Answer {
        status,
        headers,
        body,
    }
}

/// Send, and check that the refusal is a whole problem document with this status; its code.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, what: &str) -> String {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.body);
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{what}"
    );
    assert_eq!(answer.body["status"], status, "{what}");
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(answer.body["request_id"], id, "{what}");
    if status == 401 {
        assert!(answer.headers.contains_key("www-authenticate"), "{what}");
    }
    if status == 503 || status == 429 {
        assert!(answer.headers.contains_key("retry-after"), "{what}");
    }
    answer.code().to_owned()
}

fn new_user(role: &'static str, doctor: Option<NewDoctor>) -> NewUser {
    NewUser {
        name: format!("Case {role}"),
        email: format!("{}@example.org", Uuid::now_v7().simple()),
        password: PASSWORD.to_owned(),
        role,
        phone: Some("+4915112345678".to_owned()),
        time_zone: Some("Europe/Berlin".to_owned()),
        doctor,
    }
}

async fn join(fleet: &Fleet, user: NewUser) -> Session {
    fleet.api().register(&user).await.unwrap();
    fleet.api().login(&user.email, &user.password).await.unwrap()
}

pub(crate) async fn patient(fleet: &Fleet) -> Session {
    join(fleet, new_user("PATIENT", None)).await
}

pub(crate) async fn pending_doctor(fleet: &Fleet) -> Session {
    let doctor = NewDoctor {
        specialization: "Cardiology".to_owned(),
        license_number: Some("DE-1".to_owned()),
        availability: Some(Availability::daily("Europe/Berlin", 30, "08:00", "18:00")),
    };
    join(fleet, new_user("DOCTOR", Some(doctor))).await
}

pub(crate) async fn doctor(fleet: &Fleet) -> Session {
    let doctor = pending_doctor(fleet).await;
    admin(fleet).await.verify_doctor(doctor.id()).await.unwrap();
    doctor
}

pub(crate) async fn admin(fleet: &Fleet) -> Session {
    fleet
        .api()
        .login(ADMIN_EMAIL, &fleet.admin_password)
        .await
        .unwrap()
}

/// What the access token of somebody says.
pub(crate) fn claims(user: &Session) -> AccessClaims {
    let payload = user.login.access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The gateway and every service, each with something that is open to that patient.
pub(crate) fn doors(fleet: &Fleet, patient: &Session) -> Vec<(&'static str, Api, String)> {
    let doors = [
        ("api-gateway", "/users/me".to_owned()),
        ("user-service", "/users/me".to_owned()),
        ("appointment-service", "/appointments".to_owned()),
        ("medical-record-service", format!("/records/{}", patient.id())),
        ("notification-service", "/notifications".to_owned()),
    ];
    doors
        .map(|(service, path)| (service, fleet.direct(service), path))
        .into()
}

/// The doctor's free times of the coming week.
pub(crate) async fn free(patient: &Session, doctor: &Session) -> Vec<Slot> {
    let today = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).date_naive();
    let day = |days| (today + chrono::Days::new(days)).to_string();
    patient.slots(doctor.id(), &day(2), &day(9)).await.unwrap().slots
}

/// A visit of `patient` at `doctor` on the first free time.
pub(crate) async fn visit(patient: &Session, doctor: &Session) -> Appointment {
    let slot = free(patient, doctor).await.remove(0);
    patient.book(doctor.id(), &slot, "CNRY-reason").await.unwrap()
}
