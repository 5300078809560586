//! The bus, as another service hears it.

use std::sync::{Arc, Mutex};

use common::broker::ConsumerSpec;
use common::events::{Event, Payload, RecordChange};
use common::ids::{RecordId, UserId};
use common_testing::eventually;

use super::{TestApp, now};

/// Events as another service would receive them.
pub(crate) struct Events {
    received: Arc<Mutex<Vec<Event>>>,
}

impl Events {
    /// The event about this subject.
    pub(crate) async fn about(&self, subject: impl ToString) -> Event {
        let subject = subject.to_string();
        eventually("the event arrives", || async {
            self.received
                .lock()
                .unwrap()
                .iter()
                .find(|event| event.subject == subject)
                .cloned()
        })
        .await
    }
}

impl TestApp {
    /// Listen to what is said about records, from now on.
    pub(crate) async fn listen(&self) -> Events {
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let spec = ConsumerSpec {
            queue: "listener".to_owned(),
            bindings: vec!["record.*".to_owned()],
            prefetch: 8,
            delivery_limit: 3,
        };
        self.broker.consume(spec, move |event| {
            kept.lock().unwrap().push(event);
            std::future::ready(Ok(()))
        });
        let payload = Payload::RecordCreated(RecordChange {
            record_id: RecordId::generate(),
            patient_id: UserId::generate(),
            author_id: UserId::generate(),
            version: 1,
        });
        let probe = Event::new("test", "probe", now(), &payload);
        eventually("the queue is bound", || async {
            self.broker.publish(&probe).await.ok()
        })
        .await;
        Events { received }
    }
}
