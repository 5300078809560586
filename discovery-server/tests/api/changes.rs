//! The long poll.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::helpers::{As, Server};

fn question(known: &Value, wait: u64) -> String {
    let (version, epoch) = (&known["version"], known["epoch"].as_str().unwrap());
    format!("/eureka/changes?after={version}&epoch={epoch}&wait={wait}")
}

#[tokio::test]
async fn who_waits_is_told_at_once_of_each_change() {
    let server = Server::start().await;
    let known = server.json("/eureka/changes").await;
    let question = question(&known, 25);
    let waiting = server.json(&question);
    let (told, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.register(As::User, "USER-SERVICE", "a").await;
    });
    assert!(told["version"].as_u64() > known["version"].as_u64());
    assert_eq!(
        told["applications"]["application"][0]["instance"][0]["instanceId"],
        "a"
    );
    server.stop().await;
}

#[tokio::test]
async fn who_knows_the_newest_waits_as_long_as_asked_and_no_longer() {
    let server = Server::start().await;
    let known = server.json("/eureka/changes").await;
    let begun = Instant::now();
    assert_eq!(server.json(&question(&known, 1)).await, known);
    assert!(
        (900..5000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    server.stop().await;
}

#[tokio::test]
async fn who_knows_another_life_or_nothing_is_answered_at_once() {
    let server = Server::start().await;
    let known = server.json("/eureka/changes").await;
    let version = known["version"].as_u64().unwrap();
    let begun = Instant::now();
    for path in [
        "/eureka/changes?wait=25".to_owned(),
        format!("/eureka/changes?after={}&wait=25", version + 1),
        format!("/eureka/changes?after={version}&epoch=another&wait=25"),
    ] {
        assert_eq!(server.json(&path).await, known);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    for bad in ["after=x", "wait=-1", "other=1"] {
        assert_eq!(
            server.get(&format!("/eureka/changes?{bad}")).await.status(),
            422,
            "{bad}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn who_waits_does_not_hold_up_the_stop() {
    let server = Server::start().await;
    let known = server.json("/eureka/changes").await;
    let url = format!("http://{}{}", server.address, question(&known, 25));
    let waiting = crate::helpers::http().get(url).send();
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.stop().await;
    });
    assert_eq!(answer.unwrap().status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
