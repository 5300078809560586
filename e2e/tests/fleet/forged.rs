//! Tokens that somebody made who has every secret of the fleet but no right to come in.

use common::auth::AccessClaims;
use common::clock::Clock;
use common_testing::{Target, TokenMint, repel};
use sqlx::{Connection, MySqlConnection};
use user_service::domain::secrets::Secrets;

use crate::cast;
use crate::processes::Fleet;

/// Every attack on tokens at every port, signed with the fleet's true key where a signature is asked for.
pub(crate) async fn tokens(fleet: &Fleet) {
    let mint = mint(fleet).await;
    let patient = cast::patient(fleet).await;
    for (service, _, path) in cast::doors(fleet, &patient) {
        let patient = cast::claims(&patient);
        repelled(fleet, &mint, &patient, (service, &path)).await;
    }
    for service in ["api-gateway", "config-server", "discovery-server"] {
        let admin = cast::claims(&cast::admin(fleet).await);
        repelled(fleet, &mint, &admin, (service, "/actuator/env")).await;
    }
}

async fn repelled(fleet: &Fleet, mint: &TokenMint, good: &AccessClaims, (service, path): (&str, &str)) {
    let target = Target {
        name: service,
        address: fleet.address(service),
        path,
    };
    repel(&target, mint, good).await;
}

/// Signs with the very key of this fleet, as somebody could who has read user-service's database and environment.
async fn mint(fleet: &Fleet) -> TokenMint {
    let set = |name: &str| fleet.variable("user-service", name);
    let mut db = MySqlConnection::connect(set("MYSQL_URL")).await.unwrap();
    let newest = "select kid, private_sealed from signing_keys order by signs_from desc limit 1";
    let (kid, sealed): (String, Vec<u8>) = sqlx::query_as(newest).fetch_one(&mut db).await.unwrap();
    let secrets = Secrets::new(&set("MASTER_KEY").into()).unwrap();
    let key = secrets.open(&format!("signing key {kid}"), &sealed).unwrap();
    TokenMint::with_key(&kid, &key, Clock::System)
}
