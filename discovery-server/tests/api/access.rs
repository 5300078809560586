//! Who may write what, from where, and who may read.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::helpers::{As, Server, instance};

pub(crate) const WRITES: [(Method, &str); 6] = [
    (Method::PUT, "/eureka/apps/USER-SERVICE/a"),
    (Method::DELETE, "/eureka/apps/USER-SERVICE/a"),
    (Method::PUT, "/eureka/apps/USER-SERVICE/a/status?value=DOWN"),
    (Method::DELETE, "/eureka/apps/USER-SERVICE/a/status"),
    (Method::PUT, "/eureka/apps/USER-SERVICE/a/metadata?zone=evil"),
    (Method::PUT, "/eureka/asg/x/status?value=ENABLED"),
];

#[tokio::test]
async fn without_a_known_credential_nothing_is_written() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let before = server.json("/eureka/apps").await;
    for (method, path) in WRITES {
        let answer = server
            .request(As::Nobody, method.clone(), path)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{method} {path}");
        assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"registry\"");
    }
    let document = instance("USER-SERVICE", "b");
    assert_eq!(
        server
            .post(As::Nobody, "/eureka/apps/USER-SERVICE", &document)
            .await
            .status(),
        401
    );
    let batch = json!({"replicationList": []});
    assert_eq!(
        server
            .post(As::Nobody, "/eureka/peerreplication/batch/", &batch)
            .await
            .status(),
        401
    );
    for (name, secret) in [
        ("user-service", "wrong-secret-0001"),
        ("", ""),
        ("admin", "user-secret-00001"),
    ] {
        let request = server.request(As::Nobody, Method::POST, "/eureka/apps/USER-SERVICE");
        assert_eq!(
            request
                .basic_auth(name, Some(secret))
                .json(&document)
                .send()
                .await
                .unwrap()
                .status(),
            401
        );
    }
    assert_eq!(server.json("/eureka/apps").await, before);
    server.stop().await;
}

#[tokio::test]
async fn a_credential_does_not_reach_beyond_its_own_name_in_any_spelling() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let before = server.json("/eureka/apps").await;
    for app in [
        "USER-SERVICE",
        "user-service",
        "User-Service",
        "MEDICAL-RECORD-SERVICE",
        "NOTIFICATION-SERVICE-2",
    ] {
        let answer = server
            .post(
                As::Notification,
                &format!("/eureka/apps/{app}"),
                &instance(app, "evil"),
            )
            .await;
        assert_eq!(answer.status(), 403, "{app}");
    }
    for app in [
        "USER%E2%80%91SERVICE",
        "u%C5%BFer-service",
        "USER-SERVICE%00",
        "%20USER-SERVICE",
    ] {
        let answer = server
            .post(
                As::Notification,
                &format!("/eureka/apps/{app}"),
                &instance("x", "evil"),
            )
            .await;
        assert_eq!(answer.status(), 400, "{app}");
    }
    for (method, path) in &WRITES[..5] {
        assert_eq!(
            server.send(As::Notification, method.clone(), path).await,
            403,
            "{method} {path}"
        );
    }
    let hidden = server
        .post(
            As::Notification,
            "/eureka/apps/NOTIFICATION-SERVICE",
            &instance("USER-SERVICE", "x"),
        )
        .await;
    assert_eq!(hidden.status(), 400, "the name in the body counts too");
    let batch = json!({"replicationList": []});
    assert_eq!(
        server
            .post(As::Notification, "/eureka/peerreplication/batch/", &batch)
            .await
            .status(),
        403
    );
    assert_eq!(server.json("/eureka/apps").await, before);
    server.stop().await;
}

#[tokio::test]
async fn what_another_credential_made_is_out_of_reach_even_in_ones_own_application() {
    let server = Server::start().await;
    server.register(As::Admin, "USER-SERVICE", "a").await;
    let before = server.json("/eureka/apps").await;
    for (method, path) in &WRITES[..5] {
        assert_eq!(
            server.send(As::User, method.clone(), path).await,
            403,
            "{method} {path}"
        );
    }
    let overwritten = server
        .post(
            As::User,
            "/eureka/apps/USER-SERVICE",
            &instance("USER-SERVICE", "a"),
        )
        .await;
    assert_eq!(overwritten.status(), 403);
    assert_eq!(server.json("/eureka/apps").await, before);
    for (method, path) in [(Method::PUT, WRITES[2].1), (Method::DELETE, WRITES[1].1)] {
        assert_eq!(server.send(As::Admin, method, path).await, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn addresses_that_lead_elsewhere_are_refused_and_never_called() {
    let honeypot = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = honeypot.local_addr().unwrap();
    let server = Server::with(&format!(
        "discovery: {{addresses: {{refused_ports: [{}]}}}}",
        trap.port()
    ))
    .await;
    let trapped = format!("http://{trap}/");
    for (field, value) in [
        ("ipAddr", json!("169.254.169.254")),
        ("ipAddr", json!("::ffff:169.254.169.254")),
        ("ipAddr", json!("0x7f000001")),
        ("ipAddr", json!("2130706433")),
        ("ipAddr", json!("8.8.8.8")),
        ("ipAddr", json!("0.0.0.0")),
        ("ipAddr", json!("127.0.0.1:3306")),
        ("ipAddr", json!("[::ffff:127.0.0.1]:3306")),
        ("hostName", json!("127.0.0.1:3306")),
        ("hostName", json!("localhost.")),
        ("hostName", json!("0x7f.1")),
        ("hostName", json!("rebind.attacker.example")),
        ("port", json!({"$": trap.port(), "@enabled": "true"})),
        ("port", json!({"$": 65536, "@enabled": "true"})),
        ("port", json!({"$": 0, "@enabled": "true"})),
        ("healthCheckUrl", json!(trapped)),
        ("statusPageUrl", json!("http://169.254.169.254/latest/meta-data/")),
        ("homePageUrl", json!("file:///etc/passwd")),
    ] {
        let mut document = instance("USER-SERVICE", "a");
        document["instance"][field] = value.clone();
        let answer = server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await;
        assert_eq!(answer.status(), 400, "{field} {value}");
    }
    let called = tokio::time::timeout(Duration::from_millis(200), honeypot.accept()).await;
    assert!(called.is_err(), "the registry itself calls nobody");
    server.stop().await;
}

#[tokio::test]
async fn loopback_can_be_refused_and_the_address_tied_to_the_caller() {
    let server = Server::with("discovery: {addresses: {loopback: false}}").await;
    let mut document = instance("USER-SERVICE", "a");
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "[::ffff:127.0.0.1]",
        "127.1.2.3",
    ] {
        for field in ["ipAddr", "hostName"] {
            document["instance"][field] = json!(address);
        }
        let answer = server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await;
        assert_eq!(answer.status(), 400, "{address}");
    }
    document["instance"]["ipAddr"] = json!("10.1.2.3");
    for host in ["localhost", "localhost.", "LOCALHOST", "127.0.0.1", "[::1]"] {
        document["instance"]["hostName"] = json!(host);
        let answer = server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await;
        assert_eq!(answer.status(), 400, "{host}");
    }
    server.stop().await;
    let server = Server::with("discovery: {addresses: {must_equal_peer: true}}").await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let mut elsewhere = instance("USER-SERVICE", "b");
    elsewhere["instance"]["ipAddr"] = json!("10.1.2.3");
    elsewhere["instance"]["hostName"] = json!("10.1.2.3");
    assert_eq!(
        server
            .post(As::User, "/eureka/apps/USER-SERVICE", &elsewhere)
            .await
            .status(),
        403
    );
    server.stop().await;
}

#[tokio::test]
async fn readers_need_a_credential_where_that_is_wanted() {
    let reads = [
        "/eureka/apps",
        "/eureka/apps/delta",
        "/eureka/apps/X",
        "/eureka/apps/X/a",
        "/eureka/instances/a",
        "/eureka/vips/x",
        "/eureka/svips/x",
        "/eureka/changes",
        "/eureka/status",
        "/serverinfo/statusoverrides",
        "/",
        "/lastn",
    ];
    let server = Server::with("discovery: {reads_need_credential: true}").await;
    for path in reads {
        assert_eq!(server.get(path).await.status(), 401, "{path}");
        assert_ne!(
            server.send(As::Notification, Method::GET, path).await,
            401,
            "{path}"
        );
    }
    server.stop().await;
    let open = Server::start().await;
    for path in reads {
        assert_ne!(open.get(path).await.status(), 401, "{path}");
    }
    open.stop().await;
}

#[tokio::test]
async fn without_any_credential_in_the_settings_nobody_writes() {
    let server = Server::with("discovery: {credentials: null}").await;
    for who in [As::Nobody, As::Admin, As::User, As::Peer] {
        let answer = server
            .post(who, "/eureka/apps/USER-SERVICE", &instance("USER-SERVICE", "a"))
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        server.json("/eureka/apps").await["applications"]["application"],
        Value::Array(Vec::new())
    );
    server.stop().await;
}
