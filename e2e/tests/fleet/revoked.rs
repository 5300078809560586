//! What ends a session ends its access token at every door, within two seconds.

use std::time::{Duration, Instant};

use e2e::{Api, Session};
use futures_util::future::{BoxFuture, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cast::{self, answer};
use crate::processes::Fleet;

/// The promise.
const BOUND: Duration = Duration::from_secs(2);

type Event = for<'a> fn(&'a Fleet, &'a Session) -> BoxFuture<'a, ()>;

const EVENTS: &[(&str, Event)] = &[
    ("logout", |_, user| Box::pin(logout(user))),
    ("end of the session by its owner", |fleet, user| {
        Box::pin(ended_by_owner(fleet, user))
    }),
    ("suspension", |fleet, user| {
        Box::pin(changed_by_admin(fleet, user, json!({ "status": "SUSPENDED" })))
    }),
    ("change of role", |fleet, user| {
        Box::pin(changed_by_admin(fleet, user, json!({ "role": "ADMIN" })))
    }),
    ("change of password", |fleet, user| {
        Box::pin(other_password(fleet, user))
    }),
    ("replay of a refresh token", |fleet, user| {
        Box::pin(replayed(fleet, user))
    }),
    // Last: it ends everybody's tokens.
    ("withdrawal of the key", |fleet, _| Box::pin(withdrawn(fleet))),
];

pub(crate) async fn matrix(fleet: &Fleet) {
    let mut worst = Duration::ZERO;
    for (name, event) in EVENTS {
        let user = cast::patient(fleet).await;
        let doors = cast::doors(fleet, &user);
        for (door, api, path) in &doors {
            let status = status(api, path, &user).await;
            assert_eq!(status, 200, "{door} before: {name}");
        }
        event(fleet, &user).await;
        let over = Instant::now();
        let knocking = doors
            .iter()
            .map(|(door, api, path)| knock(api, path, &user, (door, over)));
        for (door, last) in join_all(knocking).await {
            assert!(last <= BOUND, "{door} was open {last:?} after: {name}");
            worst = worst.max(last);
        }
    }
    println!(
        "fleet: {} events at 5 doors, the last success at most {} ms after the event",
        EVENTS.len(),
        worst.as_millis()
    );
}

async fn status(api: &Api, path: &str, user: &Session) -> u16 {
    let request = api
        .request(Method::GET, path)
        .bearer_auth(&user.login.access_token);
    answer(request).await.status.as_u16()
}

/// Try the old token again and again; how long after the event it was last good, zero if never.
async fn knock<'d>(
    api: &Api,
    path: &str,
    user: &Session,
    (door, over): (&'d str, Instant),
) -> (&'d str, Duration) {
    let (mut last, mut seen) = (Duration::ZERO, 0);
    while over.elapsed() < BOUND + Duration::from_secs(1) {
        seen = status(api, path, user).await;
        if seen == 200 {
            last = over.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen, 401, "{door}");
    (door, last)
}

/// Ask for something that must be done.
async fn done(request: reqwest::RequestBuilder) -> Value {
    let answer = answer(request).await;
    assert!(answer.status.is_success(), "{}: {}", answer.status, answer.body);
    answer.body
}

async fn logout(user: &Session) {
    done(user.request(Method::POST, "/logout").json(&json!({}))).await;
}

/// The same person on another device.
async fn elsewhere(fleet: &Fleet, user: &Session) -> Session {
    let me: e2e::model::User = user.get("/users/me").await.unwrap();
    fleet.api().login(&me.email, cast::PASSWORD).await.unwrap()
}

async fn ended_by_owner(fleet: &Fleet, user: &Session) {
    let other = elsewhere(fleet, user).await;
    let list = done(other.request(Method::GET, "/sessions")).await;
    let sessions = list["items"].as_array().unwrap();
    let ended = sessions
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let path = format!("/sessions/{}", ended["id"].as_str().unwrap());
    done(other.request(Method::DELETE, &path)).await;
}

async fn changed_by_admin(fleet: &Fleet, user: &Session, change: Value) {
    let admin = cast::admin(fleet).await;
    let path = format!("/users/{}", user.id());
    done(admin.request(Method::PATCH, &path).json(&change)).await;
}

async fn other_password(fleet: &Fleet, user: &Session) {
    let other = elsewhere(fleet, user).await;
    let body = json!({ "current_password": cast::PASSWORD, "new_password": "marble-Canyon-41-heron" });
    done(other.request(Method::PUT, "/users/me/password").json(&body)).await;
}

/// Two tokens old, so that no grace for a lost answer can apply.
async fn replayed(fleet: &Fleet, user: &Session) {
    let refresh = |token: &str| {
        let body = json!({ "refresh_token": token });
        fleet.api().request(Method::POST, "/token/refresh").json(&body)
    };
    let second = done(refresh(&user.login.refresh_token)).await;
    done(refresh(second["refresh_token"].as_str().unwrap())).await;
    let replay = answer(refresh(&user.login.refresh_token)).await;
    cast::refused(&replay, 401, "a refresh token used twice");
}

async fn withdrawn(fleet: &Fleet) {
    let admin = cast::admin(fleet).await;
    done(
        admin
            .request(Method::POST, "/keys/rotate?withdraw=true")
            .json(&json!({})),
    )
    .await;
}
