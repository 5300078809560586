use common::auth::Role;
use common::ids::UserId;
use common_testing::{Target, repel};

use crate::helpers::App;

#[tokio::test]
async fn no_attack_on_tokens_gets_through() {
    let app = App::start().await;
    for (path, role) in [("/appointments", Role::Patient), ("/actuator/env", Role::Admin)] {
        let target = Target {
            name: &format!("appointment-service {path}"),
            address: app.server.address,
            path,
        };
        let good = app.mint.claims(UserId::generate(), role);
        repel(&target, &app.mint, &good).await;
    }
}
