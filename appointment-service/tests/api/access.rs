//! Who may do what: one table, checked against the endpoints that exist.

use std::cell::RefCell;

use common::ids::{AppointmentId, RecordId};
use common_testing::{As, Client, Matrix, Row, strange_ids, strange_values};
use http::Method;
use serde_json::{Value, json};

use crate::helpers::{App, TUESDAY, User, at, changed};

/// Status by caller. `own`: takes part in the visit; `other`: of the same role and a stranger to it.
/// `service` holds a good token of another service. 409 is past the guard: nobody misses a visit before it begins.
const TABLE: &str = "
    operation                         anyone  own-patient  other-patient  own-doctor  other-doctor  admin  service
    GET  /doctors/{id}/slots          401     200          200            200         200           200    401
    POST /appointments                401     201          403            201         403           201    401
    GET  /appointments                401     200          200            200         200           200    401
    GET  /appointments/{id}           401     200          404            200         404           200    401
    GET  /appointments/{id}/history   401     200          404            200         404           200    401
    GET  /appointments/{id}/calendar  401     200          404            200         404           200    401
    PUT  /appointments/cancel         401     200          404            200         404           200    401
    PUT  /appointments/reschedule     401     200          404            200         404           200    401
    PUT  /appointments/confirm        401     403          404            200         404           200    401
    PUT  /appointments/complete       401     403          404            200         404           200    401
    PUT  /appointments/no-show        401     403          404            409         404           409    401
";

struct Cast {
    patient: User,
    doctor: User,
    other_patient: User,
    other_doctor: User,
    admin: User,
    service: String,
}

impl Cast {
    fn of(app: &App) -> Self {
        Self {
            patient: app.patient(),
            doctor: app.doctor(),
            other_patient: app.patient(),
            other_doctor: app.doctor(),
            admin: app.admin(),
            service: app.mint.service("notification-service", "appointment-service"),
        }
    }

    fn token(&self, caller: &str) -> Option<String> {
        match caller {
            "own-patient" => Some(self.patient.token()),
            "other-patient" => Some(self.other_patient.token()),
            "own-doctor" => Some(self.doctor.token()),
            "other-doctor" => Some(self.other_doctor.token()),
            "admin" => Some(self.admin.token()),
            "service" => Some(self.service.clone()),
            _ => None,
        }
    }
}

/// What an operation is tried with; each try has a visit (or a slot) of its own.
fn request(cast: &Cast, row: &Row, visit: &Value, date: &str) -> (String, Option<Value>) {
    let visit_id = visit["id"].as_str().unwrap();
    let id = if row.path.starts_with("/doctors") {
        cast.doctor.id().to_string()
    } else {
        visit_id.to_owned()
    };
    let path = row.path.replace("{id}", &id);
    let step = json!({"appointment_id": visit_id});
    match (row.method.as_str(), row.path) {
        ("GET", "/doctors/{id}/slots") => (format!("{path}?from={date}&to={date}"), None),
        ("POST", _) => {
            let body = at(&cast.doctor, date, "11:30");
            (path, Some(changed(&body, "patient_id", json!(cast.patient.id()))))
        }
        ("PUT", "/appointments/reschedule") => (
            path,
            Some(json!({"appointment_id": visit_id, "date": date, "time": "11:00"})),
        ),
        ("PUT", _) => (path, Some(step)),
        _ => (path, None),
    }
}

#[tokio::test]
async fn every_caller_gets_what_the_table_says() {
    let app = App::start().await;
    let cast = Cast::of(&app);
    let workdays = TUESDAY
        .parse::<chrono::NaiveDate>()
        .unwrap()
        .iter_days()
        .filter(|day| {
            !matches!(
                chrono::Datelike::weekday(day),
                chrono::Weekday::Sat | chrono::Weekday::Sun
            )
        });
    let workdays = RefCell::new(workdays);
    let attempt = async |row: &Row, caller: &'static str| {
        let date = workdays.borrow_mut().next().unwrap().to_string();
        let visit = app
            .book(&cast.patient, &at(&cast.doctor, &date, "09:00"))
            .await
            .expect(201)
            .json();
        let (path, body) = request(&cast, row, &visit, &date);
        let token = cast.token(caller);
        let who = token.as_deref().map_or(As::Anyone, As::Token);
        let mut request = app.client.request(row.method.clone(), &path, who);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Client::send(request).await;
        let id = json!({"appointment_id": visit["id"]});
        app.put("cancel", &cast.doctor, &id).await;
        answer
    };
    Matrix::read(TABLE).holds("appointment-service", attempt).await;
}

/// A new endpoint must have a row above, and a row an endpoint.
#[test]
fn the_table_has_every_public_operation() {
    Matrix::read(TABLE).covers(&appointment_service::openapi());
}

#[tokio::test]
async fn what_is_no_id_of_a_visit_is_not_found() {
    let app = App::start().await;
    let (patient, doctor, admin) = (app.patient(), app.doctor(), app.admin());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let id = visit["id"].as_str().unwrap();
    let others = strange_ids(
        id,
        &[
            AppointmentId::generate().to_string(),
            RecordId::generate().to_string(),
            patient.id().to_string(),
            doctor.id().to_string(),
        ],
    );
    for other in others {
        for tail in ["", "/history", "/calendar"] {
            let answer = app.get(&format!("/appointments/{other}{tail}"), &admin).await;
            assert_eq!(answer.problem(404), "not-found", "{other}{tail}");
        }
    }
    for step in ["cancel", "confirm", "complete", "no-show"] {
        let unknown = json!({"appointment_id": AppointmentId::generate()});
        assert_eq!(app.put(step, &admin, &unknown).await.problem(404), "not-found");
        for malformed in strange_values(id) {
            assert_eq!(
                app.put(step, &admin, &json!({"appointment_id": malformed}))
                    .await
                    .problem(422),
                "invalid-request"
            );
        }
    }
}

/// Reading a visit, changing every member and sending it back must move nothing but what the request is for.
#[tokio::test]
async fn no_member_can_be_smuggled_in() {
    let app = App::start().await;
    let (patient, doctor) = (app.patient(), app.doctor());
    let visit = app.booked(&patient, &doctor, "09:00").await;
    let id = json!({"appointment_id": visit["id"]});
    let moved = json!({"appointment_id": visit["id"], "date": TUESDAY, "time": "10:00"});
    for member in visit.as_object().unwrap().keys() {
        for (step, body) in [
            ("cancel", &id),
            ("confirm", &id),
            ("complete", &id),
            ("no-show", &id),
            ("reschedule", &moved),
        ] {
            let allowed = (step == "cancel" && member == "reason")
                || (step == "reschedule" && (member == "date" || member == "time"));
            if !allowed {
                let body = changed(body, member, json!("COMPLETED"));
                app.put(step, &doctor, &body).await.problem(422);
            }
        }
    }
    let path = format!("/appointments/{}", visit["id"].as_str().unwrap());
    assert_eq!(app.get(&path, &patient).await.json(), visit);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_in_the_same_shape() {
    let app = App::start().await;
    let patient = app.patient();
    for (method, path) in [
        (Method::DELETE, "/appointments"),
        (Method::GET, "/appointments/cancel"),
        (Method::POST, "/appointments/cancel"),
    ] {
        let answer = Client::send(app.client.request(method, path, &patient.token())).await;
        assert_eq!(answer.problem(405), "method-not-allowed");
        assert!(answer.headers.contains_key("allow"));
    }
    for path in ["/", "/appointment", "/appointments/", "/admin", "/internal"] {
        assert_eq!(app.get(path, &patient).await.problem(404), "not-found", "{path}");
    }
}
