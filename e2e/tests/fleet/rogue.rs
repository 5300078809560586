//! A listener that calls itself user-service, with a key set of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use common::auth::{ACCESS_TYPE, KeySet};
use common::clock::Clock;
use common_testing::TokenMint;
use reqwest::Method;
use serde_json::json;

use crate::cast::{self, answer};
use crate::processes::Fleet;

struct Rogue {
    mint: TokenMint,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Heard {
    keys: KeySet,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Rogue {
    async fn start() -> Self {
        let mint = TokenMint::new(Clock::System);
        let asked = Arc::default();
        let heard = Heard {
            keys: mint.key_set(),
            asked: Arc::clone(&asked),
        };
        let address = common_testing::serve(Router::new().fallback(hear).with_state(heard)).await;
        Self { mint, address, asked }
    }

    /// Stand in the registry beside the true one: with user-service's own credential, the worst case.
    async fn register(&self, fleet: &Fleet) {
        let port = self.address.port();
        let instance = json!({ "instance": {
            "instanceId": format!("rogue:{port}"), "hostName": "127.0.0.1", "app": "USER-SERVICE",
            "ipAddr": "127.0.0.1", "status": "UP", "port": { "$": port, "@enabled": "true" },
            "securePort": { "$": 443, "@enabled": "false" },
            "dataCenterInfo": { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" },
            "leaseInfo": { "renewalIntervalInSecs": 30, "durationInSecs": 90 },
        } });
        self.registry(fleet, Method::POST, "", Some(instance)).await;
    }

    async fn deregister(&self, fleet: &Fleet) {
        let id = format!("/rogue:{}", self.address.port());
        self.registry(fleet, Method::DELETE, &id, None).await;
    }

    async fn registry(&self, fleet: &Fleet, method: Method, path: &str, body: Option<serde_json::Value>) {
        let registry = fleet.direct("discovery-server");
        let request = registry.request(method, &format!("/eureka/apps/USER-SERVICE{path}"));
        let request = request.basic_auth("user-service", Some(fleet.secret("user-service")));
        let request = body
            .into_iter()
            .fold(request, |request, body| request.json(&body));
        let answer = answer(request).await;
        assert!(answer.status.is_success(), "{}: {}", answer.status, answer.body);
    }
}

async fn hear(State(heard): State<Heard>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let is_key_set = path.contains("jwks");
    heard.asked.lock().unwrap().push(path);
    if is_key_set {
        axum::Json(heard.keys).into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// Nobody asks it for its keys, and nobody believes what it signed.
pub(crate) async fn issuer(fleet: &Fleet) {
    let patient = cast::patient(fleet).await;
    let rogue = Rogue::start().await;
    rogue.register(fleet).await;
    // By then every service has heard of it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (door, api, path) in cast::doors(fleet, &patient) {
        let forged = rogue.mint.sign(ACCESS_TYPE, &cast::claims(&patient));
        let answer = answer(api.request(Method::GET, &path).bearer_auth(&forged)).await;
        cast::refused(&answer, 401, &format!("{door}: signed by a rogue"));
    }
    // Longer than the least time between two readings of a key set.
    tokio::time::sleep(Duration::from_secs(3)).await;
    rogue.deregister(fleet).await;
    let asked = rogue.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|path| !path.contains("jwks")), "{asked:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
}
