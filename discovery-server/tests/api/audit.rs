//! What is recorded of those who try.

use std::future::Future;
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::access::WRITES;
use crate::helpers::{As, Server, instance};

/// The lines that were logged while `work` ran, of this thread alone.
async fn logged(work: impl Future<Output = ()>) -> String {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&lines);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || Lines(Arc::clone(&writer)))
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    String::from_utf8(lines.lock().unwrap().clone()).unwrap()
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_refusal_is_recorded_with_who_tried_what() {
    let server = Server::start().await;
    server.register(As::User, "USER-SERVICE", "a").await;
    let lines = logged(async {
        for (method, path) in &WRITES[..5] {
            assert_eq!(server.send(As::Notification, method.clone(), path).await, 403);
        }
        let path = "/eureka/apps/USER-SERVICE";
        let document = instance("USER-SERVICE", "b");
        assert_eq!(server.post(As::Notification, path, &document).await.status(), 403);
        let batch = json!({"replicationList": []});
        let path = "/eureka/peerreplication/batch/";
        assert_eq!(server.post(As::Notification, path, &batch).await.status(), 403);
        assert_eq!(
            server.send(As::Nobody, WRITES[1].0.clone(), WRITES[1].1).await,
            401
        );
    })
    .await;
    let audit: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["target"] == "audit")
        .collect();
    let refused: Vec<&str> = audit
        .iter()
        .map(|line| line["fields"]["refused"].as_str().unwrap())
        .collect();
    assert_eq!(
        refused,
        [
            "renewal",
            "cancellation",
            "DOWN",
            "end of an override",
            "metadata",
            "registration",
            "replication",
            "no known credential"
        ]
    );
    for line in &audit {
        assert_eq!(line["fields"]["from"], "127.0.0.1", "{line}");
    }
    assert_eq!(audit[0]["fields"]["credential"], "notification-service");
    assert_eq!(audit[0]["fields"]["app"], "USER-SERVICE");
    assert_eq!(audit[7]["fields"]["route"], "/eureka/apps/{app}/{id}");
    server.stop().await;
}
