//! The database, as somebody with the disk sees it.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};

use super::TestApp;

impl TestApp {
    /// Documents in a collection.
    pub(crate) async fn count(&self, collection: &str) -> u64 {
        self.db
            .collection::<Document>(collection)
            .count_documents(doc! {})
            .await
            .unwrap()
    }

    /// Documents that still carry events.
    pub(crate) async fn unpublished(&self) -> u64 {
        let mut count = 0;
        for collection in ["records", "access_log"] {
            let waiting = doc! { "outbox_due": { "$exists": true } };
            count += self
                .db
                .collection::<Document>(collection)
                .count_documents(waiting)
                .await
                .unwrap();
        }
        count
    }

    /// A whole collection as text and bytes, as somebody with the disk would see it.
    pub(crate) async fn everything(&self, collection: &str) -> String {
        let found = self
            .db
            .collection::<Document>(collection)
            .find(doc! {})
            .await
            .unwrap();
        let documents: Vec<Document> = found.try_collect().await.unwrap();
        let bytes: Vec<u8> = documents
            .iter()
            .flat_map(|document| document.to_vec().unwrap())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Drop a database. Each is dozens of files, and thousands of forgotten ones slow the server down.
pub(crate) fn forget(name: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment says where the server is"
    )]
    let url = std::env::var("TEST_MONGODB_URL").unwrap();
    let name = name.to_owned();
    let dropping = async move {
        mongodb::Client::with_uri_str(url)
            .await?
            .database(&name)
            .drop()
            .await
    };
    // A test that is over has no runtime left to wait on.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let dropped = std::thread::spawn(move || runtime.block_on(dropping)).join();
    assert!(
        dropped.is_ok_and(|dropped| dropped.is_ok()) || std::thread::panicking(),
        "the database stays"
    );
}
