//! Against the broker at `TEST_AMQP_URL`.

mod consuming;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use lapin::options::BasicGetOptions;
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::*;
use crate::events::{Payload, RecordChange};
use crate::ids::{EventId, RecordId, UserId};

const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> AmqpSettings {
    #[expect(clippy::disallowed_methods, reason = "where the test servers are")]
    let url = std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL; `dev/servers up` makes .dev/test.env");
    AmqpSettings::for_test(url)
}

fn event(kind: &str) -> Event {
    let payload = Payload::RecordCreated(RecordChange {
        record_id: RecordId::generate(),
        patient_id: UserId::generate(),
        author_id: UserId::generate(),
        version: 1,
    });
    let mut event = Event::new("test", "x", DateTime::UNIX_EPOCH, &payload);
    kind.clone_into(&mut event.kind);
    event
}

fn spec(delivery_limit: i32) -> ConsumerSpec {
    ConsumerSpec {
        queue: "listener".to_owned(),
        bindings: vec!["record.*".to_owned()],
        prefetch: 8,
        delivery_limit,
    }
}

/// What handlers were called with, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<EventId>>>);

impl Heard {
    fn note(&self, event: &Event) {
        self.0.lock().unwrap().push(event.id);
    }

    fn times(&self, event: &Event) -> usize {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|id| **id == event.id)
            .count()
    }
}

struct Fixture {
    settings: AmqpSettings,
    background: Background,
    broker: Broker,
    own: Connection,
}

impl Fixture {
    async fn new() -> Self {
        let settings = settings();
        let background = Background::new();
        let broker = Broker::start(&settings, &background);
        timeout(PATIENCE, broker.connected()).await.expect("a broker");
        let properties = ConnectionProperties::default();
        let own = Connection::connect(settings.url.as_ref().unwrap().expose_secret(), properties)
            .await
            .unwrap();
        Self {
            settings,
            background,
            broker,
            own,
        }
    }

    /// Consumes as `spec` says and waits until the queue is bound.
    async fn consume<H, F>(&self, spec: ConsumerSpec, handler: H)
    where
        H: Fn(Event) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.broker.consume(spec, handler);
        let bound = async || self.broker.publish(&event("record.probe")).await.is_ok();
        eventually("the queue is bound", bound).await;
    }

    async fn channel(&self) -> Channel {
        self.own.create_channel().await.unwrap()
    }

    /// Takes one message from a queue of this test, if there is one.
    async fn take(&self, queue: &str) -> Option<Vec<u8>> {
        let name = format!("{}.{queue}", self.settings.namespace);
        let options = BasicGetOptions { no_ack: true };
        let message = self
            .channel()
            .await
            .basic_get(name.into(), options)
            .await
            .ok()??;
        Some(message.delivery.data)
    }

    async fn take_dead(&self) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.take("listener.dead").await {
                return found;
            }
            assert!(Instant::now() < end, "nothing in the dead-letter queue");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn stop(&self) {
        self.background.stop();
        timeout(PATIENCE, self.background.ended())
            .await
            .expect("an orderly end");
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_process_starts_without_a_broker_and_publishing_fails_at_once() {
    let background = Background::new();
    let broker = Broker::start(&AmqpSettings::for_test("amqp://127.0.0.1:1"), &background);
    let refused = timeout(Duration::from_secs(1), broker.publish(&event("record.created"))).await;
    assert_eq!(refused.unwrap(), Err(PublishError::Away));
    assert!(broker.health().is_err());
    background.stop();
    timeout(PATIENCE, background.ended()).await.unwrap();
}

#[tokio::test]
async fn an_event_that_no_queue_takes_is_an_error_and_only_that_one() {
    let fixture = Fixture::new().await;
    fixture.consume(spec(3), |_| async { Ok(()) }).await;
    let mut publishing = JoinSet::new();
    for n in 0..300 {
        let broker = fixture.broker.clone();
        let kind = if n % 7 == 3 {
            "nobody.listens"
        } else {
            "record.created"
        };
        publishing.spawn(async move { (kind, broker.publish(&event(kind)).await) });
    }
    let mut verdicts = HashMap::<_, usize>::new();
    for (kind, verdict) in publishing.join_all().await {
        *verdicts
            .entry((kind, verdict.err().map(|e| e.to_string())))
            .or_default() += 1;
    }
    let returned = Some(PublishError::Returned.to_string());
    assert_eq!(
        verdicts,
        HashMap::from([
            (("nobody.listens", returned), 43),
            (("record.created", None), 257)
        ])
    );
}

#[tokio::test]
async fn an_event_arrives_as_it_was_sent() {
    let fixture = Fixture::new().await;
    let (sender, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    fixture
        .consume(spec(3), move |event| {
            sender.send(event).unwrap();
            async { Ok(()) }
        })
        .await;
    let sent = event("record.created");
    fixture.broker.publish(&sent).await.unwrap();
    while timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap() != sent {}
    assert_eq!(fixture.broker.state(), BrokerState::Connected);
}

#[tokio::test]
async fn a_broadcast_reaches_every_instance() {
    let fixture = Fixture::new().await;
    let other = Broker::start(&fixture.settings, &fixture.background);
    let heard = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    for (broker, count) in [&fixture.broker, &other].into_iter().zip(heard.clone()) {
        broker.on_broadcast(move |body| {
            assert_eq!(body, "now");
            count.fetch_add(1, Ordering::SeqCst);
            async {}
        });
    }
    eventually("both heard it", async || {
        let _ = fixture.broker.broadcast("now").await;
        heard.iter().all(|count| count.load(Ordering::SeqCst) > 0)
    })
    .await;
}

/// A stand-in for the network between a process and its broker, to be cut.
async fn network(target: String) -> (u16, Arc<Mutex<JoinSet<()>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines = Arc::new(Mutex::new(JoinSet::new()));
    let all = lines.clone();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(&target).await.unwrap();
            all.lock().unwrap().spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, lines)
}

#[tokio::test]
async fn publishing_and_consuming_go_on_after_the_connection_was_cut() {
    let mut settings = settings();
    let mut url = url::Url::parse(settings.url.as_ref().unwrap().expose_secret()).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672));
    let (port, lines) = network(target).await;
    url.set_port(Some(port)).unwrap();
    settings.url = Some(String::from(url).into());

    let background = Background::new();
    let broker = Broker::start(&settings, &background);
    let heard = Heard::default();
    let noted = heard.clone();
    broker.consume(spec(20), move |event| {
        noted.note(&event);
        async { Ok(()) }
    });
    for round in 0..3 {
        let wanted = event("record.created");
        eventually("it is published", async || broker.publish(&wanted).await.is_ok()).await;
        eventually("it is heard", async || heard.times(&wanted) > 0).await;
        lines.lock().unwrap().abort_all();
        eventually("the loss is noticed", async || {
            broker.state() == BrokerState::Away
        })
        .await;
        assert!(broker.health().is_err(), "round {round}");
    }
    background.stop();
    timeout(PATIENCE, background.ended()).await.unwrap();
}
