//! What the gateway tells about itself, and to whom.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::auth::Role;
use common_testing::{As, Client, eventually};
use http::Method;
use serde_json::json;

use crate::helpers::{Echo, Stage};

const RARE: &str = "{gateway: {routes: [\
    {path: '/rare/{id}', methods: [GET, PATCH], service: user-service, who: [ADMIN], body_timeout_ms: 3000},\
    {path: /rare, methods: [POST], service: notification-service, who: public, limit: webhook}]}}";

#[tokio::test]
async fn the_routes_in_force_are_shown_to_admins() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], RARE);
    let (admin, patient) = (stage.token(Role::Admin), stage.token(Role::Patient));
    for path in ["/actuator/gateway/routes", "/actuator/gateway/routes/post.rare"] {
        stage.client.get(path, As::Anyone).await.expect(401);
        stage.client.get(path, &patient).await.expect(403);
        stage.client.post(path, &admin, &json!({})).await.expect(405);
    }
    let shown = stage
        .client
        .get("/actuator/gateway/routes", &admin)
        .await
        .expect(200)
        .json();
    let first = json!({
        "route_id": "get-patch.rare.~id",
        "uri": "lb://user-service",
        "predicate": "Paths: [/rare/{id}], match trailing slash: false && Methods: [GET, PATCH]",
        "filters": ["TokenRelay", "RequestRateLimiter = user", "RequestSize = 262144", "CircuitBreaker", "SecureHeaders"],
        "order": 0,
        "metadata": {"who": ["ADMIN"], "limit": "user", "response-timeout": 10000, "body-timeout": 3000, "body-limit": 262_144},
    });
    assert_eq!(shown[0], first);
    let one = stage
        .client
        .get("/actuator/gateway/routes/post.rare", &admin)
        .await
        .expect(200);
    assert_eq!(one.json(), shown[1]);
    assert_eq!(one.json()["metadata"]["who"], "public");
    stage
        .client
        .get("/actuator/gateway/routes/get.rare", &admin)
        .await
        .expect(404);
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn every_route_has_a_name_of_its_own() {
    let echo = Echo::start().await;
    let stage = Stage::before(&echo);
    let admin = stage.token(Role::Admin);
    let shown = stage
        .client
        .get("/actuator/gateway/routes", &admin)
        .await
        .expect(200)
        .json();
    let shown = shown.as_array().unwrap();
    let names: BTreeSet<&str> = shown
        .iter()
        .map(|route| route["route_id"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), shown.len());
    for name in names {
        stage
            .client
            .get(&format!("/actuator/gateway/routes/{name}"), &admin)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn the_last_requests_are_shown_without_ids_and_queries() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], RARE);
    let admin = stage.token(Role::Admin);
    // Other tests of this process fill the same short list.
    let exchange = eventually("the exchange", || async {
        stage
            .client
            .get("/rare/secret-id?secret=1", &admin)
            .await
            .expect(200);
        let shown = stage
            .client
            .get("/actuator/httpexchanges", &admin)
            .await
            .expect(200);
        assert!(!shown.text().contains("secret"), "{}", shown.text());
        let exchanges = shown.json()["exchanges"].as_array().unwrap().clone();
        exchanges
            .into_iter()
            .find(|exchange| exchange["request"]["uri"] == "/rare/{id}")
    })
    .await;
    assert_eq!(exchange["request"]["method"], "GET");
    assert_eq!(exchange["response"]["status"], 200);
}

#[tokio::test]
async fn requests_are_counted_under_the_names_that_dashboards_know() {
    let echo = Echo::start().await;
    let stage = Stage::at(&[echo.address], RARE);
    let admin = stage.token(Role::Admin);
    stage
        .client
        .post("/rare", As::Anyone, &json!({}))
        .await
        .expect(200);
    for path in ["/", "/docs"] {
        stage.client.post(path, As::Anyone, &json!({})).await.expect(405);
    }
    let counted = [
        "spring.cloud.gateway.requests?tag=routeId:post.rare&tag=routeUri:lb://notification-service\
            &tag=outcome:SUCCESSFUL&tag=status:OK&tag=httpStatusCode:200&tag=httpMethod:POST",
        "http.server.requests?tag=uri:/rare&tag=status:200&tag=outcome:SUCCESS",
        "http.server.requests?tag=uri:/docs&tag=method:POST&tag=status:405",
    ];
    for metric in counted {
        eventually(metric, || async {
            let answer = stage
                .client
                .get(&format!("/actuator/metrics/{metric}"), &admin)
                .await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_gateways_own_credential_counts_from_where_it_is_watched_only() {
    let echo = Echo::start().await;
    let secret = "a-secret-of-thirty-two-characters";
    let credential = format!("Basic {}", STANDARD.encode(format!("api-gateway:{secret}")));
    let ask = |stage: &Stage, path: &str| {
        let request = stage.client.request(Method::GET, path, As::Anyone);
        Client::send(request.header("authorization", &credential))
    };
    let inside = Stage::at(&[echo.address], &format!("{{service: {{secret: {secret}}}}}"));
    ask(&inside, "/actuator/prometheus").await.expect(200);
    let yaml = format!("{{service: {{secret: {secret}}}, gateway: {{monitors: [10.0.0.0/8]}}}}");
    let outside = Stage::at(&[echo.address], &yaml);
    for path in ["/actuator", "/actuator/prometheus", "/actuator/gateway/routes"] {
        ask(&outside, path).await.expect(401);
    }
    let health = ask(&outside, "/actuator/health").await.expect(200).json();
    assert_eq!(
        health["components"]["tokens"]["details"],
        serde_json::Value::Null,
        "{health}"
    );
    outside
        .client
        .get("/actuator/prometheus", &outside.token(Role::Admin))
        .await
        .expect(200);
}
