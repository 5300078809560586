//! A peer that is no server of ours but speaks Eureka as its first server does: it takes batches, and is asked as
//! clients ask it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use http::{HeaderMap, StatusCode, header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{As, Server, eventually, instance};
use crate::replication::is_in_step;

/// What it was told, and what it tells.
#[derive(Clone, Default)]
struct Other {
    told: Arc<Mutex<Vec<Value>>>,
    knows: Arc<Mutex<Vec<Value>>>,
}

impl Other {
    /// A peer that knows `instances` of USER-SERVICE, and the settings of a server that has it for a peer.
    async fn knowing(instances: Vec<Value>) -> (Self, String) {
        let other = Self::default();
        *other.knows.lock().unwrap() = instances;
        let router = Router::new()
            // Only POST: asked with GET, the router answers 405 as the original does.
            .route("/eureka/peerreplication/batch/", post(take))
            .route("/eureka/apps/", get(tell))
            .with_state(other.clone());
        let address = common_testing::serve(router).await;
        let settings =
            format!("discovery: {{peers: ['http://discovery-server:discovery-secret@{address}/eureka/']}}");
        (other, settings)
    }

    fn told(&self, action: &str, id: &str) -> bool {
        let told = self.told.lock().unwrap();
        told.iter()
            .any(|item| item["action"] == action && item["id"] == id)
    }
}

fn is_peer(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value == "Basic ZGlzY292ZXJ5LXNlcnZlcjpkaXNjb3Zlcnktc2VjcmV0")
}

async fn take(State(other): State<Other>, headers: HeaderMap, body: String) -> Response {
    if !is_peer(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let batch: Value = serde_json::from_str(&body).unwrap();
    let items = batch["replicationList"].as_array().unwrap().clone();
    let replies: Vec<Value> = items.iter().map(|_| json!({ "statusCode": 200 })).collect();
    other.told.lock().unwrap().extend(items);
    axum::Json(json!({ "responseList": replies })).into_response()
}

async fn tell(State(other): State<Other>, headers: HeaderMap) -> Response {
    let wants_json = headers
        .get(header::ACCEPT)
        .is_some_and(|value| value == "application/json");
    // Without that word the original writes XML.
    if !is_peer(&headers) || !wants_json {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    let app = json!({ "name": "USER-SERVICE", "instance": *other.knows.lock().unwrap() });
    let document = json!({ "applications": {
        "versions__delta": "1", "apps__hashcode": "UP_1_", "application": [app],
    }});
    let date = its_clock().to_rfc2822().replace("+0000", "GMT");
    ([(header::DATE, date)], axum::Json(document)).into_response()
}

/// A day ahead.
fn its_clock() -> DateTime<Utc> {
    Clock::System.now() + TimeDelta::days(1)
}

/// As the original tells of an instance that it last heard of `silent_s` ago by its own clock.
fn told_by_original(id: &str, (status, overridden): (&str, &str), silent_s: i64) -> Value {
    let renewed = its_clock() - TimeDelta::seconds(silent_s);
    let mut told = instance("USER-SERVICE", id)["instance"].clone();
    told["status"] = json!(status);
    told["overriddenstatus"] = json!(overridden);
    told["leaseInfo"] = json!({
        "renewalIntervalInSecs": 5, "durationInSecs": 15, "registrationTimestamp": 1,
        "lastRenewalTimestamp": renewed.timestamp_millis(), "evictionTimestamp": 0, "serviceUpTimestamp": 1,
    });
    told["actionType"] = json!("ADDED");
    told
}

#[tokio::test]
async fn a_server_that_is_asked_like_a_client_is_a_peer_too() {
    let (other, settings) = Other::knowing(vec![
        told_by_original("a", ("UP", "UNKNOWN"), 1),
        told_by_original("b", ("OUT_OF_SERVICE", "OUT_OF_SERVICE"), 1),
        told_by_original("dead", ("UP", "UNKNOWN"), 60),
    ])
    .await;
    let server = Server::with(&settings).await;
    eventually("in step", || is_in_step(&server)).await;
    let known = [("a", "UP"), ("b", "OUT_OF_SERVICE")].map(|(id, status)| (id.to_owned(), status.to_owned()));
    assert_eq!(server.listed().await, known, "and nobody whose lease is over");
    server.register(As::User, "USER-SERVICE", "c").await;
    eventually("the other server is told", || async {
        other.told("Register", "c")
    })
    .await;
    server
        .send(As::User, Method::DELETE, "/eureka/apps/USER-SERVICE/c")
        .await;
    eventually("and of the end", || async { other.told("Cancel", "c") }).await;
    // The operator's word is not the instance's own.
    server
        .send(As::Admin, Method::DELETE, "/eureka/apps/USER-SERVICE/b/status")
        .await;
    assert_eq!(server.listed().await[1], ("b".to_owned(), "UP".to_owned()));
    server.stop().await;
}
