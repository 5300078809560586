//! The malware scanner: clamd's INSTREAM, fed while the file arrives. No verdict, no file.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::Error;

/// Longer answers are no answers.
const LONGEST_ANSWER: u64 = 4 * 1024;

/// One file being scanned.
pub struct Scan {
    socket: TcpStream,
    patience: Duration,
}

impl Scan {
    /// Begin a file at the clamd that listens at `address`.
    pub async fn begin(address: &str, patience: Duration) -> Result<Self, Error> {
        let opening = async {
            let mut socket = TcpStream::connect(address).await?;
            socket.write_all(b"zINSTREAM\0").await?;
            Ok(socket)
        };
        let socket = within(patience, opening).await?;
        Ok(Self { socket, patience })
    }

    /// Pass on the next piece; it must not be empty.
    pub async fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let socket = &mut self.socket;
        within(self.patience, async {
            socket.write_all(&length.to_be_bytes()).await?;
            socket.write_all(piece).await
        })
        .await
    }

    /// The file is over: hear what it is.
    pub async fn verdict(mut self) -> Result<(), Error> {
        let answer = within(self.patience, async {
            self.socket.write_all(&[0; 4]).await?;
            let mut answer = String::new();
            (&mut self.socket)
                .take(LONGEST_ANSWER)
                .read_to_string(&mut answer)
                .await?;
            Ok(answer)
        })
        .await?;
        let answer = answer.trim_end_matches(['\0', '\n']);
        if answer.ends_with(" FOUND") {
            tracing::warn!(%answer, "malware refused");
            metrics::counter!("records_malware_refused_total").increment(1);
            Err(Error::Malware)
        } else if answer == "stream: OK" {
            Ok(())
        } else {
            Err(away(answer))
        }
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = std::io::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(away(error)),
        Err(_) => Err(away("no answer in time")),
    }
}

fn away(cause: impl std::fmt::Display) -> Error {
    tracing::error!(%cause, "the malware scanner gave no verdict");
    Error::NoVerdict
}
