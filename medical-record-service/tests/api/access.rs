//! Who may do what: one table, checked against the endpoints that exist.

use common::auth::Role;
use common_testing::{Answer, As, Client, Matrix, Row, strange_ids, strange_values};
use serde_json::{Value, json};

use crate::helpers::{Person, Setup, TestApp};

/// Status by caller. `+glass` sends the header that breaks the glass, and so do `pending` (who treats the patient and was
/// granted access) and `admin`; `service` holds a good token of another service.
const TABLE: &str = "
    operation                                             anyone  patient  other  other+glass  author  treating  granted  stranger  stranger+glass  pending  admin  service
    GET    /records/{patient_id}                          401     200      403    403          200     200       200      403       200             403      403    401
    GET    /records/{patient_id}/{record_id}              401     200      404    404          200     200       200      404       200             403      403    401
    GET    /records/{patient_id}/{record_id}/file         401     200      404    404          200     200       200      404       200             403      403    401
    HEAD   /records/{patient_id}/{record_id}/file         401     200      404    404          200     200       200      404       200             403      403    401
    GET    /records/{patient_id}/{record_id}/versions     401     200      404    404          200     200       200      404       200             403      403    401
    POST   /records history                               401     201      403    403          403     201       201      403       403             403      403    401
    POST   /records prescription                          401     403      403    403          403     201       201      403       403             403      403    401
    POST   /records/{patient_id}/{record_id}/amendments   401     403      404    404          201     403       403      404       404             403      403    401
    PUT    /records/{patient_id}/{record_id}/withdrawal   401     403      404    404          200     403       403      404       404             403      403    401
    GET    /records/{patient_id}/grants                   401     200      403    403          403     403       403      403       403             403      403    401
    POST   /records/{patient_id}/grants                   401     201      403    403          403     403       403      403       403             403      403    401
    DELETE /records/{patient_id}/grants/{doctor_id}       401     204      403    403          403     403       403      403       403             403      403    401
    GET    /records/{patient_id}/access-log               401     200      403    403          403     403       403      403       403             403      200    401
";

/// The people of the table, and what connects them with the patient.
struct House {
    app: TestApp,
    patient: Person,
    author: Person,
    people: Vec<(&'static str, Person)>,
}

async fn house() -> House {
    let app = TestApp::start().await;
    let (patient, author) = app.pair();
    let (treating, granted, pending) = (app.doctor(), app.doctor(), app.pending_doctor());
    app.visit(&treating, &patient);
    app.visit(&pending, &patient);
    app.grant(&patient, &granted).await;
    let service = Person {
        id: patient.id,
        token: app.service_token(),
    };
    let (other, stranger) = (app.patient(), app.doctor());
    let people = vec![
        ("patient", patient.clone()),
        ("other", other.clone()),
        ("other+glass", other),
        ("author", author.clone()),
        ("treating", treating),
        ("granted", granted),
        ("stranger", stranger.clone()),
        ("stranger+glass", stranger),
        ("pending", pending),
        ("admin", app.admin()),
        ("service", service),
    ];
    House {
        app,
        patient,
        author,
        people,
    }
}

impl House {
    /// Do the operation of `row` as `caller` to a record of its own, which only the author wrote.
    async fn attempt(&self, row: &Row, caller: &str) -> Answer {
        let app = &self.app;
        app.visit(&self.author, &self.patient);
        let record = app.document(&self.author, &self.patient).await;
        app.end_visits(&self.author, &self.patient);
        let granted = app.doctor();
        app.grant(&self.patient, &granted).await;
        let path = row
            .path
            .replace("{patient_id}", &self.patient.id.to_string())
            .replace("{record_id}", &record)
            .replace("{doctor_id}", &granted.id.to_string());
        let person = self.people.iter().find(|(name, _)| *name == caller);
        let who = person.map_or(As::Anyone, |(_, person)| As::Token(&person.token));
        let mut request = app.client.request(row.method.clone(), &path, who);
        if caller.ends_with("+glass") || ["pending", "admin"].contains(&caller) {
            request = request.header("x-break-glass", "unconscious after an accident");
        }
        let answer = Client::send(match self.body(row) {
            Some(body) => request.json(&body),
            None => request,
        })
        .await;
        if answer.status.is_client_error() {
            assert!(
                !answer.text().contains("report.pdf"),
                "{caller}, {} leaks",
                row.name()
            );
        }
        answer
    }

    fn body(&self, row: &Row) -> Option<Value> {
        let last = row.path.rsplit('/').next().unwrap();
        match (row.method.as_str(), last, row.case) {
            ("POST", "records", kind) => {
                Some(json!({"patient_id": self.patient.id, "record_type": kind.to_uppercase()}))
            }
            ("POST", "amendments", _) => Some(json!({"amendment_reason": "typing error"})),
            ("PUT", "withdrawal", _) => Some(json!({"reason": "wrong patient"})),
            ("POST", "grants", _) => Some(json!({"doctor_id": self.app.doctor().id})),
            _ => None,
        }
    }
}

#[tokio::test]
async fn the_whole_table() {
    let house = house().await;
    let attempt = async |row: &Row, caller: &'static str| house.attempt(row, caller).await;
    Matrix::read(TABLE).holds("medical-record-service", attempt).await;
}

/// A new endpoint must have a row above, and a row an endpoint.
#[test]
fn the_table_has_every_public_operation() {
    Matrix::read(TABLE).covers(&medical_record_service::openapi());
}

#[tokio::test]
async fn what_is_no_id_of_a_record_or_a_person_is_not_found() {
    let app = TestApp::start().await;
    let (patient, doctor) = app.pair();
    let record = app.document(&doctor, &patient).await;
    let base = format!("/records/{}", patient.id);
    for other in strange_ids(&record, &[patient.id.to_string(), doctor.id.to_string()]) {
        for tail in ["", "/file", "/versions"] {
            let answer = app.get(&patient, &format!("{base}/{other}{tail}")).await;
            assert_eq!(answer.problem(404), "not-found", "{other}{tail}");
        }
    }
    for other in strange_ids(&patient.id.to_string(), &[]) {
        // The one that is well-formed is nobody's, which nobody is told.
        let status = if other.starts_with("0000") { 403 } else { 404 };
        for tail in ["", "/grants", "/access-log"] {
            let answer = app.get(&patient, &format!("/records/{other}{tail}")).await;
            answer.problem(status);
        }
    }
    // Capitals are digits of the same number: the same record, under the same rules.
    let capitals = format!("{base}/{}", record.to_uppercase());
    app.get(&patient, &capitals).await.expect(200);
    app.get(&app.patient(), &capitals).await.expect(404);
    for value in strange_values(&patient.id.to_string()) {
        let body = json!({"patient_id": value, "record_type": "OTHER"});
        assert_eq!(
            app.post(&doctor, &body).await.problem(422),
            "invalid-request",
            "{body}"
        );
        let grant = json!({"doctor_id": value});
        let answer = app
            .client
            .post(&format!("{base}/grants"), &patient.token, &grant)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{grant}");
    }
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
