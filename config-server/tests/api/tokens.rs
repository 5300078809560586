use common::auth::Role;
use common::ids::UserId;
use common_testing::{Target, repel};

use crate::helpers::Server;

#[tokio::test]
async fn no_attack_on_tokens_gets_through() {
    let (server, _folder) = Server::serving(&[]).await;
    let target = Target {
        name: "config-server /actuator/env",
        address: server.running.address,
        path: "/actuator/env",
    };
    let good = server.mint.claims(UserId::generate(), Role::Admin);
    repel(&target, &server.mint, &good).await;
}
