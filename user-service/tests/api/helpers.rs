//! The service on a socket with a database of its own, and the people who use it.

use std::sync::Arc;

use chrono::TimeDelta;
use common::broker::{AmqpSettings, Broker};
use common::clock::Clock;
use common::config::{self, Live};
use common::core::Core;
use common::discovery::Discovery;
use common::outbox::Outbox;
use common_testing::{Answer, As, Client, TestServer, core_with, mysql_database};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use user_service::config::{DEFAULTS, Settings};
use user_service::{AppState, MIGRATOR, NAME, start};

/// 32 bytes in base64; not a secret of anything.
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Strong enough for everybody here.
pub const PASSWORD: &str = "lantern-orbit-92-walrus";
pub const ADMIN_EMAIL: &str = "root@clinic.example";
pub const ADMIN_PASSWORD: &str = "quartz-meadow-17-falcon";
pub const SERVICE_SECRET: &str = "a-test-secret-of-some-length";

/// A running service.
pub struct TestApp {
    pub client: Client,
    pub db: MySqlPool,
    pub clock: Clock,
    pub state: AppState,
    pub server: TestServer,
}

/// Somebody who has logged in.
#[derive(Clone)]
pub struct User {
    pub id: String,
    pub email: String,
    pub access: String,
    pub refresh: String,
}

/// Settings for tests: weak hashes, so that the tests do not spend their time on them.
pub fn settings(overrides: &str) -> Arc<Live<Settings>> {
    try_settings(overrides).unwrap()
}

/// The same where they may be refused.
pub fn try_settings(overrides: &str) -> anyhow::Result<Arc<Live<Settings>>> {
    let base = format!(
        "master: {{key: \"{MASTER_KEY}\"}}
amqp: {{url: \"amqp://127.0.0.1:1\"}}
admin: {{email: {ADMIN_EMAIL}, password: {ADMIN_PASSWORD}}}
service: {{secrets: \"notification-service:{SERVICE_SECRET},api-gateway:{SERVICE_SECRET}\"}}
password: {{memory_kib: 64, passes: 1, patience_ms: 10000, queue: 1000}}
"
    );
    config::from_yaml(NAME, &[DEFAULTS, &base, overrides])
}

impl TestApp {
    /// With the system's clock.
    pub async fn start() -> Self {
        Self::start_with("", Clock::System).await
    }

    /// With a clock that the test moves.
    pub async fn start_with_clock() -> Self {
        Self::start_with("", Clock::fixed(Clock::System.now())).await
    }

    /// With settings in YAML over the others.
    pub async fn start_with(overrides: &str, clock: Clock) -> Self {
        Self::start_on(mysql_database(&MIGRATOR).await, overrides, clock).await
    }

    /// A further instance on the same database.
    pub async fn another_instance(&self) -> Self {
        Self::start_on(self.db.clone(), "", self.clock.clone()).await
    }

    /// On a given database.
    pub async fn start_on(db: MySqlPool, overrides: &str, clock: Clock) -> Self {
        let (core, state) = assemble(db.clone(), overrides, clock.clone());
        let router = start(&state).await.unwrap();
        let server = TestServer::start(router, &core).await;
        Self {
            client: server.client(),
            db,
            clock,
            state,
            server,
        }
    }

    /// Let time pass.
    pub fn advance(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.post(path, As::Anyone, body).await
    }

    pub async fn login_as(&self, email: &str, password: &str) -> Answer {
        self.post("/login", &json!({"email": email, "password": password}))
            .await
    }

    /// Log in, which must work.
    pub async fn login(&self, email: &str, password: &str) -> User {
        let answer = self.login_as(email, password).await.expect(200).json();
        User {
            id: text(&answer["user"]["id"]),
            email: email.to_owned(),
            access: text(&answer["access_token"]),
            refresh: text(&answer["refresh_token"]),
        }
    }

    /// A patient who has registered and logged in.
    pub async fn patient(&self, name: &str) -> User {
        let email = format!("{name}@patients.example");
        self.post("/register", &patient_form(&email)).await.expect(201);
        self.login(&email, PASSWORD).await
    }

    /// A doctor who has registered and logged in, not verified.
    pub async fn doctor(&self, name: &str) -> User {
        let email = format!("{name}@doctors.example");
        self.post("/register", &doctor_form(name, &email))
            .await
            .expect(201);
        self.login(&email, PASSWORD).await
    }

    /// A doctor whom the administrator has verified.
    pub async fn verified_doctor(&self, name: &str) -> User {
        let doctor = self.doctor(name).await;
        let admin = self.admin().await;
        let path = format!("/doctors/{}/verification", doctor.id);
        self.client
            .put(&path, &admin.access, &json!({"status": "VERIFIED"}))
            .await
            .expect(200);
        doctor
    }

    /// The first administrator, logged in anew.
    pub async fn admin(&self) -> User {
        self.login(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// Another administrator, logged in.
    pub async fn another_admin(&self, name: &str) -> User {
        let email = format!("{name}@clinic.example");
        let body = json!({"name": name, "email": email, "password": PASSWORD, "role": "ADMIN"});
        let admin = self.admin().await;
        self.client.post("/users", &admin.access, &body).await.expect(201);
        self.login(&email, PASSWORD).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/token/refresh", &json!({"refresh_token": token}))
            .await
    }

    /// Whether this access token is good here.
    pub async fn accepts(&self, access: &str) -> bool {
        self.client.get("/users/me", access).await.status == 200
    }

    /// A service token for calls to this service.
    pub async fn service_token(&self, name: &str) -> String {
        let request = self
            .client
            .request(http::Method::POST, "/internal/token", As::Anyone);
        let request = request
            .basic_auth(name, Some(SERVICE_SECRET))
            .json(&json!({"audience": NAME}));
        text(&Client::send(request).await.expect(200).json()["access_token"])
    }

    /// The events of this type in the outbox, oldest first.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let rows: Vec<String> = sqlx::query_scalar("select body from outbox order by seq")
            .fetch_all(&self.db)
            .await
            .unwrap();
        let events = rows.iter().map(|row| serde_json::from_str::<Value>(row).unwrap());
        events.filter(|event| event["type"] == kind).collect()
    }

    /// Actions and outcomes in the audit, oldest first.
    pub async fn audit(&self) -> Vec<(String, String)> {
        sqlx::query_as("select action, outcome from audit order by seq")
            .fetch_all(&self.db)
            .await
            .unwrap()
    }
}

/// The parts of a service that has not been started.
pub fn assemble(db: MySqlPool, overrides: &str, clock: Clock) -> (Core, AppState) {
    let live = settings(overrides);
    let (core, _) = core_with(&live, clock, Discovery::disabled());
    // No broker: what would be published stays in the outbox, where tests look at it.
    let broker = Broker::start(&AmqpSettings::for_test("amqp://127.0.0.1:1"), &core.background);
    let outbox = Outbox::start(db.clone(), broker, &core.background);
    let state = AppState::new(core.clone(), live, db, outbox).unwrap();
    (core, state)
}

pub fn patient_form(email: &str) -> Value {
    json!({"name": "Pat Example", "email": email, "password": PASSWORD, "role": "PATIENT"})
}

pub fn doctor_form(name: &str, email: &str) -> Value {
    json!({
        "name": format!("Dr {name}"),
        "email": email,
        "password": PASSWORD,
        "role": "DOCTOR",
        "time_zone": "Europe/Berlin",
        "doctor": {"specialization": "Cardiology", "license_number": "B-123"}
    })
}

/// `form` with `member` set to `value`.
pub fn with(mut form: Value, member: &str, value: Value) -> Value {
    form[member] = value;
    form
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// The claims of a token, unchecked.
pub fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}
