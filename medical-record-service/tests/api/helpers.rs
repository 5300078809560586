//! A running service, the people around it, and the requests they make.

mod bus;
mod disk;
mod line;
mod wire;

pub(crate) use line::{Condition, Line};
pub(crate) use wire::Wire;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common::auth::Role;
use common::broker::{AmqpSettings, Broker};
use common::clients::appointments::{AppointmentCard, Relationship};
use common::clients::users::{UserCard, Verification};
use common::clock::Clock;
use common::discovery::Discovery;
use common::ids::{AppointmentId, UserId};
use common_testing::{Answer, Client, Peers, TestServer, TokenMint, amqp_url, core_with, mongo_database};
use medical_record_service::config::{DEFAULTS, Settings};
use medical_record_service::{NAME, assemble};
use mongodb::Database;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n";

/// A running medical-record-service.
pub(crate) struct TestApp {
    pub(crate) client: Client,
    pub(crate) db: Database,
    pub(crate) peers: Peers,
    pub(crate) clock: Clock,
    pub(crate) server: TestServer,
    pub(crate) broker: Broker,
    pub(crate) amqp: AmqpSettings,
    pub(crate) mint: TokenMint,
    owns_database: bool,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

/// How a test wants its service to be.
pub(crate) struct Setup {
    pub(crate) settings: String,
    pub(crate) discovery: Option<Discovery>,
    pub(crate) amqp: AmqpSettings,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: "records: {}".to_owned(),
            discovery: None,
            amqp: AmqpSettings::for_test(amqp_url()),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.owns_database {
            disk::forget(self.db.name());
        }
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with_settings(settings: &str) -> Self {
        Self::with(Setup {
            settings: settings.to_owned(),
            ..Setup::default()
        })
        .await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let mut app = Self::on(mongo_database().await, Peers::start().await, setup).await;
        app.owns_database = true;
        app
    }

    pub(crate) async fn on(db: Database, peers: Peers, setup: Setup) -> Self {
        let secrets = format!("records: {{key: \"{KEY}\"}}\nmongodb: {{url: unused}}\namqp: {{url: unused}}");
        let layers = [DEFAULTS, secrets.as_str(), setup.settings.as_str()];
        let live = common::config::from_yaml::<Settings>(NAME, &layers).unwrap();
        let clock = Clock::fixed(now());
        let discovery = setup.discovery.unwrap_or_else(|| peers.discovery());
        let (core, mint) = core_with(&live, clock.clone(), discovery);
        let broker = Broker::start(&setup.amqp, &core.background);
        let router = assemble(&core, live, db.clone(), broker.clone()).unwrap();
        let server = TestServer::start(router, &core).await;
        Self {
            client: server.client(),
            db,
            peers,
            clock,
            server,
            broker,
            amqp: setup.amqp,
            mint,
            owns_database: false,
        }
    }

    pub(crate) fn patient(&self) -> Person {
        self.person(&self.peers.patient())
    }

    pub(crate) fn doctor(&self) -> Person {
        self.person(&self.peers.doctor())
    }

    pub(crate) fn pending_doctor(&self) -> Person {
        let mut card = self.peers.doctor();
        if let Some(doctor) = &mut card.doctor {
            doctor.verification = Verification::Pending;
        }
        self.peers.put_user(card.clone());
        self.person(&card)
    }

    pub(crate) fn admin(&self) -> Person {
        let mut card = self.peers.patient();
        card.role = Role::Admin;
        self.peers.put_user(card.clone());
        self.person(&card)
    }

    pub(crate) fn person(&self, card: &UserCard) -> Person {
        Person {
            id: card.id,
            token: self.mint.access(card.id, card.role),
        }
    }

    /// A token with which another service may call this one.
    pub(crate) fn service_token(&self) -> String {
        self.mint.service("notification-service", NAME)
    }

    /// The same person, with a token for this service.
    pub(crate) fn again(&self, person: &Person, role: Role) -> Person {
        Person {
            id: person.id,
            token: self.mint.access(person.id, role),
        }
    }

    /// The patient lets the doctor in.
    pub(crate) async fn grant(&self, patient: &Person, doctor: &Person) {
        let path = format!("/records/{}/grants", patient.id);
        self.client
            .post(&path, &patient.token, &json!({"doctor_id": doctor.id}))
            .await
            .expect(201);
    }

    /// A visit between the two that gives access.
    pub(crate) fn visit(&self, doctor: &Person, patient: &Person) -> AppointmentId {
        let id = AppointmentId::generate();
        let start_at = self.clock.now();
        let card = AppointmentCard {
            id,
            patient_id: patient.id,
            doctor_id: doctor.id,
            status: "BOOKED".to_owned(),
            start_at,
            end_at: start_at + chrono::TimeDelta::minutes(30),
            time_zone: "Europe/Berlin".to_owned(),
            version: 1,
        };
        self.peers.put_appointment(card);
        let relationship = Relationship {
            appointment_id: Some(id),
            until: None,
        };
        self.peers.put_relationship(doctor.id, patient.id, relationship);
        id
    }

    pub(crate) fn end_visits(&self, doctor: &Person, patient: &Person) {
        self.peers.put_relationship(
            doctor.id,
            patient.id,
            Relationship {
                appointment_id: None,
                until: None,
            },
        );
    }

    /// A patient and a doctor who treats them.
    pub(crate) fn pair(&self) -> (Person, Person) {
        let (patient, doctor) = (self.patient(), self.doctor());
        self.visit(&doctor, &patient);
        (patient, doctor)
    }

    pub(crate) async fn post(&self, who: &Person, body: &Value) -> Answer {
        self.client.post("/records", &who.token, body).await
    }

    pub(crate) async fn upload(&self, who: &Person, form: Form) -> Answer {
        Client::send(
            self.client
                .request(Method::POST, "/records", &who.token)
                .multipart(form),
        )
        .await
    }

    pub(crate) async fn get(&self, who: &Person, path: &str) -> Answer {
        self.client.get(path, &who.token).await
    }

    pub(crate) async fn get_with(&self, who: &Person, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.client.request(Method::GET, path, &who.token);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        Client::send(request).await
    }

    /// A record without a file, written by `author`; its id.
    pub(crate) async fn note(&self, author: &Person, patient: &Person) -> String {
        let body = json!({"patient_id": patient.id, "record_type": "HISTORY", "notes": "well"});
        id_of(&self.post(author, &body).await.expect(201))
    }

    /// A record with [`PDF`], written by `author`; its id.
    pub(crate) async fn document(&self, author: &Person, patient: &Person) -> String {
        id_of(
            &self
                .upload(
                    author,
                    form(patient, "LAB_REPORT").part("file", pdf("report.pdf")),
                )
                .await
                .expect(201),
        )
    }

    /// The newest entries of a patient's access log, without those that reading it adds.
    pub(crate) async fn log(&self, patient: &Person) -> Vec<Value> {
        let answer = self
            .get(patient, &format!("/records/{}/access-log?limit=100", patient.id))
            .await
            .expect(200);
        let items = answer.json()["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .filter(|item| item["action"] != "READ_ACCESS_LOG")
            .collect()
    }

    /// Only user-service is found; appointment-service is away.
    pub(crate) fn only_users(peers: &Peers) -> Discovery {
        let address = peers.discovery().resolve("user-service")[0].base_url();
        let address = address.trim_start_matches("http://").parse().unwrap();
        Discovery::fixed(HashMap::from([("user-service".to_owned(), vec![address])]))
    }
}

/// The moment at which tests happen.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-06-15T10:00:00.123Z".parse().unwrap()
}

pub(crate) fn form(patient: &Person, kind: &str) -> Form {
    Form::new()
        .text("patient_id", patient.id.to_string())
        .text("record_type", kind.to_owned())
}

pub(crate) fn pdf(name: &str) -> Part {
    part(PDF, name, "application/pdf")
}

pub(crate) fn part(bytes: &[u8], name: &str, content_type: &str) -> Part {
    Part::bytes(bytes.to_vec())
        .file_name(name.to_owned())
        .mime_str(content_type)
        .unwrap()
}

pub(crate) fn id_of(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}
