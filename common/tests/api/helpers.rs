use std::sync::Arc;

use axum::extract::FromRef;
use axum::extract::State;
use axum::routing::{get, post};
use common::auth::{Admin, Caller, ServiceCaller, Verifier};
use common::config::{self, Live, Settings};
use common::core::Core;
use common::extract::Json;
use common::problem::Problem;
use common::server::Router;
use common_testing::{TestServer, TokenMint, core};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) const NAME: &str = "trial-service";

#[derive(Deserialize)]
pub(crate) struct Trial {}

impl Settings for Trial {}

pub(crate) fn live(yaml: &str) -> Arc<Live<Trial>> {
    config::from_yaml(NAME, &[yaml]).unwrap()
}

#[derive(Clone)]
pub(crate) struct AppState {
    core: Core,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.core.verifier.clone()
    }
}

/// A service with one endpoint of each kind.
pub(crate) struct TestApp {
    pub(crate) server: TestServer,
    pub(crate) core: Core,
    pub(crate) mint: TokenMint,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with("{service: {secret: trial-secret}}").await
    }

    pub(crate) async fn with(yaml: &str) -> Self {
        Self::live(yaml).await.1
    }

    /// With its settings at hand.
    pub(crate) async fn live(yaml: &str) -> (Arc<Live<Trial>>, Self) {
        let live = live(yaml);
        let (core, mint) = core(&live);
        (live, Self::of(core, mint).await)
    }

    /// Of parts that a test has put together.
    pub(crate) async fn of(core: Core, mint: TokenMint) -> Self {
        let server = TestServer::start(router(&core), &core).await;
        Self { server, core, mint }
    }
}

fn router(core: &Core) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/admin", get(|_: Admin| async { "admin" }))
        .route(
            "/internal/thing",
            get(|caller: ServiceCaller| async move { caller.name.to_string() }),
        )
        .route("/things", post(make))
        .route("/panic", get(panics))
        .with_state(AppState { core: core.clone() })
}

async fn me(caller: Caller, State(_): State<AppState>) -> Json<Value> {
    Json(json!({ "id": caller.id, "role": caller.role }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
}

async fn make(Json(thing): Json<Thing>) -> String {
    thing.name
}

async fn panics() -> Result<(), Problem> {
    let planted = std::hint::black_box(true);
    assert!(!planted, "a planted panic");
    Ok(())
}
