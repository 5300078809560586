//! The client against a registry that misbehaves in chosen ways; the real one tests it in its own crate.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::view::{Heard, Memory};
use super::wire::Answer;
use super::*;

fn entry(id: &str, address: &str, status: &str) -> Value {
    let (ip, port) = address.split_once(':').unwrap();
    json!({"instanceId": id, "app": "X", "hostName": "h", "ipAddr": ip, "status": status,
        "port": {"$": port, "@enabled": "true"}, "lastDirtyTimestamp": "7"})
}

fn heard(epoch: Option<&str>, addresses: &[&str]) -> Heard {
    let list: Vec<_> = addresses
        .iter()
        .map(|address| entry(address, address, "UP"))
        .collect();
    let answer = json!({"applications": {"application": [{"name": "X", "instance": list}]}});
    let answer: Answer = serde_json::from_value(answer).unwrap();
    Heard {
        version: 1,
        epoch: epoch.map(str::to_owned),
        instances: answer.instances(),
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

const KEEP: TimeDelta = TimeDelta::seconds(15);

#[test]
fn what_other_registries_write_is_understood() {
    let answer: Answer =
        serde_json::from_value(json!({"applications": {"application": {"name": "X", "instance": {
        "app": "x", "hostName": "h", "ipAddr": "10.0.0.1", "status": "ODD",
        "port": {"$": "80", "@enabled": false}, "securePort": {"$": 443, "@enabled": true},
        "metadata": {"@class": "m", "zone": "a", "list": [1]}}}}}))
        .unwrap();
    let found = &answer.instances()[0];
    assert_eq!(
        (found.app.as_str(), found.id.as_str(), found.status),
        ("X", "h", Status::Unknown)
    );
    assert_eq!(found.base_url(), "https://10.0.0.1:443");
    assert_eq!(found.metadata.get("zone").map(String::as_str), Some("a"));
}

#[test]
fn an_instance_without_an_ip_address_or_open_port_is_left_out() {
    let mut named = entry("a", "10.0.0.1:1", "UP");
    named["ipAddr"] = json!("evil.example");
    let mut closed = entry("b", "10.0.0.1:1", "UP");
    closed["port"]["@enabled"] = json!("false");
    let answer = json!({"applications": {"application": [{"name": "X", "instance": [named, closed]}]}});
    assert!(
        serde_json::from_value::<Answer>(answer)
            .unwrap()
            .instances()
            .is_empty()
    );
}

#[test]
fn only_what_is_up_is_resolved_and_case_does_not_matter() {
    let list = vec![
        entry("a", "10.0.0.1:1", "UP"),
        entry("b", "10.0.0.1:2", "OUT_OF_SERVICE"),
    ];
    let answer = json!({"applications": {"application": [{"name": "X", "instance": list}]}});
    let view = View::new(1, serde_json::from_value::<Answer>(answer).unwrap().instances());
    assert_eq!(
        (view.up("x").len(), view.up("X").len(), view.up("y").len()),
        (1, 1, 0)
    );
    assert_eq!(view.instances().count(), 2);
}

#[test]
fn a_registry_without_memory_does_not_empty_ours() {
    let mut memory = Memory::default();
    memory.learn(
        heard(Some("first"), &["10.0.0.1:1", "10.0.0.2:1"]),
        true,
        at(0),
        KEEP,
    );
    memory.learn(heard(Some("second"), &["10.0.0.1:1"]), true, at(1), KEEP);
    assert_eq!(
        memory.view().up("X").len(),
        2,
        "the one not yet back is still believed in"
    );
    memory.learn(heard(Some("second"), &["10.0.0.1:1"]), false, at(10), KEEP);
    assert_eq!(memory.view().up("X").len(), 2);
    assert_eq!(memory.next_forgetting(), Some(at(16)));
    memory.forget(at(16));
    assert_eq!(memory.view().up("X").len(), 1, "it did not come back in time");
}

#[test]
fn what_a_former_process_knew_gives_way_to_what_is_listed() {
    let [long_ago, now] = [&["10.0.0.1:1"], &["10.0.0.2:1"]].map(|of_x| heard(Some("first"), of_x));
    let remembered = || Memory::remembered(long_ago.instances.clone());
    let mut memory = remembered();
    assert_eq!(memory.view().up("X").len(), 1);
    memory.learn(heard(Some("first"), &[]), true, at(0), KEEP);
    assert_eq!(memory.view().up("X").len(), 1, "better than nobody, for a while");
    let mut memory = remembered();
    memory.learn(now, true, at(0), KEEP);
    let view = memory.view();
    let addresses: Vec<String> = view.up("X").iter().map(|one| one.address.to_string()).collect();
    assert_eq!(
        addresses,
        ["10.0.0.2:1"],
        "the other address may be somebody else's"
    );
}

#[test]
fn an_instance_that_came_back_is_listed_once() {
    let mut memory = Memory::default();
    memory.learn(heard(Some("first"), &["10.0.0.1:1"]), true, at(0), KEEP);
    memory.learn(heard(Some("second"), &[]), true, at(1), KEEP);
    memory.learn(heard(Some("second"), &["10.0.0.1:1"]), false, at(2), KEEP);
    assert_eq!(memory.view().up("X").len(), 1);
}

#[test]
fn what_leaves_during_one_life_of_the_registry_is_gone_at_once() {
    let mut memory = Memory::default();
    memory.learn(
        heard(Some("first"), &["10.0.0.1:1", "10.0.0.2:1"]),
        true,
        at(0),
        KEEP,
    );
    memory.learn(heard(Some("first"), &["10.0.0.2:1"]), true, at(1), KEEP);
    assert_eq!(memory.view().up("X").len(), 1);
}

#[test]
fn without_epochs_a_gap_is_taken_for_a_lost_memory() {
    let mut memory = Memory::default();
    memory.learn(heard(None, &["10.0.0.1:1"]), true, at(0), KEEP);
    memory.learn(heard(None, &[]), true, at(1), KEEP);
    assert_eq!(memory.view().up("X").len(), 1);
    memory.learn(heard(None, &[]), false, at(20), KEEP);
    memory.learn(heard(None, &[]), false, at(21), KEEP);
    assert_eq!(memory.view().up("X").len(), 0);
}

/// A registry of another make: no long poll, and it can be told to forget.
#[derive(Clone, Default)]
struct Stub {
    asked: Arc<Mutex<Vec<String>>>,
    forgets: Arc<AtomicBool>,
}

impl Stub {
    async fn start() -> (Self, String) {
        let stub = Self::default();
        let router = Router::new().fallback(answer).with_state(stub.clone());
        let address = common_testing::serve(router).await;
        (stub, format!("http://x:secret@{address}/eureka/"))
    }

    fn count(&self, what: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| asked.starts_with(what))
            .count()
    }

    async fn until(&self, what: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.count(what) < times {
            assert!(
                Instant::now() < deadline,
                "no {what} in time: {:?}",
                self.asked.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer(State(stub): State<Stub>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    assert_eq!(request.headers()[header::AUTHORIZATION], "Basic eDpzZWNyZXQ=");
    stub.asked.lock().unwrap().push(format!("{method} {path}"));
    match (method, path.as_str()) {
        (Method::GET, "/eureka/apps/") => {
            let body = json!({"applications": {"application": {"name": "X", "instance": entry("a", "10.0.0.1:1", "UP")}}});
            ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        (Method::POST, "/eureka/apps/X") => StatusCode::NO_CONTENT.into_response(),
        (Method::PUT, _) if stub.forgets.swap(false, Ordering::Relaxed) => {
            StatusCode::NOT_FOUND.into_response()
        }
        (Method::PUT | Method::DELETE, "/eureka/apps/X/127.0.0.1:x:9") => StatusCode::OK.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn settings(url: &str) -> DiscoverySettings {
    DiscoverySettings {
        url: Some(url.into()),
        renewal_interval_s: 1,
        poll_interval_s: 1,
        ..Default::default()
    }
}

fn registration() -> Registration {
    Registration {
        app: "x".to_owned(),
        host: [127, 0, 0, 1].into(),
        port: 9,
        health_path: "/actuator/health".to_owned(),
        status_path: "/actuator/info".to_owned(),
        metadata: std::collections::BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_registry_without_long_poll_is_polled() {
    let (stub, url) = Stub::start().await;
    let background = Background::new();
    let discovery = Discovery::start(&settings(&url), &background, Clock::System).unwrap();
    let mut changes = discovery.subscribe();
    tokio::time::timeout(Duration::from_secs(10), changes.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(discovery.resolve("x")[0].address.to_string(), "10.0.0.1:1");
    stub.until("GET /eureka/apps/", 2).await;
    assert_eq!(
        stub.count("GET /eureka/changes"),
        1,
        "asked for the long poll once and never again"
    );
    background.stop();
    background.ended().await;
}

#[tokio::test]
async fn a_forgotten_lease_is_registered_again_and_leaving_is_final() {
    let (stub, url) = Stub::start().await;
    let background = Background::new();
    let discovery = Discovery::start(&settings(&url), &background, Clock::System).unwrap();
    discovery.register(registration());
    stub.until("PUT", 1).await;
    assert!(discovery.is_registered().await);
    stub.forgets.store(true, Ordering::Relaxed);
    stub.until("POST", 2).await;
    discovery.deregister().await;
    assert_eq!(
        (stub.count("POST"), stub.count("DELETE")),
        (3, 1),
        "marked DOWN, then removed"
    );
    discovery.register(registration());
    discovery.deregister().await;
    assert_eq!(
        (stub.count("POST"), stub.count("DELETE")),
        (3, 1),
        "nothing brings it back"
    );
    background.stop();
    background.ended().await;
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_away() {
    let (stub, url) = Stub::start().await;
    let background = Background::new();
    let both = format!("http://x:secret@127.0.0.1:1/eureka/, {url}");
    let discovery = Discovery::start(&settings(&both), &background, Clock::System).unwrap();
    discovery.register(registration());
    stub.until("POST", 1).await;
    stub.until("GET /eureka/apps/", 2).await;
    assert!(
        discovery.is_connected(),
        "the first poll was taken in before the second one"
    );
    background.stop();
    background.ended().await;
}

#[tokio::test]
async fn a_start_without_the_registry_uses_the_cache_file() {
    let folder = std::env::temp_dir().join(format!("registry-cache-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("registry.json");
    let (_stub, url) = Stub::start().await;
    let with = |url: &str| DiscoverySettings {
        cache_file: Some(file.clone()),
        ..settings(url)
    };
    let background = Background::new();
    let first = Discovery::start(&with(&url), &background, Clock::System).unwrap();
    first.subscribe().changed().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !file.exists() {
        assert!(Instant::now() < deadline, "the cache was not written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = Discovery::start(&with("http://x:secret@127.0.0.1:1/"), &background, Clock::System).unwrap();
    assert_eq!(second.resolve("X").len(), 1);
    assert!(!second.is_connected());
    std::fs::write(&file, "{").unwrap();
    let third = Discovery::start(&with("http://x:secret@127.0.0.1:1/"), &background, Clock::System).unwrap();
    assert!(
        third.resolve("X").is_empty(),
        "a broken cache is no reason not to start"
    );
    background.stop();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_fixed_registry_resolves_without_network() {
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    let discovery = Discovery::fixed(HashMap::from([("user-service".to_owned(), vec![address])]));
    assert_eq!(
        discovery.resolve("USER-SERVICE")[0].base_url(),
        "http://127.0.0.1:9"
    );
    assert!(Discovery::disabled().resolve("user-service").is_empty());
    assert!(!discovery.is_enabled());
}
