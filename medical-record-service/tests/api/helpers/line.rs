//! A line to the real database that a test can cut or freeze.

#![expect(
    clippy::disallowed_methods,
    reason = "tasks end with the test's runtime, and the environment says where servers are"
)]

use std::sync::Arc;

use common_testing::mongo_database;
use medical_record_service::config::MongoSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the line does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Open,
    /// Loses nothing and says nothing.
    Frozen,
    Cut,
}

/// The line, and the settings of a database of one's own behind it.
pub(crate) struct Line {
    pub(crate) settings: MongoSettings,
    condition: watch::Sender<Condition>,
}

impl Line {
    pub(crate) async fn in_condition(condition: Condition) -> Self {
        let url = std::env::var("TEST_MONGODB_URL").unwrap();
        let host = url
            .split('@')
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = MongoSettings {
            url: url
                .replace(&host, &listener.local_addr().unwrap().to_string())
                .into(),
            database: mongo_database().await.name().to_owned(),
            pool_size: 4,
            timeout_ms: 300,
        };
        let condition = watch::Sender::new(condition);
        let (state, target) = (condition.subscribe(), Arc::<str>::from(host));
        drop(tokio::task::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                drop(tokio::task::spawn(carry(
                    near,
                    Arc::clone(&target),
                    state.clone(),
                )));
            }
        }));
        Self { settings, condition }
    }

    pub(crate) fn set(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        super::disk::forget(&self.settings.database);
    }
}

async fn carry(near: TcpStream, target: Arc<str>, mut condition: watch::Receiver<Condition>) {
    if *condition.borrow() == Condition::Cut {
        return;
    }
    let far = TcpStream::connect(&*target).await.unwrap();
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pump(near_in, far_out, condition.clone()) => {}
        () = pump(far_in, near_out, condition.clone()) => {}
        _ = condition.wait_for(|condition| *condition == Condition::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut condition: watch::Receiver<Condition>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let _ = condition
            .wait_for(|condition| *condition != Condition::Frozen)
            .await;
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}
