use e2e::Session;
use e2e::model::NewRecord;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cast::{self, answer, refused};
use crate::processes::Fleet;

/// Every path of the API that needs a token, with a body that would be good.
fn protected() -> Vec<(Method, String, Value)> {
    let id = Uuid::now_v7();
    let get = |path: &str| (Method::GET, path.to_owned(), Value::Null);
    let mut all: Vec<_> = [
        "/users/me",
        "/users",
        "/doctors",
        "/sessions",
        "/audit",
        "/appointments",
        "/notifications",
        "/doctors/{id}/slots?from=2030-01-01&to=2030-01-02",
        "/appointments/{id}",
        "/appointments/{id}/history",
        "/appointments/{id}/calendar",
        "/records/{id}",
        "/records/{id}/{id}",
        "/records/{id}/{id}/file",
        "/records/{id}/{id}/versions",
        "/records/{id}/grants",
        "/records/{id}/access-log",
        "/notifications/{id}",
        "/actuator/env",
        "/actuator/prometheus",
    ]
    .iter()
    .map(|path| get(&path.replace("{id}", &id.to_string())))
    .collect();
    all.extend([
        (
            Method::POST,
            "/appointments".to_owned(),
            json!({ "doctor_id": id, "date": "2030-01-01", "time": "09:00" }),
        ),
        (
            Method::PUT,
            "/appointments/cancel".to_owned(),
            json!({ "appointment_id": id }),
        ),
        (
            Method::POST,
            "/records".to_owned(),
            json!({ "patient_id": id, "record_type": "HISTORY" }),
        ),
        (
            Method::POST,
            "/notify".to_owned(),
            json!({ "user_id": id, "channel": "EMAIL", "message": "x" }),
        ),
        (
            Method::PUT,
            format!("/doctors/{id}/verification"),
            json!({ "status": "VERIFIED" }),
        ),
        (Method::POST, "/logout".to_owned(), json!({})),
    ]);
    all
}

pub(crate) async fn no_token(fleet: &Fleet) {
    for (method, path, body) in protected() {
        let request = fleet.api().request(method.clone(), &path);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        refused(
            &answer(request.try_clone().unwrap()).await,
            401,
            &format!("{method} {path}"),
        );
        // A header that claims an identity is not one.
        let claims = request
            .header("x-user-id", Uuid::now_v7().to_string())
            .header("x-user-role", "ADMIN");
        refused(
            &answer(claims.try_clone().unwrap()).await,
            401,
            &format!("{method} {path} with identity headers"),
        );
        refused(
            &answer(claims.bearer_auth("a.b.c")).await,
            401,
            &format!("{method} {path} with a bad token"),
        );
    }
}

pub(crate) async fn wrong_role(fleet: &Fleet) {
    let (patient, doctor, admin) = (
        cast::patient(fleet).await,
        cast::doctor(fleet).await,
        cast::admin(fleet).await,
    );
    for path in ["/users", "/audit", "/actuator/env"] {
        for user in [&patient, &doctor] {
            refused(&answer(user.request(Method::GET, path)).await, 403, path);
        }
    }
    let verify = doctor.request(Method::PUT, &format!("/doctors/{}/verification", doctor.id()));
    refused(
        &answer(verify.json(&json!({ "status": "VERIFIED" }))).await,
        403,
        "a doctor verifies himself",
    );
    // No clinical content for administrators.
    let records = answer(admin.request(Method::GET, &format!("/records/{}", patient.id()))).await;
    refused(&records, 403, "an admin reads records");
    // Nobody becomes an administrator by asking.
    let body = json!({ "name": "E", "email": "e@example.org", "password": "correct-Horse-7-battery", "role": "ADMIN" });
    refused(
        &answer(fleet.api().request(Method::POST, "/register").json(&body)).await,
        422,
        "registering as admin",
    );
}

pub(crate) async fn foreign_ids(fleet: &Fleet) {
    let (patient, doctor) = (cast::patient(fleet).await, cast::doctor(fleet).await);
    let visit = cast::visit(&patient, &doctor).await;
    let record = doctor.upload(note_for(patient.id())).await.unwrap();
    let strangers = [cast::patient(fleet).await, cast::doctor(fleet).await];
    for stranger in &strangers {
        let get = |path: String| answer(stranger.request(Method::GET, &path));
        for part in ["", "/history", "/calendar"] {
            refused(&get(format!("/appointments/{}{part}", visit.id)).await, 404, part);
        }
        let cancel = stranger
            .request(Method::PUT, "/appointments/cancel")
            .json(&json!({ "appointment_id": visit.id }));
        refused(&answer(cancel).await, 404, "cancelling another's visit");
        for part in ["", "/file", "/versions"] {
            let answer = get(format!("/records/{}/{}{part}", patient.id(), record.id)).await;
            refused(&answer, 404, &format!("another's record{part}"));
        }
        let list = get(format!("/records/{}", patient.id())).await;
        let code = refused(&list, 403, "another's records");
        assert_eq!(code, "no-treating-relationship");
        refused(
            &get(format!("/users/{}", patient.id())).await,
            if_admin_only(stranger),
            "another's account",
        );
    }
    assert_eq!(patient.appointment(visit.id).await.unwrap().status, "BOOKED");
}

/// `GET /users/{id}` is for ADMIN and oneself: for everybody else the account does not exist.
fn if_admin_only(_: &Session) -> u16 {
    404
}

fn note_for(patient_id: Uuid) -> NewRecord {
    NewRecord {
        patient_id,
        record_type: "HISTORY",
        title: "A note".to_owned(),
        notes: None,
        data: None,
        appointment_id: None,
        file: None,
    }
}

pub(crate) async fn pending_doctor(fleet: &Fleet) {
    let (patient, pending) = (cast::patient(fleet).await, cast::pending_doctor(fleet).await);
    let listed = patient.find_doctors("Cardiology", "Case").await.unwrap();
    assert!(
        listed.iter().all(|doctor| doctor.id != pending.id()),
        "a pending doctor is in the directory"
    );
    let id = pending.id();
    let get = |path: String| answer(patient.request(Method::GET, &path));
    refused(
        &get(format!("/doctors/{id}")).await,
        404,
        "a pending doctor's page",
    );
    refused(
        &get(format!("/doctors/{id}/slots?from=2030-01-01&to=2030-01-02")).await,
        404,
        "a pending doctor's times",
    );
    let body = json!({ "doctor_id": id, "date": "2030-01-01", "time": "09:00" });
    refused(
        &answer(patient.request(Method::POST, "/appointments").json(&body)).await,
        404,
        "booking a pending doctor",
    );
    refused(
        &answer(pending.request(Method::GET, &format!("/records/{}", patient.id()))).await,
        403,
        "reading records",
    );
    let break_glass = pending.request(Method::GET, &format!("/records/{}", patient.id()));
    let break_glass = break_glass.header("x-break-glass", "an emergency in the ward");
    refused(
        &answer(break_glass).await,
        403,
        "breaking the glass while pending",
    );
}

/// Past the gateway nothing is easier.
pub(crate) async fn direct(fleet: &Fleet) {
    let patient = cast::patient(fleet).await;
    let calls = [
        ("user-service", "/users/me"),
        ("appointment-service", "/appointments"),
        ("notification-service", "/notifications"),
        ("medical-record-service", &format!("/records/{}", patient.id())),
    ];
    for (service, path) in calls {
        let bare = fleet.direct(service).request(Method::GET, path);
        let claims = bare
            .header("x-user-id", patient.id().to_string())
            .header("x-user-role", "ADMIN");
        refused(
            &answer(claims).await,
            401,
            &format!("{service} {path} with identity headers"),
        );
        let tokened = fleet
            .direct(service)
            .request(Method::GET, path)
            .bearer_auth(&patient.login.access_token);
        assert_eq!(answer(tokened).await.status, 200, "{service} {path}");
    }
    // The internal APIs want a service's token; a user's is not enough.
    let internal = [
        ("user-service", format!("/internal/users/{}", patient.id())),
        (
            "appointment-service",
            format!(
                "/internal/relationships?doctor_id={0}&patient_id={0}",
                patient.id()
            ),
        ),
    ];
    for (service, path) in internal {
        refused(
            &answer(fleet.direct(service).request(Method::GET, &path)).await,
            401,
            &path,
        );
        let admin = cast::admin(fleet).await;
        let tokened = fleet
            .direct(service)
            .request(Method::GET, &path)
            .bearer_auth(&admin.login.access_token);
        refused(&answer(tokened).await, 403, &path);
    }
}

pub(crate) async fn inner_paths(fleet: &Fleet) {
    let admin = cast::admin(fleet).await;
    for path in [
        "/internal/users/lookup",
        "/internal/token",
        "/eureka/apps",
        "/user-service/default",
        "/metrics",
        "/debug",
        "/.env",
        "/.git/config",
        "/actuator/heapdump",
        "/users/..%2factuator/env",
        "//users/me",
        "/users/me;x=1",
        "/Users/me",
        "/internal/",
        "/swagger-ui",
    ] {
        let answer = answer(admin.request(Method::GET, path)).await;
        let status = answer.status.as_u16();
        assert!(status == 404 || status == 400, "{path}: {status} {}", answer.body);
        refused(&answer, status, path);
    }
}

pub(crate) async fn bad_input(fleet: &Fleet) {
    let patient = cast::patient(fleet).await;
    let post = |path: &str, media: &'static str, body: &str| {
        answer(
            patient
                .request(Method::POST, path)
                .header("content-type", media)
                .body(body.to_owned()),
        )
    };
    let json = "application/json";
    for path in ["/register", "/login", "/appointments"] {
        refused(
            &post(path, json, "{\"a\":").await,
            400,
            &format!("{path}: malformed"),
        );
        refused(
            &post(path, json, "{}").await,
            422,
            &format!("{path}: members missing"),
        );
        refused(
            &post(path, "text/plain", "{}").await,
            415,
            &format!("{path}: media type"),
        );
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(2_000_000));
        refused(
            &post(path, json, &large).await,
            413,
            &format!("{path}: too large"),
        );
    }
    let typo = r#"{"email":"a@example.org","password":"correct-Horse-7-battery","remember_me":true}"#;
    let unknown = post("/login", json, typo).await;
    refused(&unknown, 422, "an unknown member");
    assert!(
        unknown.body["errors"][0]["pointer"].is_string() && unknown.body["errors"][0]["detail"].is_string()
    );
    bad_paths(&patient).await;
}

async fn bad_paths(patient: &Session) {
    for path in [
        "/appointments/0",
        "/appointments/00000000-0000-7000-8000-000000000000",
        "/notifications/x",
        "/nothing",
    ] {
        refused(&answer(patient.request(Method::GET, path)).await, 404, path);
    }
    for path in [
        "/appointments?limit=0",
        "/appointments?limit=101",
        "/appointments?sort=id",
    ] {
        refused(&answer(patient.request(Method::GET, path)).await, 422, path);
    }
    refused(
        &answer(patient.request(Method::GET, "/appointments?cursor=AAAA")).await,
        400,
        "a cursor of nobody",
    );
    let wrong = answer(patient.request(Method::DELETE, "/appointments")).await;
    refused(&wrong, 405, "a method that is not there");
    assert!(wrong.headers.contains_key("allow"));
}
