//! Two servers of one registry on one host, and what a peer may say.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::helpers::{As, Server, eventually, instance};

async fn batch(server: &Server, items: Value) -> Vec<u64> {
    let answer = server
        .post(
            As::Peer,
            "/eureka/peerreplication/batch/",
            &json!({ "replicationList": items }),
        )
        .await;
    assert_eq!(answer.status(), 200);
    let replies: Value = answer.json().await.unwrap();
    let list = replies["responseList"].as_array().unwrap().clone();
    list.iter()
        .map(|reply| reply["statusCode"].as_u64().unwrap())
        .collect()
}

fn item(action: &str, id: &str, more: &Value) -> Value {
    let mut item = json!({"appName": "USER-SERVICE", "id": id, "lastDirtyTimestamp": 1000, "action": action});
    for (key, value) in more.as_object().unwrap() {
        item[key] = value.clone();
    }
    item
}

#[tokio::test]
async fn a_batch_is_answered_item_by_item() {
    let server = Server::start().await;
    let info = instance("USER-SERVICE", "a")["instance"].clone();
    let mut newer = info.clone();
    newer["lastDirtyTimestamp"] = json!("2000");
    let mut evil = info.clone();
    evil["ipAddr"] = json!("169.254.169.254");
    let answers = batch(
        &server,
        json!([
            item("Heartbeat", "a", &json!({})),
            item("Register", "a", &json!({"instanceInfo": newer})),
            item("Heartbeat", "a", &json!({"lastDirtyTimestamp": 2000})),
            item("Heartbeat", "a", &json!({"lastDirtyTimestamp": 1000})),
            item("Register", "a", &json!({"instanceInfo": info})),
            item("StatusUpdate", "a", &json!({"status": "OUT_OF_SERVICE"})),
            item("StatusUpdate", "a", &json!({"status": "odd"})),
            item("Register", "b", &json!({"instanceInfo": evil})),
            item("Register", "b", &json!({})),
            item("Cancel", "b", &json!({})),
        ]),
    )
    .await;
    assert_eq!(answers, [404, 200, 200, 409, 409, 200, 400, 400, 400, 404]);
    assert_eq!(
        server.listed().await,
        [("a".to_owned(), "OUT_OF_SERVICE".to_owned())]
    );
    let rest = json!([
        item("DeleteStatusOverride", "a", &json!({})),
        item("Cancel", "a", &json!({}))
    ]);
    assert_eq!(batch(&server, rest).await, [200, 200]);
    for bad in [
        json!({}),
        json!([]),
        json!({"replicationList": [{"action": "Odd"}]}),
    ] {
        assert_eq!(
            server
                .post(As::Peer, "/eureka/peerreplication/batch/", &bad)
                .await
                .status(),
            400
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_a_peer_brings_belongs_to_its_service() {
    let server = Server::start().await;
    let info = instance("USER-SERVICE", "a")["instance"].clone();
    assert_eq!(
        batch(
            &server,
            json!([item("Register", "a", &json!({"instanceInfo": info}))])
        )
        .await,
        [200]
    );
    assert_eq!(
        server
            .send(As::Notification, Method::DELETE, "/eureka/apps/USER-SERVICE/a")
            .await,
        403
    );
    assert_eq!(
        server
            .send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/a")
            .await,
        200
    );
    server.stop().await;
}

async fn pair() -> (Server, Server) {
    let (one, two) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    // Both get the same list, themselves included: they are told apart by their ports.
    let url = |listener: &TcpListener| {
        format!(
            "http://discovery-server:discovery-secret@{}/eureka/",
            listener.local_addr().unwrap()
        )
    };
    let settings = format!("discovery: {{peers: ['{}', '{}']}}", url(&one), url(&two));
    (Server::on(one, &settings), Server::on(two, &settings))
}

pub(crate) async fn is_in_step(server: &Server) -> bool {
    let status = server.json("/eureka/status").await;
    let stats = &status["applicationStats"];
    stats["available-replicas"] == stats["registered-replicas"] && stats["available-replicas"] != ""
}

#[tokio::test]
async fn what_one_server_hears_the_other_knows() {
    let (one, two) = pair().await;
    for server in [&one, &two] {
        eventually("the servers found each other", || is_in_step(server)).await;
        let peers = server.json("/eureka/status").await["applicationStats"]["registered-replicas"].clone();
        assert!(
            !peers.as_str().unwrap().contains(','),
            "a server is not its own peer: {peers}"
        );
    }
    one.register(As::User, "USER-SERVICE", "a").await;
    two.register(As::User, "USER-SERVICE", "b").await;
    let both = |status: &str| {
        vec![
            ("a".to_owned(), status.to_owned()),
            ("b".to_owned(), "UP".to_owned()),
        ]
    };
    for server in [&one, &two] {
        eventually("both instances", || async { server.listed().await == both("UP") }).await;
    }
    one.send(
        As::Admin,
        Method::PUT,
        "/eureka/apps/USER-SERVICE/a/status?value=OUT_OF_SERVICE",
    )
    .await;
    eventually("the override", || async {
        two.listed().await == both("OUT_OF_SERVICE")
    })
    .await;
    two.send(As::Admin, Method::DELETE, "/eureka/apps/USER-SERVICE/a/status")
        .await;
    eventually("its end", || async { one.listed().await == both("UP") }).await;
    assert_eq!(
        two.send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/a")
            .await,
        200,
        "renewed anywhere"
    );
    two.send(As::User, Method::DELETE, "/eureka/apps/USER-SERVICE/a")
        .await;
    eventually("the departure", || async { one.listed().await.len() == 1 }).await;
    one.stop().await;
    two.stop().await;
}

const ONE: &str = "/eureka/apps/USER-SERVICE/a";

fn listed(status: &str) -> Vec<(String, String)> {
    vec![("a".to_owned(), status.to_owned())]
}

#[tokio::test]
async fn a_server_that_was_away_is_told_everything() {
    let (one, two) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let (first, second) = (one.local_addr().unwrap(), two.local_addr().unwrap());
    let peer = |of: std::net::SocketAddr| {
        format!("discovery: {{peers: ['http://discovery-server:discovery-secret@{of}/eureka/']}}")
    };
    let one = Server::on(one, &peer(second));
    one.register(As::User, "USER-SERVICE", "a").await;
    let out = format!("{ONE}/status?value=OUT_OF_SERVICE");
    one.send(As::Admin, Method::PUT, &out).await;
    let two = Server::on(two, &peer(first));
    eventually("told at the start", || async {
        two.listed().await == listed("OUT_OF_SERVICE")
    })
    .await;
    for server in [&one, &two] {
        eventually("in step", || is_in_step(server)).await;
    }
    // What the instance says of itself was told beside the operator's word, and not lost under it.
    one.send(As::Admin, Method::DELETE, &format!("{ONE}/status"))
        .await;
    for server in [&one, &two] {
        eventually("the end of the override", || async {
            server.listed().await == listed("UP")
        })
        .await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn an_override_ends_with_the_same_status_everywhere() {
    let (one, two) = pair().await;
    for server in [&one, &two] {
        eventually("the servers found each other", || is_in_step(server)).await;
    }
    one.register(As::User, "USER-SERVICE", "a").await;
    one.send(
        As::Admin,
        Method::PUT,
        &format!("{ONE}/status?value=OUT_OF_SERVICE"),
    )
    .await;
    one.send(As::Admin, Method::DELETE, &format!("{ONE}/status?value=DOWN"))
        .await;
    for server in [&one, &two] {
        eventually("the status given at the end", || async {
            server.listed().await == listed("DOWN")
        })
        .await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_server_knows_itself_under_whatever_name_it_stands_among_its_peers() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let peers = format!(
        "discovery: {{peers: ['http://discovery-server:discovery-secret@127.0.0.1:{port}/eureka/', \
         'http://discovery-server:discovery-secret@localhost:{port}/eureka/']}}"
    );
    let server = Server::on(listener, &peers);
    eventually("it has no peer", || async {
        let stats = server.json("/eureka/status").await["applicationStats"].clone();
        stats["registered-replicas"] == "" && stats["unavailable-replicas"] == ""
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_single_call_marked_as_a_replication_is_one() {
    let (one, two) = pair().await;
    for server in [&one, &two] {
        eventually("the servers found each other", || is_in_step(server)).await;
    }
    let mark = ("x-netflix-discovery-replication", "true");
    let send = |who, method, path: String, body: Option<Value>| {
        let request = one.request(who, method, &path).header(mark.0, mark.1);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        async { request.send().await.unwrap() }
    };
    let mut newer = instance("USER-SERVICE", "a");
    newer["instance"]["lastDirtyTimestamp"] = json!("2000");
    newer["instance"]["overriddenstatus"] = json!("OUT_OF_SERVICE");
    let app = "/eureka/apps/USER-SERVICE".to_owned();
    assert_eq!(
        send(As::Peer, Method::POST, app.clone(), Some(newer))
            .await
            .status(),
        204
    );
    assert_eq!(
        one.listed().await,
        listed("OUT_OF_SERVICE"),
        "a peer may tell of an override"
    );
    let older = Some(instance("USER-SERVICE", "a"));
    assert_eq!(
        send(As::Admin, Method::POST, app.clone(), older).await.status(),
        409
    );
    let beat = send(
        As::Admin,
        Method::PUT,
        format!("{ONE}?lastDirtyTimestamp=1000"),
        None,
    )
    .await;
    assert_eq!(beat.status(), 409);
    let ours: Value = beat.json().await.unwrap();
    assert_eq!(ours["instance"]["lastDirtyTimestamp"], "2000");
    assert_eq!(ours["instance"]["status"], "UP", "in its own words");
    // Without the mark the same words are an instance's, and a service has no say in marking.
    let marked = send(As::User, Method::POST, app, Some(instance("USER-SERVICE", "a"))).await;
    assert_eq!(marked.status(), 204);
    eventually("told", || async { two.listed().await.len() == 1 }).await;
    one.stop().await;
    two.stop().await;
}
