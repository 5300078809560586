use std::collections::HashMap;

use common::auth::ServiceTokens;
use common::clients::users::Users;
use common::discovery::Discovery;
use common::http::{CallError, Client, Http};
use common::ids::UserId;
use common::problem::Problem;
use common_testing::Peers;

use crate::helpers::live;

fn users(discovery: Discovery) -> Users {
    let client = Client::new(live("{}").follow_core()).unwrap();
    Users::new(&Http::new(client, discovery, ServiceTokens::fixed("token")))
}

#[tokio::test]
async fn a_neighbour_is_found_and_asked() {
    let peers = Peers::start().await;
    let users = users(peers.discovery());
    let patient = peers.patient();
    assert_eq!(users.find(patient.id).await.unwrap(), Some(patient.clone()));
    assert_eq!(users.find(UserId::generate()).await.unwrap(), None);
    assert_eq!(
        users.lookup(&[patient.id, UserId::generate()]).await.unwrap(),
        [patient]
    );
}

/// One instance is dead: the other answers in the same call.
#[tokio::test]
async fn the_second_instance_answers_when_the_first_is_dead() {
    let peers = Peers::start().await;
    let alive = peers.discovery().resolve("user-service")[0].address;
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let users = users(Discovery::fixed(HashMap::from([(
        "user-service".to_owned(),
        vec![dead, alive],
    )])));
    let patient = peers.patient();
    for _ in 0..20 {
        assert!(users.find(patient.id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_comes_back_by_itself() {
    let peers = Peers::start().await;
    let users = users(peers.discovery());
    let patient = peers.patient();
    peers.set_away(true);
    // Fewer than open the breaker.
    for _ in 0..3 {
        let error = users.find(patient.id).await.unwrap_err();
        assert!(matches!(error, CallError::Unavailable { .. }), "{error}");
        assert_eq!(Problem::from(error).status(), 503);
    }
    peers.set_away(false);
    assert!(users.find(patient.id).await.unwrap().is_some());
    let error = self::users(Discovery::disabled())
        .find(patient.id)
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unavailable { .. }), "{error}");
}
