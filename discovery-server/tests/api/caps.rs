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
async fn a_flood_takes_in_no_more_than_it_may_and_others_stay_served() {
    let server =
        Server::with("discovery: {registrations_per_minute: 40, caps: {instances_per_app: 60}}").await;
    server
        .register(As::Notification, "NOTIFICATION-SERVICE", "real")
        .await;
    let mut taken_in = 0;
    for number in 0..200 {
        let id = format!("flood-{number}");
        let path = "/eureka/apps/USER-SERVICE";
        let answer = server.post(As::User, path, &instance("USER-SERVICE", &id)).await;
        match answer.status().as_u16() {
            204 => taken_in += 1,
            status => assert!([429, 503].contains(&status), "{status}"),
        }
    }
    assert!((40..=60).contains(&taken_in), "{taken_in}");
    assert_eq!(server.listed().await.len(), taken_in + 1);
    let real = "/eureka/apps/NOTIFICATION-SERVICE/real";
    assert_eq!(server.send(As::Notification, Method::PUT, real).await, 200);
    server
        .register(As::Notification, "NOTIFICATION-SERVICE", "another")
        .await;
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
