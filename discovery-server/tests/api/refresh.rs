//! Settings that change while the registry runs.

use common_testing::ConfigStub;
use serde_json::json;

use crate::helpers::{As, Server, eventually, instance};

#[tokio::test]
async fn preservation_is_switched_off_and_on_by_a_refresh() {
    let stub = ConfigStub::start().await;
    let server = Server::with(&stub.yaml()).await;
    for id in ["a", "b", "c", "d", "e"] {
        let mut body = instance("USER-SERVICE", id);
        body["instance"]["leaseInfo"] = json!({"renewalIntervalInSecs": 1, "durationInSecs": 1});
        let answer = server.post(As::User, "/eureka/apps/USER-SERVICE", &body).await;
        assert_eq!(answer.status(), 204);
    }
    eventually("all are silent and kept", || async {
        server
            .get("/")
            .await
            .text()
            .await
            .unwrap()
            .matches("<b>silent, preserved</b>")
            .count()
            == 5
    })
    .await;
    stub.set(json!({"discovery.preservation.enabled": false}));
    let refreshed = server.live.refresh().await.unwrap();
    assert_eq!(refreshed.changed, ["discovery.preservation.enabled"]);
    assert!(refreshed.at_restart.is_empty());
    eventually("they are dropped", || async { server.listed().await.is_empty() }).await;
}
