//! The service on a database of its own, with a clock that the test moves and user-service played by `Peers`.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use appointment_service::config::{DEFAULTS, Settings};
use appointment_service::{MIGRATOR, NAME, assemble};
use chrono::{DateTime, Utc};
use common::auth::Role;
use common::broker::{AmqpSettings, Broker};
use common::clients::users::{Availability, Day, UserCard, WeeklyWindow};
use common::clock::Clock;
use common::config::{Live, from_yaml};
use common::core::Core;
use common::events::Event;
use common::ids::UserId;
use common_testing::{Answer, Client, Peers, TestServer, TokenMint, core_with, eventually, mysql_database};
use serde_json::{Value, json};
use sqlx::mysql::MySqlPool;

/// A Monday morning: 07:00 in Berlin, two hours before the doctors of [`Peers::doctor`] begin.
pub(crate) const NOW: &str = "2027-01-04T06:00:00Z";

/// Nobody listens there: events stay in the outbox, where a test can read them.
const NO_BROKER: &str = "amqp://127.0.0.1:1";

pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) peers: Peers,
    pub(crate) clock: Clock,
    pub(crate) mint: TokenMint,
    pub(crate) pool: MySqlPool,
    pub(crate) core: Core,
    settings: Arc<Live<Settings>>,
    pub(crate) server: TestServer,
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With some settings of its own, as YAML.
    pub(crate) async fn with(yaml: &str) -> Self {
        Self::on(
            mysql_database(&MIGRATOR).await,
            AmqpSettings::for_test(NO_BROKER),
            yaml,
        )
        .await
    }

    pub(crate) async fn on(pool: MySqlPool, amqp: AmqpSettings, yaml: &str) -> Self {
        // Patient where a busy machine is slow.
        let needed = "{amqp: {url: unused}, http_client: {connect_timeout_ms: 30000, timeout_ms: 30000}}";
        let settings = from_yaml(NAME, &[DEFAULTS, needed, yaml]).unwrap();
        let clock = Clock::fixed(NOW.parse().unwrap());
        let peers = Peers::start().await;
        let (core, mint) = core_with(&settings, clock.clone(), peers.discovery());
        let broker = Broker::start(&amqp, &core.background);
        let router = assemble(&core, Arc::clone(&settings), pool.clone(), broker);
        let server = TestServer::start(router, &core).await;
        Self {
            client: server.client(),
            peers,
            clock,
            mint,
            pool,
            core,
            settings,
            server,
        }
    }

    /// Another process of the same service on the same database.
    pub(crate) async fn second_instance(&self) -> (Client, TestServer) {
        let broker = Broker::start(&AmqpSettings::for_test(NO_BROKER), &self.core.background);
        let router = assemble(&self.core, Arc::clone(&self.settings), self.pool.clone(), broker);
        let server = TestServer::start(router, &self.core).await;
        (server.client(), server)
    }

    pub(crate) fn patient(&self) -> User {
        User {
            card: self.peers.patient(),
            mint: self.mint.clone(),
        }
    }

    /// Works Monday to Friday, 09:00 to 12:00 in Berlin, in visits of 30 minutes.
    pub(crate) fn doctor(&self) -> User {
        User {
            card: self.peers.doctor(),
            mint: self.mint.clone(),
        }
    }

    pub(crate) fn doctor_with(&self, availability: Availability) -> User {
        User {
            card: self.peers.doctor_with(availability),
            mint: self.mint.clone(),
        }
    }

    pub(crate) fn admin(&self) -> User {
        let mut card = self.peers.patient();
        card.role = Role::Admin;
        self.peers.put_user(card.clone());
        User {
            card,
            mint: self.mint.clone(),
        }
    }

    pub(crate) async fn book(&self, who: &User, body: &Value) -> Answer {
        self.client.post("/appointments", &who.token(), body).await
    }

    /// A visit of `patient` at `doctor` on the first Tuesday at `time`.
    pub(crate) async fn booked(&self, patient: &User, doctor: &User, time: &str) -> Value {
        self.book(patient, &at(doctor, TUESDAY, time))
            .await
            .expect(201)
            .json()
    }

    pub(crate) async fn put(&self, step: &str, who: &User, body: &Value) -> Answer {
        self.client
            .put(&format!("/appointments/{step}"), &who.token(), body)
            .await
    }

    pub(crate) async fn get(&self, path: &str, who: &User) -> Answer {
        self.client.get(path, &who.token()).await
    }

    /// The events that wait in the outbox, in order.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let bodies: Vec<String> = sqlx::query_scalar("select body from outbox order by seq")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }

    /// Move the clock to `at`, forward.
    pub(crate) fn travel(&self, at: &str) {
        let at = DateTime::<Utc>::from_str(at).unwrap();
        self.clock.advance(at - self.clock.now());
    }
}

pub(crate) const TUESDAY: &str = "2027-01-05";

/// Somebody with an account, and a token that is good at the present time of the test.
pub(crate) struct User {
    pub(crate) card: UserCard,
    mint: TokenMint,
}

impl User {
    pub(crate) fn id(&self) -> UserId {
        self.card.id
    }

    pub(crate) fn token(&self) -> String {
        self.mint.access(self.card.id, self.card.role)
    }
}

pub(crate) fn at(doctor: &User, date: &str, time: &str) -> Value {
    json!({"doctor_id": doctor.id(), "date": date, "time": time})
}

/// Every day from `start` to `end` in `zone`.
pub(crate) fn daily(zone: &str, slot_minutes: u32, start: &str, end: &str) -> Availability {
    let days = [
        Day::Monday,
        Day::Tuesday,
        Day::Wednesday,
        Day::Thursday,
        Day::Friday,
        Day::Saturday,
        Day::Sunday,
    ];
    let window = |day| WeeklyWindow {
        day,
        start: start.to_owned(),
        end: end.to_owned(),
    };
    Availability {
        time_zone: zone.to_owned(),
        slot_minutes,
        weekly: days.map(window).to_vec(),
        exceptions: Vec::new(),
    }
}

/// The value with the member at `pointer` set; `null` takes it away.
pub(crate) fn changed(value: &Value, member: &str, to: Value) -> Value {
    let mut value = value.clone();
    let members = value.as_object_mut().unwrap();
    match to {
        Value::Null => drop(members.remove(member)),
        to => drop(members.insert(member.to_owned(), to)),
    }
    value
}

/// Runs `work` while what `lock` selects (by one id) is locked, until `waiting` statements stand before locks: then all
/// go on at once. So a race is run and not hoped for.
pub(crate) async fn behind_lock<T>(
    pool: &MySqlPool,
    (lock, id): (&'static str, uuid::Uuid),
    waiting: i64,
    work: impl Future<Output = T>,
) -> T {
    let mut holder = pool.begin().await.unwrap();
    sqlx::query(lock).bind(id).execute(&mut *holder).await.unwrap();
    let release = async {
        let blocked = async || {
            let running: i64 = sqlx::query_scalar(
                "select count(*) from information_schema.processlist
                 where db = database() and command in ('Query', 'Execute') and id <> connection_id()",
            )
            .fetch_one(pool)
            .await
            .unwrap();
            (running >= waiting).then_some(())
        };
        eventually("all stand before a lock", blocked).await;
        holder.commit().await.unwrap();
    };
    tokio::join!(work, release).0
}
