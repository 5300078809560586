//! A wire that can be cut: a TCP proxy between a service and a server that it needs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on until it is cut; then open connections end and new ones end at once.
#[derive(Clone, Debug)]
pub struct Proxy {
    address: SocketAddr,
    cut: Arc<watch::Sender<bool>>,
}

impl Proxy {
    /// Listen on a free port in front of `target`, as `127.0.0.1:13306`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(target: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let cut = Arc::new(watch::Sender::new(false));
        let state = Arc::clone(&cut);
        #[expect(clippy::disallowed_methods, reason = "lives as long as the test process")]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target.clone(), state.subscribe()));
            }
        });
        Ok(Self { address, cut })
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// End every connection and let no new one through.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Let connections through again.
    pub fn mend(&self) {
        self.cut.send_replace(false);
    }
}

async fn pass(mut client: TcpStream, target: String, mut cut: watch::Receiver<bool>) {
    if *cut.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cut.changed() => {}
    }
}
