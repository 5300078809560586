//! Services that are told over the broker at `TEST_AMQP_URL` to read their settings again.

use std::sync::Arc;
use std::time::Duration;

use common::auth::Role;
use common::broker::AmqpSettings;
use common::config::{self, Live};
use common::core::Core;
use common::ids::UserId;
use common_testing::{Answer, ConfigStub, TestServer, TokenMint, amqp_url, core_on_bus, eventually};
use serde_json::{Value, json};

use crate::helpers::Trial;

struct Member {
    live: Arc<Live<Trial>>,
    core: Core,
    mint: TokenMint,
    server: TestServer,
}

impl Member {
    async fn join(name: &'static str, stub: &ConfigStub, amqp: &AmqpSettings) -> Self {
        let live = config::from_yaml(name, &[&stub.yaml()]).unwrap();
        let (core, mint) = core_on_bus(&live, amqp);
        let server = TestServer::start(common::server::Router::new(), &core).await;
        Self {
            live,
            core,
            mint,
            server,
        }
    }

    async fn call(&self, path: &str) -> Answer {
        let admin = self.mint.access(UserId::generate(), Role::Admin);
        self.server.client().post(path, &admin, &Value::Null).await
    }

    fn timeout(&self) -> u64 {
        self.live.core().http_client.timeout_ms
    }
}

/// Two services on a bus of their own, both known to listen.
async fn two(stub: &ConfigStub) -> (Member, Member) {
    let amqp = AmqpSettings::for_test(amqp_url());
    stub.set(json!({"http_client.timeout_ms": 111}));
    let (one, other) = (
        Member::join("one-service", stub, &amqp).await,
        Member::join("other-service", stub, &amqp).await,
    );
    eventually("both listen", || async {
        let _ = one.call("/actuator/busrefresh").await;
        ((one.timeout(), other.timeout()) == (111, 111)).then_some(())
    })
    .await;
    // Whoever listened late was told more than once: let all of it pass.
    let mut seen = 0;
    while seen != stub.times() {
        seen = stub.times();
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    (one, other)
}

async fn until(member: &Member, timeout: u64) {
    eventually("the new settings", || async {
        (member.timeout() == timeout).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_request_has_every_service_read_its_settings_again() {
    let stub = ConfigStub::start().await;
    let (one, other) = two(&stub).await;
    stub.set(json!({"http_client.timeout_ms": 222}));
    one.call("/actuator/busrefresh").await.expect(204);
    until(&one, 222).await;
    until(&other, 222).await;

    let before = stub.times();
    stub.set(json!({"http_client.timeout_ms": 0}));
    one.call("/actuator/busrefresh").await.expect(204);
    eventually("both have seen the bad value", || async {
        (stub.times() >= before + 2).then_some(())
    })
    .await;
    assert_eq!((one.timeout(), other.timeout()), (222, 222));

    stub.set(json!({"http_client.timeout_ms": 333}));
    one.call("/actuator/busrefresh/other-service:**")
        .await
        .expect(204);
    until(&other, 333).await;
    assert_eq!(one.timeout(), 222, "the message was not for it");
    one.call("/actuator/busrefresh/one-service").await.expect(204);
    until(&one, 333).await;
    one.call("/actuator/busrefresh/a%20b").await.problem(400);
}

#[tokio::test]
async fn without_a_broker_the_caller_hears_of_it() {
    let stub = ConfigStub::start().await;
    let away = AmqpSettings::for_test("amqp://127.0.0.1:1");
    let alone = Member::join("one-service", &stub, &away).await;
    let answer = alone.call("/actuator/busrefresh").await;
    assert_eq!(answer.problem(503), "unavailable");
    answer.header("retry-after");
    assert!(alone.core.broker().is_ok());

    let app = crate::helpers::TestApp::start().await;
    let admin = app.mint.access(UserId::generate(), Role::Admin);
    let answer = app.server.client();
    let answer = answer.post("/actuator/busrefresh", &admin, &Value::Null).await;
    assert_eq!(answer.problem(404), "no-bus");
    assert!(app.core.broker().is_err());
}
