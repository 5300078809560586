//! Overrides and metadata.

use reqwest::Method;
use serde_json::json;

use crate::helpers::{As, Server, instance};

const ONE: &str = "/eureka/apps/USER-SERVICE/a";

#[tokio::test]
async fn an_operator_takes_an_instance_out_and_lets_it_back_in() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let status = |value: &str| format!("{ONE}/status?value={value}");
    assert_eq!(
        server
            .send(As::Admin, Method::PUT, &status("OUT_OF_SERVICE"))
            .await,
        200
    );
    let shown = server.json(ONE).await;
    assert_eq!(shown["instance"]["status"], "OUT_OF_SERVICE");
    assert_eq!(shown["instance"]["overriddenstatus"], "OUT_OF_SERVICE");
    let overrides = json!({"a": "OUT_OF_SERVICE"});
    for path in [
        "/serverinfo/statusoverrides",
        "/eureka/serverinfo/statusoverrides",
    ] {
        assert_eq!(server.json(path).await, overrides);
    }
    server.register(As::User, "USER-SERVICE", "a").await;
    assert_eq!(
        server.json(ONE).await["instance"]["status"],
        "OUT_OF_SERVICE",
        "it cannot talk itself back in"
    );
    assert_eq!(server.send(As::User, Method::PUT, ONE).await, 200);
    assert_eq!(
        server
            .send(As::Admin, Method::DELETE, &format!("{ONE}/status"))
            .await,
        200
    );
    let shown = server.json(ONE).await;
    assert_eq!(
        (
            &shown["instance"]["status"],
            &shown["instance"]["overriddenstatus"]
        ),
        (&json!("UP"), &json!("UNKNOWN"))
    );
    assert_eq!(
        server.send(As::User, Method::PUT, ONE).await,
        200,
        "its heartbeats were never refused"
    );
    server.stop().await;
}

#[tokio::test]
async fn statuses_that_are_none_and_instances_that_are_not_there() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    for path in [
        format!("{ONE}/status"),
        format!("{ONE}/status?value=up"),
        format!("{ONE}/status?value="),
    ] {
        assert_eq!(server.send(As::User, Method::PUT, &path).await, 400, "{path}");
    }
    assert_eq!(
        server
            .send(As::User, Method::DELETE, &format!("{ONE}/status?value=x"))
            .await,
        400
    );
    let unknown = "/eureka/apps/USER-SERVICE/unknown";
    for (method, path) in [
        (Method::PUT, format!("{unknown}/status?value=UP")),
        (Method::DELETE, format!("{unknown}/status")),
        (Method::PUT, format!("{unknown}/metadata?a=b")),
    ] {
        assert_eq!(server.send(As::User, method, &path).await, 404, "{path}");
    }
    assert_eq!(server.listed().await, [("a".to_owned(), "UP".to_owned())]);
    server.stop().await;
}

#[tokio::test]
async fn metadata_is_added_pair_by_pair_within_bounds() {
    let server = Server::start().await;
    let mut document = instance("USER-SERVICE", "a");
    document["instance"]["metadata"] = json!({"zone": "a", "@class": "java.util.HashMap"});
    assert_eq!(
        server
            .post(As::User, "/eureka/apps/USER-SERVICE", &document)
            .await
            .status(),
        204
    );
    assert_eq!(
        server
            .send(As::User, Method::PUT, &format!("{ONE}/metadata?zone=b&weight=3"))
            .await,
        200
    );
    assert_eq!(
        server.json(ONE).await["instance"]["metadata"],
        json!({"weight": "3", "zone": "b"})
    );
    for bad in [
        "a%20b=1",
        "=1",
        "%3Cx%3E=1",
        "%40class=java.util.HashMap",
        "a=%00",
        &format!("a={}", "x".repeat(5000)),
    ] {
        assert_eq!(
            server
                .send(As::User, Method::PUT, &format!("{ONE}/metadata?{bad}"))
                .await,
            400,
            "{bad}"
        );
    }
    assert_eq!(
        server.json(ONE).await["instance"]["metadata"],
        json!({"weight": "3", "zone": "b"})
    );
    server.stop().await;
}
