//! Floods stay outside, and those inside stay served.

use reqwest::Method;

use crate::helpers::{As, Server, instance};

#[tokio::test]
async fn a_full_registry_refuses_newcomers_and_serves_the_rest() {
    let server = Server::with("discovery: {caps: {instances_per_app: 2, apps: 2}}").await;
    for id in ["a", "b"] {
        server.register(As::User, "USER-SERVICE", id).await;
    }
    let answer = server
        .post(
            As::User,
            "/eureka/apps/USER-SERVICE",
            &instance("USER-SERVICE", "c"),
        )
        .await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    server.register(As::Admin, "X", "x").await;
    assert_eq!(
        server
            .post(As::Admin, "/eureka/apps/Y", &instance("Y", "y"))
            .await
            .status(),
        503
    );
    assert_eq!(
        server
            .send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/a")
            .await,
        200
    );
    server.register(As::User, "USER-SERVICE", "a").await;
    assert_eq!(server.listed().await.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn one_credential_cannot_register_without_end() {
    let server = Server::with("discovery: {registrations_per_minute: 3}").await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let answer = server
            .post(
                As::User,
                "/eureka/apps/USER-SERVICE",
                &instance("USER-SERVICE", "a"),
            )
            .await;
        statuses.push(answer.status().as_u16());
    }
    // The minute may turn once in between.
    assert!(
        statuses.contains(&429) && statuses[..3] == [204, 204, 204],
        "{statuses:?}"
    );
    server
        .register(As::Notification, "NOTIFICATION-SERVICE", "n")
        .await;
    assert_eq!(
        server
            .send(As::User, Method::PUT, "/eureka/apps/USER-SERVICE/a")
            .await,
        200,
        "renewals are free"
    );
    server.stop().await;
}
