//! Refresh, logout, the list of devices, and how soon an end is an end everywhere.

use chrono::TimeDelta;
use common::clock::Clock;
use common_testing::{As, Client, eventually};
use serde_json::json;

use crate::helpers::{PASSWORD, TestApp, claims, text};

#[tokio::test]
async fn refreshing_rotates() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let mut token = user.refresh.clone();
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(10));
        let next = app.refresh(&token).await.expect(200).json();
        assert_eq!(next["user"]["id"], user.id);
        assert!(app.accepts(&text(&next["access_token"])).await);
        assert_eq!(
            claims(&text(&next["access_token"]))["sid"],
            claims(&user.access)["sid"]
        );
        assert_ne!(next["refresh_token"], token);
        token = text(&next["refresh_token"]);
    }
    let sessions: i64 = sqlx::query_scalar("select count(*) from sessions")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(sessions, 1, "however often it is refreshed");
}

#[tokio::test]
async fn a_token_used_twice_ends_the_whole_session() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let second = app.refresh(&user.refresh).await.expect(200).json();
    app.advance(TimeDelta::seconds(6));
    assert_eq!(app.refresh(&user.refresh).await.problem(401), "refresh-refused");
    app.refresh(&text(&second["refresh_token"])).await.expect(401);
    assert!(!app.accepts(&user.access).await, "the first access token");
    assert!(
        !app.accepts(&text(&second["access_token"])).await,
        "the second access token"
    );
    let ended = app.events("user.session_ended").await;
    assert_eq!(ended[0]["data"]["reason"], "TOKEN_REUSED");
    assert!(
        app.audit()
            .await
            .contains(&("token.reused".to_owned(), "REFUSED".to_owned()))
    );
}

#[tokio::test]
async fn a_lost_answer_may_be_asked_for_again_at_once_by_the_same_client() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    let first = app.refresh(&user.refresh).await.expect(200).json();
    app.advance(TimeDelta::seconds(4));
    let again = app.refresh(&user.refresh).await.expect(200).json();
    assert_eq!(
        first["refresh_token"], again["refresh_token"],
        "the same successor, not a second family"
    );
    app.refresh(&text(&first["refresh_token"])).await.expect(200);
    app.refresh(&user.refresh).await.expect(401);
    assert!(
        !app.accepts(&user.access).await,
        "the successor had been used: that was a replay"
    );
}

#[tokio::test]
async fn a_shorter_life_revives_no_token_of_the_longer_one() {
    let clock = Clock::fixed(Clock::System.now());
    let app = TestApp::start_with("token: {access_life_s: 900}", clock.clone()).await;
    let user = app.patient("ann").await;
    let shorter = "token: {access_life_s: 60}";
    let later = TestApp::start_on(app.db.clone(), shorter, clock.clone()).await;
    later
        .client
        .post("/logout", &user.access, &json!({}))
        .await
        .expect(204);
    clock.advance(TimeDelta::seconds(850));
    user_service::housekeeping::purge(&later.state).await.unwrap();
    let newcomer = TestApp::start_on(app.db.clone(), shorter, clock).await;
    eventually("the newcomer has read the feed", || async {
        (!newcomer.accepts(&user.access).await).then_some(())
    })
    .await;
    assert!(!later.accepts(&user.access).await);
}

#[tokio::test]
async fn another_client_has_no_grace() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    app.refresh(&user.refresh).await.expect(200);
    let thief = app
        .client
        .request(http::Method::POST, "/token/refresh", As::Anyone)
        .header("user-agent", "thief");
    Client::send(thief.json(&json!({"refresh_token": user.refresh})))
        .await
        .expect(401);
    assert!(!app.accepts(&user.access).await);
}

#[tokio::test]
async fn parallel_refreshes_leave_one_family() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let answers = futures_util::future::join_all((0..10).map(|_| app.refresh(&user.refresh))).await;
    let tokens: std::collections::BTreeSet<String> = answers
        .into_iter()
        .map(|answer| text(&answer.expect(200).json()["refresh_token"]))
        .collect();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test]
async fn nothing_else_is_a_refresh_token() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let mut altered = user.refresh.clone().into_bytes();
    let last = altered.len() - 5;
    altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    for bad in [
        "",
        "x",
        &user.access,
        &altered,
        &"A".repeat(75),
        &"A".repeat(4000),
    ] {
        assert_eq!(app.refresh(bad).await.problem(401), "refresh-refused");
    }
    assert!(app.accepts(&user.access).await, "guessing ends nobody's session");
    app.client.get("/users/me", &user.refresh).await.expect(401);
    app.refresh(&user.refresh).await.expect(200);
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let app = TestApp::start_with_clock().await;
    let doctor = app.doctor("ada").await;
    app.advance(TimeDelta::minutes(29));
    let next = app.refresh(&doctor.refresh).await.expect(200).json();
    assert_eq!(next["refresh_expires_in"], 30 * 60);
    app.advance(TimeDelta::minutes(30));
    app.refresh(&text(&next["refresh_token"])).await.expect(401);

    let mut token = app.login(&doctor.email, PASSWORD).await.refresh;
    for _ in 0..(12 * 60 / 25) {
        app.advance(TimeDelta::minutes(25));
        token = text(&app.refresh(&token).await.expect(200).json()["refresh_token"]);
    }
    app.advance(TimeDelta::minutes(25));
    app.refresh(&token).await.expect(401);
}

#[tokio::test]
async fn an_access_token_lives_five_minutes() {
    let app = TestApp::start_with_clock().await;
    let user = app.patient("ann").await;
    app.advance(TimeDelta::seconds(299));
    assert!(app.accepts(&user.access).await);
    app.advance(TimeDelta::seconds(6));
    assert!(!app.accepts(&user.access).await);
}

#[tokio::test]
async fn logout_ends_both_tokens_here_and_elsewhere() {
    let app = TestApp::start().await;
    let elsewhere = app.another_instance().await;
    let user = app.patient("ann").await;
    let other = app.login(&user.email, PASSWORD).await;
    assert!(elsewhere.accepts(&user.access).await);
    app.client
        .post("/logout", &user.access, &json!({}))
        .await
        .expect(204);
    assert!(!app.accepts(&user.access).await, "at once where it happened");
    app.refresh(&user.refresh).await.expect(401);
    eventually("the other instance hears of it", || async {
        (!elsewhere.accepts(&user.access).await).then_some(())
    })
    .await;
    assert!(app.accepts(&other.access).await, "another device stays");
    app.client
        .post("/logout", &user.access, &json!({}))
        .await
        .expect(401);
}

#[tokio::test]
async fn devices_are_listed_and_ended() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    let phone = app.login(&user.email, PASSWORD).await;
    let stranger = app.patient("eve").await;
    let list = app.client.get("/sessions", &user.access).await.expect(200).json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(
        items.iter().filter(|session| session["current"] == true).count(),
        1
    );
    let sid = text(&claims(&phone.access)["sid"]);

    let path = format!("/sessions/{sid}");
    assert_eq!(
        app.client.delete(&path, &stranger.access).await.problem(404),
        "not-found"
    );
    assert!(app.accepts(&phone.access).await, "a stranger ends nothing");
    app.client.delete(&path, &user.access).await.expect(204);
    assert!(!app.accepts(&phone.access).await);
    app.client.delete(&path, &user.access).await.expect(404);
    app.client
        .delete("/sessions/nonsense", &user.access)
        .await
        .expect(404);
    assert_eq!(
        app.client.get("/sessions", &user.access).await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn lists_come_in_pages_for_their_owner_only() {
    let app = TestApp::start().await;
    let user = app.patient("ann").await;
    for _ in 0..4 {
        app.login(&user.email, PASSWORD).await;
    }
    let eve = app.patient("eve").await;
    let first = app
        .client
        .get("/sessions?limit=2", &user.access)
        .await
        .expect(200)
        .json();
    let cursor = text(&first["next_cursor"]);
    let second = app
        .client
        .get(&format!("/sessions?limit=2&cursor={cursor}"), &user.access)
        .await
        .expect(200)
        .json();
    let third = text(&second["next_cursor"]);
    let last = app
        .client
        .get(&format!("/sessions?limit=2&cursor={third}"), &user.access)
        .await
        .expect(200)
        .json();
    assert!(last["next_cursor"].is_null());
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    app.client
        .get(&format!("/sessions?cursor={cursor}"), &eve.access)
        .await
        .expect(400);
    app.client
        .get("/sessions?cursor=abc", &user.access)
        .await
        .expect(400);
    for bad in ["limit=0", "limit=101", "limit=-1", "limit=x", "colour=red"] {
        app.client
            .get(&format!("/sessions?{bad}"), &user.access)
            .await
            .expect(422);
    }
}

#[tokio::test]
async fn the_oldest_of_too_many_sessions_ends() {
    let app = TestApp::start_with("session: {at_most: 3}", Clock::System).await;
    let first = app.patient("ann").await;
    let second = app.login(&first.email, PASSWORD).await;
    for _ in 0..2 {
        app.login(&first.email, PASSWORD).await;
    }
    assert!(!app.accepts(&first.access).await);
    assert!(app.accepts(&second.access).await);
}
