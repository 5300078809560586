use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_gateway::access_log::Sink;
use api_gateway::{Config, DEFAULTS, Gateway};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Router, serve};
use common::auth::Role;
use common::clock::Clock;
use common::config::{Live, from_yaml};
use common::core::Core;
use common::discovery::Discovery;
use common::ids::UserId;
use common_testing::{Client, TokenMint, core_with};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Every service that the default table leads to.
const SERVICES: [&str; 4] = [
    "user-service",
    "appointment-service",
    "medical-record-service",
    "notification-service",
];

/// Settings that no test but those of limits wants to meet.
const ROOMY: &str =
    "{server: {port: 0}, gateway: {workers: 2, drain_notice_s: 0, rate_limit: {scale: 1000}}}";

/// A gateway in front of services of the test's making.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) mint: TokenMint,
    pub(crate) core: Core,
    pub(crate) live: Arc<Live<Config>>,
    log: Arc<Mutex<Vec<u8>>>,
    gateway: Option<Gateway>,
}

impl Stage {
    /// Every service is `echo`.
    pub(crate) fn before(echo: &Echo) -> Self {
        Self::at(&[echo.address], "{}")
    }

    /// Every service has instances at these addresses; `yaml` stands over the roomy settings.
    pub(crate) fn at(instances: &[SocketAddr], yaml: &str) -> Self {
        Self::try_at(instances, yaml).unwrap()
    }

    /// The same, where starting may fail.
    pub(crate) fn try_at(instances: &[SocketAddr], yaml: &str) -> anyhow::Result<Self> {
        let discovery = Discovery::fixed(SERVICES.map(|service| (service, instances.to_vec())));
        Self::with_discovery(discovery, yaml)
    }

    /// With a registry of the test's own.
    pub(crate) fn with_discovery(discovery: Discovery, yaml: &str) -> anyhow::Result<Self> {
        let live = from_yaml::<Config>(api_gateway::NAME, &[DEFAULTS, ROOMY, yaml])?;
        let (core, mint) = core_with(&live, Clock::System, discovery);
        // Lines are written only where somebody listens to that level.
        let _ = tracing_subscriber::fmt().with_writer(std::io::sink).try_init();
        let log = Arc::new(Mutex::new(Vec::new()));
        let gateway = Gateway::start(&core, &live, Sink::Memory(Arc::clone(&log)))?;
        let address = gateway.address();
        let client = Client::new(&format!("http://{address}"));
        Ok(Self {
            client,
            address,
            mint,
            core,
            live,
            log,
            gateway: Some(gateway),
        })
    }

    /// A token of somebody with this role.
    pub(crate) fn token(&self, role: Role) -> String {
        self.mint.access(UserId::generate(), role)
    }

    /// Send bytes as they are and read until the other side closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    /// The same, where the other side may close before anything was sent.
    pub(crate) async fn try_raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    /// The access log so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(self.log.lock().unwrap().clone()).unwrap()
    }

    /// Stop as on SIGTERM.
    pub(crate) async fn stop(&mut self) -> bool {
        self.gateway.take().unwrap().stop(&CancellationToken::new()).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.core.background.stop();
    }
}

/// All that comes until the end, for at most ten seconds.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let in_time = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut received)).await;
    let received = String::from_utf8_lossy(&received).into_owned();
    assert!(in_time.is_ok(), "still open after: {received}");
    received
}

/// A service that answers with what it was asked, and counts.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let hits = Arc::new(AtomicUsize::new(0));
        let address = serve_router(Router::new().fallback(echo).with_state(Arc::clone(&hits))).await;
        Self { address, hits }
    }

    /// Requests that have come through.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

async fn echo(State(hits): State<Arc<AtomicUsize>>, request: Request) -> Response {
    hits.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(n, v)| json!([n.as_str(), v.to_str().unwrap_or("?")]))
        .collect();
    let seen = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query(),
        "headers": headers,
        "length": body.as_ref().map_or(0, axum::body::Bytes::len),
        "whole": body.is_ok(),
    });
    let hidden = [
        ("server", "hidden/1.0"),
        ("x-powered-by", "hidden"),
        ("x-internal-node", "hidden"),
    ];
    (StatusCode::OK, hidden, axum::Json(seen)).into_response()
}

/// The values of a header that the echo saw.
pub(crate) fn seen<'v>(echoed: &'v Value, name: &str) -> Vec<&'v str> {
    let headers = echoed["headers"].as_array().unwrap();
    headers
        .iter()
        .filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str().unwrap())
        .collect()
}

/// Serve a router on a free port for as long as the test runs.
pub(crate) async fn serve_router(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move { serve(listener, router).await });
    address
}

/// A service that speaks bytes: `talk` has each of its connections.
pub(crate) async fn serve_bytes<F, T>(talk: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            tokio::task::spawn(talk(stream, number));
        }
    });
    address
}

/// Read one request's head.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An address where nobody listens.
pub(crate) async fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A body of `length` bytes.
pub(crate) fn body_of(length: usize) -> Body {
    Body::from(vec![b'x'; length])
}
