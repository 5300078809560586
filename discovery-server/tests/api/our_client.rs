//! The fleet's own client against the real server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::background::Background;
use common::clock::Clock;
use common::discovery::{Discovery, DiscoverySettings, Registration};
use reqwest::Method;

use crate::helpers::{As, Server, eventually};

/// Within this, a new or stopped instance is known everywhere.
const PUSHED: Duration = Duration::from_secs(1);

fn settings(server: &Server, who: As) -> DiscoverySettings {
    DiscoverySettings {
        url: Some(server.url(who).into()),
        renewal_interval_s: 1,
        lease_duration_s: 3,
        ..Default::default()
    }
}

fn registration(app: &str, port: u16) -> Registration {
    Registration {
        app: app.to_owned(),
        host: [127, 0, 0, 1].into(),
        port,
        health_path: "/actuator/health".to_owned(),
        status_path: "/actuator/info".to_owned(),
        metadata: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
    }
}

/// Wait for the reader to see `count` instances; how long it took.
async fn sees(reader: &Discovery, count: usize) -> Duration {
    let begun = Instant::now();
    let mut changes = reader.subscribe();
    while reader.resolve("user-service").len() != count {
        tokio::time::timeout(Duration::from_secs(20), changes.changed())
            .await
            .expect("no change in time")
            .unwrap();
    }
    begun.elapsed()
}

#[tokio::test]
async fn an_instance_is_seen_when_it_comes_and_when_it_leaves_without_polling() {
    let server = Server::start().await;
    let (readers, instances) = (Background::new(), Background::new());
    let reader = Discovery::start(&settings(&server, As::Notification), &readers, Clock::System).unwrap();
    eventually("the reader is connected", || async { reader.is_connected() }).await;
    let instance = Discovery::start(&settings(&server, As::User), &instances, Clock::System).unwrap();
    instance.register(registration("user-service", 8081));
    assert!(sees(&reader, 1).await < PUSHED);
    let found = &reader.resolve("USER-SERVICE")[0];
    assert_eq!(
        (found.base_url().as_str(), found.metadata["zone"].as_str()),
        ("http://127.0.0.1:8081", "a")
    );
    instance.deregister().await;
    assert!(sees(&reader, 0).await < PUSHED);
    readers.stop();
    instances.stop();
    server.stop().await;
}

#[tokio::test]
async fn a_killed_instance_is_gone_after_its_lease() {
    let server = Server::start().await;
    let (readers, instances) = (Background::new(), Background::new());
    let reader = Discovery::start(&settings(&server, As::Notification), &readers, Clock::System).unwrap();
    let instance = Discovery::start(&settings(&server, As::User), &instances, Clock::System).unwrap();
    instance.register(registration("user-service", 8081));
    sees(&reader, 1).await;
    eventually("a renewal", || async {
        server.json("/eureka/status").await["applicationStats"]["renews-last-minute"] != "0"
    })
    .await;
    instances.stop();
    let took = sees(&reader, 0).await;
    assert!(
        (Duration::from_millis(1500)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
    readers.stop();
    server.stop().await;
}

#[tokio::test]
async fn an_instance_taken_out_of_service_is_not_resolved() {
    let server = Server::start().await;
    let background = Background::new();
    let reader = Discovery::start(&settings(&server, As::User), &background, Clock::System).unwrap();
    reader.register(registration("user-service", 8081));
    sees(&reader, 1).await;
    let one = "/eureka/apps/USER-SERVICE/127.0.0.1:user-service:8081";
    server
        .send(
            As::Admin,
            Method::PUT,
            &format!("{one}/status?value=OUT_OF_SERVICE"),
        )
        .await;
    sees(&reader, 0).await;
    assert_eq!(reader.view().instances().count(), 1, "it is still listed");
    server
        .send(As::Admin, Method::DELETE, &format!("{one}/status"))
        .await;
    sees(&reader, 1).await;
    background.stop();
    server.stop().await;
}

#[tokio::test]
async fn a_registry_that_restarts_empty_empties_nobody_and_gets_everybody_back() {
    let server = Server::start().await;
    let address = server.address;
    let background = Background::new();
    let client = Discovery::start(&settings(&server, As::User), &background, Clock::System).unwrap();
    client.register(registration("user-service", 8081));
    sees(&client, 1).await;
    server.stop().await;
    assert_eq!(
        client.resolve("user-service").len(),
        1,
        "last known while the registry is away"
    );
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let fresh = Server::on(listener, "{}");
    eventually("registered again by itself", || async {
        assert_eq!(client.resolve("user-service").len(), 1, "never empty in between");
        fresh.listed().await.len() == 1
    })
    .await;
    background.stop();
    fresh.stop().await;
}

#[tokio::test]
async fn a_wrong_credential_registers_nothing() {
    let server = Server::start().await;
    let background = Background::new();
    let client = Discovery::start(&settings(&server, As::Notification), &background, Clock::System).unwrap();
    client.register(registration("user-service", 8081));
    eventually("the reader is connected", || async { client.is_connected() }).await;
    assert!(!client.is_registered().await);
    assert!(server.listed().await.is_empty());
    background.stop();
    server.stop().await;
}
