use common::extract::Json;
use serde_json::{Value, json};

/// What is here, for whoever comes without knowing.
pub(super) async fn index() -> Json<Value> {
    Json(json!({
        "name": "healthcare",
        "version": env!("CARGO_PKG_VERSION"),
        "links": {
            "docs": "/docs",
            "openapi": "/openapi.json",
            "health": "/actuator/health",
            "keys": "/.well-known/jwks.json",
            "register": "/register",
            "login": "/login",
        },
    }))
}
