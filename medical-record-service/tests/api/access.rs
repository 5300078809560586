//! Who may do what: every caller beside every operation, in one table.

use common::auth::Role;
use common_testing::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Person, Setup, TestApp};

/// The people of the table, and what connects them with the patient.
struct House {
    app: TestApp,
    patient: Person,
    author: Person,
    callers: Vec<(&'static str, Option<Person>, bool)>,
}

const OPERATIONS: [&str; 13] = [
    "list",
    "read",
    "file",
    "head",
    "versions",
    "create",
    "prescribe",
    "amend",
    "withdraw",
    "grants",
    "grant",
    "revoke",
    "log",
];

/// Statuses in the order of [`OPERATIONS`]. A new operation or caller needs its cells here.
const EXPECTED: [(&str, [u16; 13]); 11] = [
    ("nobody", [401; 13]),
    (
        "the patient",
        [200, 200, 200, 200, 200, 201, 403, 403, 403, 200, 201, 204, 200],
    ),
    (
        "another patient",
        [403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 403, 403],
    ),
    (
        "another patient with the header",
        [403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 403, 403],
    ),
    (
        "the author",
        [200, 200, 200, 200, 200, 403, 403, 201, 200, 403, 403, 403, 403],
    ),
    (
        "a treating doctor",
        [200, 200, 200, 200, 200, 201, 201, 403, 403, 403, 403, 403, 403],
    ),
    (
        "a granted doctor",
        [200, 200, 200, 200, 200, 201, 201, 403, 403, 403, 403, 403, 403],
    ),
    (
        "a stranger",
        [403, 404, 404, 404, 404, 403, 403, 404, 404, 403, 403, 403, 403],
    ),
    (
        "a stranger who breaks the glass",
        [200, 200, 200, 200, 200, 403, 403, 404, 404, 403, 403, 403, 403],
    ),
    ("a pending doctor with everything", [403; 13]),
    (
        "an admin",
        [403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200],
    ),
];

async fn house() -> House {
    let app = TestApp::start().await;
    let (patient, author) = app.pair();
    let (treating, granted, pending) = (app.doctor(), app.doctor(), app.pending_doctor());
    app.visit(&treating, &patient);
    app.visit(&pending, &patient);
    app.grant(&patient, &granted).await;
    let callers = vec![
        ("nobody", None, false),
        ("the patient", Some(patient.clone()), false),
        ("another patient", Some(app.patient()), false),
        ("another patient with the header", Some(app.patient()), true),
        ("the author", Some(author.clone()), false),
        ("a treating doctor", Some(treating), false),
        ("a granted doctor", Some(granted), false),
        ("a stranger", Some(app.doctor()), false),
        ("a stranger who breaks the glass", Some(app.doctor()), true),
        ("a pending doctor with everything", Some(pending), true),
        ("an admin", Some(app.admin()), true),
    ];
    House {
        app,
        patient,
        author,
        callers,
    }
}

impl House {
    /// Do `operation` as `caller` to a record of its own, which only the author wrote.
    async fn attempt(&self, operation: &str, caller: Option<&Person>, glass: bool) -> Answer {
        let (app, base) = (&self.app, format!("/records/{}", self.patient.id));
        app.visit(&self.author, &self.patient);
        let record = format!("{base}/{}", app.document(&self.author, &self.patient).await);
        app.end_visits(&self.author, &self.patient);
        let other = app.doctor();
        let new = |kind: &str| Some(json!({"patient_id": self.patient.id, "record_type": kind}));
        let (method, path, body): (Method, String, Option<Value>) = match operation {
            "list" => (Method::GET, base, None),
            "read" => (Method::GET, record, None),
            "file" => (Method::GET, record + "/file", None),
            "head" => (Method::HEAD, record + "/file", None),
            "versions" => (Method::GET, record + "/versions", None),
            "create" => (Method::POST, "/records".to_owned(), new("HISTORY")),
            "prescribe" => (Method::POST, "/records".to_owned(), new("PRESCRIPTION")),
            "amend" => (
                Method::POST,
                record + "/amendments",
                Some(json!({"amendment_reason": "typing error"})),
            ),
            "withdraw" => (
                Method::PUT,
                record + "/withdrawal",
                Some(json!({"reason": "wrong patient"})),
            ),
            "grants" => (Method::GET, base + "/grants", None),
            "grant" => (
                Method::POST,
                base + "/grants",
                Some(json!({"doctor_id": other.id})),
            ),
            "revoke" => {
                app.grant(&self.patient, &other).await;
                (Method::DELETE, format!("{base}/grants/{}", other.id), None)
            }
            _ => (Method::GET, base + "/access-log", None),
        };
        let mut request = match caller {
            Some(person) => app.client.request(method, &path, &person.token),
            None => app.client.request(method, &path, common_testing::As::Anyone),
        };
        if glass {
            request = request.header("x-break-glass", "unconscious after an accident");
        }
        Client::send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}

#[tokio::test]
async fn the_whole_table() {
    let house = house().await;
    let mut wrong = Vec::new();
    for ((caller, person, glass), (expected_caller, expected)) in house.callers.iter().zip(EXPECTED) {
        assert_eq!(*caller, expected_caller);
        for (operation, status) in OPERATIONS.iter().zip(expected) {
            let answer = house.attempt(operation, person.as_ref(), *glass).await;
            if answer.status.as_u16() != status {
                wrong.push(format!(
                    "{caller}, {operation}: {} instead of {status}",
                    answer.status.as_u16()
                ));
            }
            if answer.status.is_client_error() {
                assert!(
                    !answer.text().contains("report.pdf"),
                    "{caller}, {operation} leaks"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_refusal_says_what_would_give_access_and_nothing_about_the_patient() {
    let app = TestApp::start().await;
    let (patient, stranger) = (app.patient(), app.doctor());
    let known = app.get(&stranger, &format!("/records/{}", patient.id)).await;
    assert_eq!(known.problem(403), "no-treating-relationship");
    let detail = known.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        ["appointment", "grant", "X-Break-Glass"]
            .iter()
            .all(|word| detail.contains(word)),
        "{detail}"
    );
    let nobody = common::ids::UserId::generate();
    let unknown = app.get(&stranger, &format!("/records/{nobody}")).await;
    assert_eq!(unknown.problem(403), "no-treating-relationship");
    assert_eq!(unknown.json()["detail"], known.json()["detail"]);
}

#[tokio::test]
async fn a_record_is_found_under_its_own_patient_only() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let other = app.patient();
    app.visit(&doctor, &other);
    let id = app.document(&doctor, &patient).await;
    for path in ["", "/file", "/versions"] {
        assert_eq!(
            app.get(&doctor, &format!("/records/{}/{id}{path}", other.id))
                .await
                .problem(404),
            "not-found"
        );
        assert_eq!(
            app.get(&other, &format!("/records/{}/{id}{path}", other.id))
                .await
                .problem(404),
            "not-found"
        );
    }
}

#[tokio::test]
async fn access_ends_with_the_visits_but_not_for_what_one_wrote() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let own = app.note(&doctor, &patient).await;
    let theirs = app.note(&patient, &patient).await;
    app.end_visits(&doctor, &patient);
    app.get(&doctor, &format!("/records/{}/{own}", patient.id))
        .await
        .expect(200);
    app.get(&doctor, &format!("/records/{}/{theirs}", patient.id))
        .await
        .expect(404);
    let list = app
        .get(&doctor, &format!("/records/{}", patient.id))
        .await
        .expect(200)
        .json();
    let ids: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [own]);
}

#[tokio::test]
async fn the_setting_any_lets_every_verified_doctor_in_and_nobody_else() {
    let app = TestApp::with_settings("records: {doctor_access: any}").await;
    let patient = app.patient();
    let id = app.note(&patient, &patient).await;
    let (doctor, pending) = (app.doctor(), app.pending_doctor());
    app.get(&doctor, &format!("/records/{}/{id}", patient.id))
        .await
        .expect(200);
    app.note(&doctor, &patient).await;
    for nobody in [common::ids::UserId::generate(), pending.id] {
        let body = json!({"patient_id": nobody, "record_type": "OTHER"});
        assert_eq!(app.post(&doctor, &body).await.problem(404), "not-found");
    }
    app.get(&pending, &format!("/records/{}/{id}", patient.id))
        .await
        .expect(403);
    app.get(&app.patient(), &format!("/records/{}", patient.id))
        .await
        .expect(403);
    app.get(&app.admin(), &format!("/records/{}", patient.id))
        .await
        .expect(403);
    assert!(
        app.log(&patient)
            .await
            .iter()
            .any(|entry| entry["rule"] == "ANY_DOCTOR" && entry["action"] == "READ")
    );
}

#[tokio::test]
async fn without_user_service_doctors_wait_and_patients_read() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let id = app.note(&doctor, &patient).await;
    app.peers.set_away(true);
    let refused = app.get(&doctor, &format!("/records/{}/{id}", patient.id)).await;
    assert_eq!(refused.problem(503), "unavailable");
    assert!(refused.headers.contains_key("retry-after"));
    app.get(&patient, &format!("/records/{}/{id}", patient.id))
        .await
        .expect(200);
    app.peers.set_away(false);
}

#[tokio::test]
async fn without_appointment_service_a_missing_answer_opens_no_door() {
    let whole = TestApp::start().await;
    let (patient, doctor) = whole.pair();
    let id = whole.note(&patient, &patient).await;
    let setup = Setup {
        discovery: Some(TestApp::only_users(&whole.peers)),
        ..Setup::default()
    };
    let app = TestApp::on(whole.db.clone(), whole.peers.clone(), setup).await;
    let (patient, doctor) = (
        app.again(&patient, Role::Patient),
        app.again(&doctor, Role::Doctor),
    );
    let path = format!("/records/{}/{id}", patient.id);
    assert_eq!(app.get(&doctor, &path).await.problem(503), "unavailable");
    // An emergency does not wait, nor does a grant.
    app.get_with(&doctor, &path, &[("x-break-glass", "cardiac arrest")])
        .await
        .expect(200);
    app.grant(&patient, &doctor).await;
    app.get(&doctor, &path).await.expect(200);
}
