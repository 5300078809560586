//! What the services' tests share: tokens for any role, a database of one's own, the whole router on a socket,
//! and stand-ins for a neighbour's internal API that speak the very types its clients use.
//!
//! Everything here panics when it cannot do its work: a test has nobody to tell.

#![expect(clippy::missing_panics_doc, reason = "panicking is how a test fails")]
#![expect(clippy::unwrap_used, reason = "panicking is how a test fails")]

mod attacks;
mod client;
mod config_stub;
mod databases;
mod foreign;
mod matrix;
mod mint;
mod peers;
mod proxy;
mod server;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

pub use attacks::{Attack, Target, attacks, repel};
pub use client::{Answer, As, Client};
pub use config_stub::ConfigStub;
pub use databases::{amqp_url, mongo_database, mongo_url, mysql_database, mysql_url};
pub use foreign::{Foreign, Step, not_run};
pub use matrix::{Matrix, Row, strange_ids, strange_values};
pub use mint::TokenMint;
pub use peers::Peers;
pub use proxy::Proxy;
pub use server::{TestServer, core, core_on_bus, core_with};

/// Serve `router`, a stand-in, on a free port of this machine until the test's runtime ends.
pub async fn serve(router: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    drop(tokio::task::spawn(
        async move { axum::serve(listener, router).await },
    ));
    address
}

/// Ask again and again until `probe` has an answer, for at most ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    for _ in 0..400 {
        if let Some(found) = probe().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not within ten seconds: {what}");
}
