//! The service on a database of its own, with a clock that the test moves, neighbours played by `Peers`, and steps that
//! the test takes one by one: an event arrives, reminders fall due, messages are sent.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::auth::Role;
use common::broker::Failure;
use common::clients::appointments::AppointmentCard;
use common::clients::users::UserCard;
use common::clock::Clock;
use common::config::from_yaml;
use common::core::Core;
use common::events::{AppointmentChange, Event, Payload};
use common::ids::{AppointmentId, UserId};
use common_testing::{Client, Peers, TestServer, TokenMint, core_with, mysql_database};
use notification_service::config::{DEFAULTS, Settings};
use notification_service::domain::channel::Channel;
use notification_service::{MIGRATOR, NAME, Parts};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use uuid::Uuid;

/// A Monday, 10:00 in Berlin.
pub(crate) const NOW: &str = "2027-01-04T09:00:00Z";

pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) peers: Peers,
    pub(crate) clock: Clock,
    pub(crate) mint: TokenMint,
    pub(crate) pool: MySqlPool,
    pub(crate) core: Core,
    pub(crate) parts: Parts,
    pub(crate) folder: PathBuf,
    pub(crate) server: Option<TestServer>,
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With some settings of its own, as YAML.
    pub(crate) async fn with(yaml: &str) -> Self {
        Self::at(Clock::fixed(NOW.parse().unwrap()), yaml).await
    }

    pub(crate) async fn at(clock: Clock, yaml: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("notification-test-{}", Uuid::now_v7()));
        let needed = format!(
            "{{amqp: {{url: unused}}, mail: {{dir: '{0}/mail'}}, sms: {{dir: '{0}/sms'}}, \
             http_client: {{timeout_ms: 10000}}}}",
            folder.display()
        );
        let settings = from_yaml::<Settings>(NAME, &[DEFAULTS, &needed, yaml]).unwrap();
        let peers = Peers::start().await;
        let (core, mint) = core_with(&settings, clock.clone(), peers.discovery());
        let pool = mysql_database(&MIGRATOR).await;
        let parts = Parts::new(&core, Arc::clone(&settings), pool.clone()).unwrap();
        let server = TestServer::start(parts.router(&core), &core).await;
        Self {
            client: server.client(),
            peers,
            clock,
            mint,
            pool,
            core,
            parts,
            folder,
            server: Some(server),
        }
    }

    pub(crate) fn stop_serving(&mut self) {
        self.server = None;
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn event(&self, payload: &Payload) -> Event {
        Event::new("test", "x", self.now(), payload)
    }

    /// An event arrives.
    pub(crate) async fn hear(&self, payload: &Payload) -> Result<(), Failure> {
        self.parts.listener.handle(self.event(payload)).await
    }

    /// Everything that is due is sent.
    pub(crate) async fn send(&self) {
        for channel in Channel::ALL {
            while self.parts.sender.round(channel).await.unwrap() > 0 {}
        }
    }

    /// Reminders that are due are released and sent.
    pub(crate) async fn remind(&self) {
        self.parts.listener.release_due().await.unwrap();
        self.send().await;
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    pub(crate) fn admin(&self) -> String {
        self.mint.access(UserId::generate(), Role::Admin)
    }

    pub(crate) fn token(&self, user: &UserCard) -> String {
        self.mint.access(user.id, user.role)
    }

    /// What the ledger shows to an administrator, oldest first.
    pub(crate) async fn ledger(&self, query: &str) -> Vec<Value> {
        let path = format!("/notifications?limit=100{query}");
        let list = self.client.get(&path, &self.admin()).await.expect(200).json();
        let mut items = list["items"].as_array().unwrap().clone();
        items.reverse();
        items
    }

    /// `template/channel/status` of what a user was told, oldest first.
    pub(crate) async fn told(&self, user: UserId) -> Vec<String> {
        let items = self.ledger(&format!("&user_id={user}")).await;
        items.iter().map(summary).collect()
    }

    /// The mails in the folder, by name.
    pub(crate) fn mails(&self) -> Vec<String> {
        read_all(&self.folder.join("mail"))
    }

    pub(crate) fn texts(&self) -> Vec<Value> {
        let files = read_all(&self.folder.join("sms"));
        files
            .iter()
            .map(|file| serde_json::from_str(file).unwrap())
            .collect()
    }

    pub(crate) async fn notify(&self, user: UserId, channel: &str, message: &str) -> Value {
        let body = json!({"user_id": user, "channel": channel, "message": message});
        self.client
            .post("/notify", &self.admin(), &body)
            .await
            .expect(202)
            .json()
    }
}

pub(crate) fn summary(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap().to_owned();
    let reason = item["skip_reason"]
        .as_str()
        .map_or(String::new(), |reason| format!(":{reason}"));
    format!(
        "{}/{}/{}{reason}",
        text("template"),
        text("channel"),
        text("status")
    )
}

fn read_all(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
        .iter()
        .map(|name| std::fs::read_to_string(name).unwrap())
        .collect()
}

/// A visit between two people, as it changes.
pub(crate) struct Visit {
    pub(crate) change: AppointmentChange,
}

impl Visit {
    /// Booked by the patient, to begin at `start_at`.
    pub(crate) fn booked(app: &App, patient: &UserCard, doctor: &UserCard, start_at: DateTime<Utc>) -> Self {
        let change = AppointmentChange {
            appointment_id: AppointmentId::generate(),
            patient_id: patient.id,
            doctor_id: doctor.id,
            start_at,
            end_at: start_at + TimeDelta::minutes(30),
            status: "BOOKED".to_owned(),
            version: 1,
            changed_by: patient.id,
            previous_start_at: None,
        };
        let visit = Self { change };
        visit.publish(app);
        visit
    }

    /// appointment-service knows the visit as it is now.
    pub(crate) fn publish(&self, app: &App) {
        let change = &self.change;
        app.peers.put_appointment(AppointmentCard {
            id: change.appointment_id,
            patient_id: change.patient_id,
            doctor_id: change.doctor_id,
            status: change.status.clone(),
            start_at: change.start_at,
            end_at: change.end_at,
            time_zone: "Europe/Berlin".to_owned(),
            version: change.version,
        });
    }

    fn step(&mut self, app: &App, status: &str, by: UserId) {
        self.change.version += 1;
        status.clone_into(&mut self.change.status);
        self.change.changed_by = by;
        self.publish(app);
    }

    pub(crate) fn cancel(&mut self, app: &App, by: UserId) -> Payload {
        self.step(app, "CANCELLED", by);
        Payload::AppointmentCancelled(self.change.clone())
    }

    pub(crate) fn confirm(&mut self, app: &App) -> Payload {
        let doctor = self.change.doctor_id;
        self.step(app, "CONFIRMED", doctor);
        Payload::AppointmentConfirmed(self.change.clone())
    }

    pub(crate) fn shift(&mut self, app: &App, start_at: DateTime<Utc>, by: UserId) -> Payload {
        self.change.previous_start_at = Some(self.change.start_at);
        self.change.start_at = start_at;
        self.step(app, "BOOKED", by);
        Payload::AppointmentRescheduled(self.change.clone())
    }

    pub(crate) fn as_booked(&self) -> Payload {
        Payload::AppointmentBooked(self.change.clone())
    }
}
