//! Tokens that nobody may come in with, as data, and the one way to try them on a listener.

mod claims;
mod forged;
mod headers;
mod transport;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::auth::AccessClaims;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::TokenMint;

/// One attempt to be somebody without the right to it.
pub struct Attack {
    /// Its family, J1 to J16.
    pub family: &'static str,
    /// What is wrong with it.
    pub why: String,
    /// Put after the path, with its question mark.
    query: String,
    /// Header lines, each with its end.
    lines: Vec<u8>,
    body: String,
    /// So large or so crooked that a listener may refuse the head itself, or hang up.
    unreadable: bool,
}

/// Where attacks are tried.
pub struct Target<'a> {
    /// For the report.
    pub name: &'a str,
    /// The listener.
    pub address: SocketAddr,
    /// A `GET` that the token the attacks are made from would open.
    pub path: &'a str,
}

impl Attack {
    /// `token` as the one bearer token.
    fn bearer(family: &'static str, why: impl Into<String>, token: &str) -> Self {
        let unreadable = token.len() > 8000 || !token.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        Self {
            unreadable,
            ..Self::sent(family, why, format!("Authorization: Bearer {token}\r\n"))
        }
    }

    fn sent(family: &'static str, why: impl Into<String>, lines: impl Into<Vec<u8>>) -> Self {
        Self {
            family,
            why: why.into(),
            query: String::new(),
            lines: lines.into(),
            body: String::new(),
            unreadable: false,
        }
    }

    async fn send(&self, target: &Target<'_>) -> String {
        let mut head = format!(
            "GET {}{} HTTP/1.1\r\nHost: localhost\r\n",
            target.path, self.query
        )
        .into_bytes();
        head.extend_from_slice(&self.lines);
        head.extend_from_slice(b"Connection: close\r\n\r\n");
        head.extend_from_slice(self.body.as_bytes());
        let mut stream = TcpStream::connect(target.address).await.unwrap();
        // Whoever refuses a head in the middle does not read the rest.
        let _ = stream.write_all(&head).await;
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(
            reading.is_ok(),
            "no end of the answer to {} {}",
            self.family,
            self.why
        );
        String::from_utf8_lossy(&answer).to_ascii_lowercase()
    }

    fn is_refused(&self, answer: &str) -> bool {
        let whole = answer.starts_with("http/1.1 401")
            && answer.contains("\r\nwww-authenticate:")
            && answer.contains("\r\ncontent-type: application/problem+json");
        let early = ["http/1.1 400", "http/1.1 413", "http/1.1 431"];
        let given_up = answer.is_empty() || early.iter().any(|start| answer.starts_with(start));
        whole || (self.unreadable && given_up)
    }
}

/// Every attack there is. `good` is what a token of `mint` says that opens the door; whoever is made to fetch a key
/// asks `bait`.
pub fn attacks(mint: &TokenMint, good: &AccessClaims, bait: SocketAddr) -> Vec<Attack> {
    let mut all = forged::attacks(mint, good);
    all.extend(headers::attacks(mint, good, bait));
    all.extend(claims::attacks(mint, good));
    all.extend(transport::attacks(mint, good));
    all
}

/// Try every attack on `target`: each is refused, nobody is made to fetch a key, and the token they are made from
/// opens the door before and after. Says how many there were, and returns it.
pub async fn repel(target: &Target<'_>, mint: &TokenMint, good: &AccessClaims) -> usize {
    let bait = Bait::lay().await;
    let attacks = attacks(mint, good, bait.address);
    opens(target, mint, good).await;
    for attack in &attacks {
        let answer = attack.send(target).await;
        assert!(
            attack.is_refused(&answer),
            "{}: {} {}: {answer:.300}",
            target.name,
            attack.family,
            attack.why
        );
    }
    opens(target, mint, good).await;
    assert_eq!(
        bait.taken.load(Ordering::SeqCst),
        0,
        "{} fetched a key",
        target.name
    );
    let (count, name) = (attacks.len(), target.name);
    let _ = writeln!(
        std::io::stderr(),
        "tokens: {count} attacks on {name}, {count} refused"
    );
    count
}

async fn opens(target: &Target<'_>, mint: &TokenMint, good: &AccessClaims) {
    let fair = Attack::bearer("", "a good token", &mint.sign(common::auth::ACCESS_TYPE, good));
    let answer = fair.send(target).await;
    assert!(
        answer.starts_with("http/1.1 200"),
        "{}: {answer:.300}",
        target.name
    );
}

/// Counts who connects.
struct Bait {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Bait {
    async fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, taken) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&taken);
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        drop(tokio::task::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }));
        Self { address, taken }
    }
}
