//! What the registry says reaches the data path at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use common::clock::Clock;
use common::discovery::{Discovery, DiscoverySettings};
use common::extract::Json;
use common_testing::{As, eventually};
use http::Uri;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::helpers::{Echo, Stage, serve_router};

const JWKS: &str = "/.well-known/jwks.json";

/// A version, and the ports of the one application at that version.
type Registry = Arc<watch::Sender<(u64, Vec<u16>)>>;

/// The registry's long poll.
async fn changes(State(registry): State<Registry>, uri: Uri) -> Json<Value> {
    let known = uri
        .query()
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("after=")));
    let known: Option<u64> = known.and_then(|version| version.parse().ok());
    let mut states = registry.subscribe();
    let newer = states.wait_for(|(version, _)| known.is_none_or(|known| *version > known));
    let _ = tokio::time::timeout(Duration::from_secs(20), newer).await;
    let (version, ports) = states.borrow().clone();
    let instance = |port: &u16| {
        json!({
            "instanceId": format!("i-{port}"), "app": "USER-SERVICE", "hostName": "127.0.0.1", "ipAddr": "127.0.0.1",
            "status": "UP", "port": {"$": port, "@enabled": "true"}, "lastDirtyTimestamp": "1",
        })
    };
    let instances: Vec<Value> = ports.iter().map(instance).collect();
    let applications = json!({"application": [{"name": "USER-SERVICE", "instance": instances}]});
    Json(json!({"version": version, "epoch": "one", "applications": applications}))
}

#[tokio::test]
async fn instances_come_and_go_with_the_registry() {
    let (one, other) = (Echo::start().await, Echo::start().await);
    let states: Registry = Arc::new(watch::Sender::new((1, vec![])));
    let address = serve_router(Router::new().fallback(changes).with_state(Arc::clone(&states))).await;
    let background = common::background::Background::new();
    let url = format!("http://a:b@{address}/eureka/");
    let settings = DiscoverySettings {
        url: Some(url.into()),
        ..DiscoverySettings::default()
    };
    let discovery = Discovery::start(&settings, &background, Clock::System).unwrap();
    let stage = Stage::with_discovery(discovery, "{}").unwrap();
    stage.client.get(JWKS, As::Anyone).await.expect(503);
    let begun = Instant::now();
    states.send_replace((2, vec![one.address.port()]));
    eventually("the first instance", || async {
        (stage.client.get(JWKS, As::Anyone).await.status == 200).then_some(())
    })
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "routable after {:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    states.send_replace((3, vec![other.address.port()]));
    eventually("the other instance", || async {
        stage.client.get(JWKS, As::Anyone).await.expect(200);
        (other.hits() > 0).then_some(())
    })
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "replaced after {:?}",
        begun.elapsed()
    );
    let hits = one.hits();
    stage.client.get(JWKS, As::Anyone).await.expect(200);
    assert_eq!(one.hits(), hits, "whoever left is not asked any more");
    background.stop();
}
