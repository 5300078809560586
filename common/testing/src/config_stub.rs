use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::Client;

/// A stand-in for config-server that tells everybody what the test put in.
#[derive(Clone)]
pub struct ConfigStub {
    address: SocketAddr,
    state: Arc<Mutex<Told>>,
}

struct Told {
    status: StatusCode,
    properties: Value,
    times: usize,
}

impl ConfigStub {
    /// Listen on a free port, with nothing to tell yet.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(Told {
            status: StatusCode::OK,
            properties: json!({}),
            times: 0,
        }));
        let router = Router::new().fallback(tell).with_state(Arc::clone(&state));
        let address = crate::serve(router).await;
        Self { address, state }
    }

    /// Tell these properties: flat keys with their values.
    pub fn set(&self, properties: Value) {
        let mut told = self.state.lock().unwrap();
        (told.status, told.properties) = (StatusCode::OK, properties);
    }

    /// Tell these properties and have the service at `client` read them: all that changes must take effect at once.
    pub async fn change(&self, client: &Client, admin: &str, properties: Value) {
        self.set(properties);
        let answer = client.post("/actuator/refresh", admin, &Value::Null).await;
        let late = answer.expect(200).headers.remove("x-takes-effect-at-restart");
        assert_eq!(late, None, "these wait for a restart");
    }

    /// Answer with this status.
    pub fn fail(&self, status: u16) {
        self.state.lock().unwrap().status = StatusCode::from_u16(status).unwrap();
    }

    /// How often it has been asked.
    pub fn times(&self) -> usize {
        self.state.lock().unwrap().times
    }

    /// The settings of a service that asks here.
    pub fn yaml(&self) -> String {
        format!(
            "config_server: {{url: 'http://name:secret@{}', timeout_ms: 1000}}",
            self.address
        )
    }
}

async fn tell(State(state): State<Arc<Mutex<Told>>>) -> Response {
    let (status, properties) = {
        let mut told = state.lock().unwrap();
        told.times += 1;
        (told.status, told.properties.clone())
    };
    let sources = json!([{ "name": "stub", "source": properties }]);
    let body = json!({ "name": "any", "profiles": ["default"], "propertySources": sources });
    (status, axum::Json(body)).into_response()
}
