//! Two servers of one registry that lose each other for a while.

use common_testing::Proxy;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::helpers::{As, Server, eventually, instance};
use crate::replication::is_in_step;

/// Two servers with a wire in each direction that can be cut.
async fn pair_with_wires() -> ([Server; 2], [Proxy; 2]) {
    let (one, two) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let wire = |to: &TcpListener| Proxy::start(to.local_addr().unwrap().to_string());
    let (to_one, to_two) = (wire(&one).await.unwrap(), wire(&two).await.unwrap());
    let peer = |wire: &Proxy| {
        let place = wire.address();
        format!("discovery: {{peers: ['http://discovery-server:discovery-secret@{place}/eureka/']}}")
    };
    let servers = [Server::on(one, &peer(&to_two)), Server::on(two, &peer(&to_one))];
    (servers, [to_one, to_two])
}

async fn are_in_step(servers: &[Server; 2], wanted: bool) {
    for server in servers {
        eventually("the state of the link", || async {
            is_in_step(server).await == wanted
        })
        .await;
    }
}

#[tokio::test]
async fn what_happens_while_the_link_is_cut_is_neither_lost_nor_undone() {
    let (servers, wires) = pair_with_wires().await;
    let [one, two] = &servers;
    are_in_step(&servers, true).await;
    for id in ["a", "b", "c"] {
        one.register(As::User, "USER-SERVICE", id).await;
    }
    let out = "/eureka/apps/USER-SERVICE/c/status?value=OUT_OF_SERVICE";
    one.send(As::Admin, Method::PUT, out).await;
    let all =
        [("a", "UP"), ("b", "UP"), ("c", "OUT_OF_SERVICE")].map(|(id, s)| (id.to_owned(), s.to_owned()));
    eventually("all three", || async { two.listed().await == all }).await;
    wires.iter().for_each(Proxy::cut);
    // A change makes each server notice.
    one.send(As::User, Method::DELETE, "/eureka/apps/USER-SERVICE/a")
        .await;
    one.send(As::Admin, Method::DELETE, "/eureka/apps/USER-SERVICE/c/status")
        .await;
    two.send(As::User, Method::DELETE, "/eureka/apps/USER-SERVICE/b")
        .await;
    are_in_step(&servers, false).await;
    wires.iter().for_each(Proxy::mend);
    are_in_step(&servers, true).await;
    let left = [("c".to_owned(), "UP".to_owned())];
    for server in &servers {
        eventually("both departures", || async { server.listed().await == left }).await;
    }
    let [one, two] = servers;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_link_that_comes_and_goes_keeps_no_dead_instance_alive() {
    let (servers, wires) = pair_with_wires().await;
    let [one, two] = &servers;
    let mut document = instance("USER-SERVICE", "a");
    document["instance"]["leaseInfo"] = json!({"renewalIntervalInSecs": 1, "durationInSecs": 3});
    let path = "/eureka/apps/USER-SERVICE";
    assert_eq!(one.post(As::User, path, &document).await.status(), 204);
    eventually("known to both", || async { two.listed().await.len() == 1 }).await;
    let begun = std::time::Instant::now();
    let knows = async |server: &Server| server.listed().await.iter().any(|(id, _)| id == "a");
    while knows(one).await || knows(two).await {
        assert!(
            begun.elapsed().as_secs() < 8,
            "it lives on by what the servers tell each other"
        );
        wires.iter().for_each(Proxy::cut);
        // A change makes each server notice.
        for server in &servers {
            server.register(As::Admin, "OTHER", "o").await;
        }
        are_in_step(&servers, false).await;
        wires.iter().for_each(Proxy::mend);
        are_in_step(&servers, true).await;
    }
    let [one, two] = servers;
    one.stop().await;
    two.stop().await;
}
