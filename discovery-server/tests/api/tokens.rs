use common::auth::Role;
use common::config::from_yaml;
use common::ids::UserId;
use common_testing::{Target, TestServer, core, repel};
use discovery_server::config::{DEFAULTS, RegistrySettings};
use discovery_server::{NAME, build};

use crate::helpers::CREDENTIALS;

#[tokio::test]
async fn no_attack_on_tokens_gets_through() {
    let own = format!("discovery: {{credentials: '{CREDENTIALS}'}}");
    let live = from_yaml::<RegistrySettings>(NAME, &[DEFAULTS, &own]).unwrap();
    let (core, mint) = core(&live);
    let server = TestServer::start(build(&core, &live).unwrap(), &core).await;
    let target = Target {
        name: "discovery-server /actuator/env",
        address: server.address,
        path: "/actuator/env",
    };
    repel(&target, &mint, &mint.claims(UserId::generate(), Role::Admin)).await;
}
