//! A mail relay that keeps what it takes, and refuses at the step that the test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A message as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
}

#[derive(Clone)]
pub(crate) struct FakeRelay {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Which step is answered with what instead of success; `""` cuts the connection.
    instead: Option<(&'static str, &'static str)>,
    taken: Vec<Taken>,
}

impl FakeRelay {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(Inner::default()));
        let shared = state.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move { drop(converse(socket, &shared).await) });
            }
        });
        Self { address, state }
    }

    /// From now on `step` (`MAIL`, `RCPT`, `DATA`, `.`) is answered with `answer`.
    pub(crate) fn answer(&self, step: &'static str, answer: &'static str) {
        self.state.lock().unwrap().instead = Some((step, answer));
    }

    pub(crate) fn be_good(&self) {
        self.state.lock().unwrap().instead = None;
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.state.lock().unwrap().taken.clone()
    }
}

async fn converse(mut socket: TcpStream, state: &Arc<Mutex<Inner>>) -> std::io::Result<()> {
    let (read, mut write) = socket.split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 relay ready\r\n").await?;
    let mut message = Taken {
        from: String::new(),
        to: Vec::new(),
        data: String::new(),
    };
    while let Some(line) = lines.next_line().await? {
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let usual = match verb.as_str() {
            "EHLO" | "HELO" => "250 relay",
            "MAIL" => {
                message = Taken {
                    from: line.clone(),
                    to: Vec::new(),
                    data: String::new(),
                };
                "250 ok"
            }
            "RCPT" => {
                message.to.push(line.clone());
                "250 ok"
            }
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            "RSET" | "NOOP" => "250 ok",
            _ => "500 what",
        };
        if !say(&mut write, state, &verb, usual).await? {
            return Ok(());
        }
        if verb == "DATA" && instead(state, "DATA").is_none() {
            while let Some(line) = lines.next_line().await? {
                if line == "." {
                    break;
                }
                message.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                message.data.push('\n');
            }
            // A cut after the last dot: taken, and the answer lost.
            let refused = instead(state, ".").is_some_and(|answer| !answer.is_empty());
            if !refused {
                state.lock().unwrap().taken.push(message.clone());
            }
            if !say(&mut write, state, ".", "250 taken").await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn instead(state: &Arc<Mutex<Inner>>, step: &str) -> Option<&'static str> {
    state
        .lock()
        .unwrap()
        .instead
        .filter(|(planned, _)| *planned == step)
        .map(|(_, answer)| answer)
}

/// `false`: the connection is to be cut.
async fn say(
    write: &mut (impl AsyncWriteExt + Unpin),
    state: &Arc<Mutex<Inner>>,
    step: &str,
    usual: &str,
) -> std::io::Result<bool> {
    let answer = instead(state, step).unwrap_or(usual);
    if answer.is_empty() {
        return Ok(false);
    }
    write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    Ok(true)
}
