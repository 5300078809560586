use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use common::extract::{Json, Path};
use common::problem::Problem;
use common::server::Router;
use http::Method;
use serde_json::{Value, json};

use crate::rules::{Access, Route, Rules};

/// The routes in force, as Spring Cloud Gateway shows its own. They are settings: nothing here changes them.
type Routes = Arc<Vec<Arc<Route>>>;

/// The endpoints, without a guard.
pub(super) fn router(rules: &Rules) -> Router {
    Router::new()
        .route("/actuator/gateway/routes", get(routes))
        .route("/actuator/gateway/routes/{id}", get(one))
        .with_state(Arc::new(rules.routes.clone()))
}

async fn routes(State(routes): State<Routes>) -> Json<Vec<Value>> {
    let numbered = routes.iter().zip(0_u32..);
    Json(numbered.map(|(route, order)| shown(route, order)).collect())
}

async fn one(State(routes): State<Routes>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let mut numbered = routes.iter().zip(0_u32..);
    let found = numbered.find(|(route, _)| route.id == id);
    let (route, order) = found.ok_or_else(Problem::not_found)?;
    Ok(Json(shown(route, order)))
}

fn shown(route: &Route, order: u32) -> Value {
    let who = match &route.access {
        Access::Public => json!("public"),
        Access::Any => json!("any"),
        Access::Roles(roles) => json!(roles),
    };
    let methods: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
    json!({
        "route_id": route.id,
        "uri": format!("lb://{}", route.target.name),
        "predicate": format!("Paths: [{}], match trailing slash: false && Methods: [{}]", route.template, methods.join(", ")),
        "filters": filters(route),
        "order": order,
        "metadata": {
            "who": who,
            "limit": route.limit,
            "response-timeout": millis(route.timeout),
            "body-timeout": millis(route.body_timeout),
            "body-limit": route.body_limit,
        },
    })
}

/// What happens on the way, under the names that Spring's filters have.
fn filters(route: &Route) -> Vec<String> {
    let mut filters = vec![
        format!("RequestRateLimiter = {}", route.limit),
        format!("RequestSize = {}", route.body_limit),
        "CircuitBreaker".to_owned(),
        "SecureHeaders".to_owned(),
    ];
    if route.access != Access::Public {
        filters.insert(0, "TokenRelay".to_owned());
    }
    filters
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
