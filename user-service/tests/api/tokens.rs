use common::auth::AccessClaims;
use common_testing::{Target, TokenMint, repel};

use crate::helpers::{TestApp, claims};

/// Signs with the very key of the service.
async fn mint(app: &TestApp) -> TokenMint {
    let (kid, sealed): (String, Vec<u8>) = sqlx::query_as("select kid, private_sealed from signing_keys")
        .fetch_one(&app.db)
        .await
        .unwrap();
    let key = app
        .state
        .secrets
        .open(&format!("signing key {kid}"), &sealed)
        .unwrap();
    TokenMint::with_key(&kid, &key, app.clock.clone())
}

#[tokio::test]
async fn no_attack_on_tokens_gets_through() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let good: AccessClaims = serde_json::from_value(claims(&admin.access)).unwrap();
    let mint = mint(&app).await;
    for path in ["/users/me", "/actuator/env"] {
        let target = Target {
            name: &format!("user-service {path}"),
            address: app.server.address,
            path,
        };
        repel(&target, &mint, &good).await;
    }
}
