//! The database goes away and comes back.

use std::net::SocketAddr;

use common::background::Background;
use common::broker::{AmqpSettings, Broker};
use common::mysql::{self, MySqlSettings};
use common::outbox::Outbox;
use common_testing::{As, TestServer, core, eventually, mysql_url};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use user_service::{AppState, MIGRATOR, start};

use crate::helpers::{ADMIN_EMAIL, ADMIN_PASSWORD, settings};

/// Passes bytes to the database while `open`, and cuts every connection when not.
async fn proxy(target: SocketAddr, tasks: &Background) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, state) = watch::channel(true);
    let passing = tasks.clone();
    tasks.spawn("test-proxy", |_| async move {
        while let Ok((inner, _)) = listener.accept().await {
            let state = state.clone();
            passing.spawn("test-proxy-connection", |_| pass(inner, target, state));
        }
    });
    (address, open)
}

async fn pass(mut inner: TcpStream, target: SocketAddr, mut open: watch::Receiver<bool>) {
    if !*open.borrow() {
        return;
    }
    let mut outer = TcpStream::connect(target).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}

#[tokio::test]
async fn without_the_database_the_answer_is_503_and_then_all_is_well_again() {
    let mut url = url::Url::parse(&mysql_url().await).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
        .parse()
        .unwrap();
    let (address, open) = proxy(target, &Background::new()).await;
    url.set_port(Some(address.port())).unwrap();
    let reached = MySqlSettings {
        url: Some(url.to_string().into()),
        max_connections: 5,
        acquire_timeout_ms: 500,
    };
    let db = mysql::connect(&reached, &MIGRATOR).await.unwrap();
    let live = settings("");
    let (core, _) = core(&live);
    let broker = Broker::start(&AmqpSettings::for_test("amqp://127.0.0.1:1"), &core.background);
    let outbox = Outbox::start(db.clone(), broker, &core.background);
    let state = AppState::new(core.clone(), live, db, outbox).unwrap();
    let server = TestServer::start(start(&state).await.unwrap(), &core).await;
    let client = server.client();
    let body = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD});
    let login = || client.post("/login", As::Anyone, &body);
    let access = login().await.expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();

    open.send_replace(false);
    for _ in 0..3 {
        let answer = login().await;
        assert_eq!(answer.problem(503), "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    client.get("/users/me", &access).await.expect(503);
    client.get("/.well-known/jwks.json", As::Anyone).await.expect(200);

    open.send_replace(true);
    eventually("logins work again", || async {
        (login().await.status == 200).then_some(())
    })
    .await;
    client.get("/users/me", &access).await.expect(200);
}
