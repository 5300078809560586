//! Requests written by hand.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Person, TestApp};

/// A request that is under way.
pub(crate) struct Wire {
    socket: TcpStream,
}

impl Wire {
    pub(crate) async fn open(app: &TestApp, who: &Person, headers: &str) -> Self {
        let mut socket = TcpStream::connect(app.server.address).await.unwrap();
        let head = format!(
            "POST /records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}\r\n\r\n",
            who.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        Self { socket }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok()
    }

    pub(crate) async fn status(&mut self) -> u16 {
        let mut answer = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(20), self.socket.read_exact(&mut answer)).await;
        read.expect("an answer in time").unwrap();
        String::from_utf8_lossy(&answer[9..]).parse().unwrap()
    }
}
