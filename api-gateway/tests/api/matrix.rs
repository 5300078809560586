//! Every operation of the route table × every caller × every method, against one reviewed table.

use std::collections::{BTreeMap, BTreeSet};

use common::auth::Role;
use common_testing::{As, Client};
use http::Method;

use crate::helpers::{Echo, Stage};

/// What the gateway answers to nobody, a patient, a doctor and an admin. 200 means that the service decides.
type Row = [u16; 4];

const OPEN: Row = [200, 200, 200, 200];
const ANY: Row = [401, 200, 200, 200];
const ADMIN: Row = [401, 403, 403, 200];
const DOCTOR_OR_ADMIN: Row = [401, 403, 200, 200];
const DOCTOR_OR_PATIENT: Row = [401, 200, 200, 403];

const MATRIX: [(&str, Row); 55] = [
    ("POST /register", OPEN),
    ("POST /login", OPEN),
    ("POST /token/refresh", OPEN),
    ("POST /logout", ANY),
    ("GET /sessions", ANY),
    ("DELETE /sessions/{id}", ANY),
    ("GET /users/me", ANY),
    ("PATCH /users/me", ANY),
    ("PUT /users/me/password", ANY),
    ("POST /users/me/second-factor", ANY),
    ("POST /users/me/second-factor/confirmation", ANY),
    ("POST /users/me/second-factor/removal", ANY),
    ("POST /password/forgot", OPEN),
    ("POST /password/reset", OPEN),
    ("GET /users", ADMIN),
    ("POST /users", ADMIN),
    ("GET /users/{id}", ANY),
    ("PATCH /users/{id}", ANY),
    ("GET /doctors", ANY),
    ("GET /doctors/{id}", ANY),
    ("PUT /doctors/{id}/verification", ADMIN),
    ("PUT /doctors/{id}/availability", DOCTOR_OR_ADMIN),
    ("GET /audit", ADMIN),
    ("GET /keys", ADMIN),
    ("POST /keys/rotate", ADMIN),
    ("GET /.well-known/jwks.json", OPEN),
    ("GET /doctors/{id}/slots", ANY),
    ("GET /appointments", ANY),
    ("POST /appointments", ANY),
    ("PUT /appointments/cancel", ANY),
    ("PUT /appointments/reschedule", ANY),
    ("PUT /appointments/confirm", ANY),
    ("PUT /appointments/complete", DOCTOR_OR_ADMIN),
    ("PUT /appointments/no-show", DOCTOR_OR_ADMIN),
    ("GET /appointments/{id}", ANY),
    ("GET /appointments/{id}/history", ANY),
    ("GET /appointments/{id}/calendar", ANY),
    ("POST /records", DOCTOR_OR_PATIENT),
    ("GET /records/{patient_id}", ANY),
    ("GET /records/{patient_id}/{record_id}", ANY),
    ("GET /records/{patient_id}/{record_id}/file", ANY),
    (
        "POST /records/{patient_id}/{record_id}/amendments",
        DOCTOR_OR_PATIENT,
    ),
    (
        "PUT /records/{patient_id}/{record_id}/withdrawal",
        DOCTOR_OR_PATIENT,
    ),
    ("GET /records/{patient_id}/{record_id}/versions", ANY),
    ("GET /records/{patient_id}/grants", ANY),
    ("POST /records/{patient_id}/grants", ANY),
    ("DELETE /records/{patient_id}/grants/{doctor_id}", ANY),
    ("GET /records/{patient_id}/access-log", ANY),
    ("POST /notify", ADMIN),
    ("GET /notifications", ANY),
    ("GET /notifications/{id}", ANY),
    ("POST /notifications/{id}/retry", ADMIN),
    ("POST /webhooks/twilio/status", OPEN),
    ("POST /webhooks/twilio/inbound", OPEN),
    ("POST /webhooks/sendgrid/events", OPEN),
];

/// Every operation of the table in force.
fn operations(stage: &Stage) -> Vec<(Method, String)> {
    let config = stage.live.current();
    let of_route = |route: &api_gateway::config::RouteEntry| {
        let path = route.path.clone();
        let methods: Vec<Method> = route
            .methods
            .iter()
            .map(|method| method.parse().unwrap())
            .collect();
        methods.into_iter().map(move |method| (method, path.clone()))
    };
    config.gateway.routes.iter().flat_map(of_route).collect()
}

/// A path that the template matches.
fn example(template: &str) -> String {
    let segment = |segment: &str| {
        if segment.starts_with('{') {
            "0190c3a0-0000-7000-8000-000000000000".to_owned()
        } else {
            segment.to_owned()
        }
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_operation_has_a_row_and_every_row_holds() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let matrix = BTreeMap::from(MATRIX);
    let operations = operations(&stage);
    let named: BTreeSet<String> = operations
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    let rows: BTreeSet<String> = matrix.keys().map(|operation| (*operation).to_owned()).collect();
    assert_eq!(named, rows, "the routes and the table name the same operations");
    let tokens = [Role::Patient, Role::Doctor, Role::Admin].map(|role| stage.token(role));
    for (method, template) in operations {
        let row = matrix[format!("{method} {template}").as_str()];
        let callers = [As::Anyone].into_iter().chain(tokens.iter().map(As::from));
        for (who, expected) in callers.zip(row) {
            let hits = echo.hits();
            let request = stage
                .client
                .request(method.clone(), &example(&template), who.clone());
            let answer = Client::send(request).await;
            assert_eq!(answer.status, expected, "{method} {template} by {who:?}");
            let passed = usize::from(expected == 200);
            assert_eq!(echo.hits() - hits, passed, "{method} {template} by {who:?}");
        }
    }
}

#[tokio::test]
async fn every_method_that_no_route_has_is_refused_with_those_that_it_has() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let token = stage.token(Role::Admin);
    let mut by_path: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in operations(&stage) {
        let taken = by_path.entry(path).or_default();
        taken.extend((method == Method::GET).then(|| "HEAD".to_owned()));
        taken.insert(method.to_string());
    }
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
    ];
    for (path, taken) in by_path {
        let allow = taken.iter().cloned().collect::<Vec<_>>().join(", ");
        for method in methods.iter().filter(|method| !taken.contains(**method)) {
            let method: Method = method.parse().unwrap();
            let answer = Client::send(stage.client.request(method.clone(), &example(&path), &token)).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), allow, "{method} {path}");
        }
    }
    assert_eq!(echo.hits(), 0);
}
