use std::net::SocketAddr;
use std::sync::Arc;

use common::actuator::{Actuator, Health};
use common::auth::{Revocations, ServiceTokens, Verifier};
use common::background::Background;
use common::broker::{AmqpSettings, Broker};
use common::bus::Bus;
use common::clock::Clock;
use common::config::{Live, Settings};
use common::core::Core;
use common::discovery::Discovery;
use common::http::{self, Http};
use common::page::Cursors;
use common::server::{self, Router, Stop};
use tokio::net::TcpListener;

use crate::{Client, TokenMint};

/// The parts of a service for a test: the system's clock, no registry, tokens of a mint of its own.
pub fn core<T: Settings>(live: &Arc<Live<T>>) -> (Core, TokenMint) {
    core_with(live, Clock::System, Discovery::disabled())
}

/// The parts of a service for a test, with its clock and its neighbours (see [`crate::Peers`]).
pub fn core_with<T: Settings>(live: &Arc<Live<T>>, clock: Clock, discovery: Discovery) -> (Core, TokenMint) {
    assemble(live, (clock, discovery), None)
}

/// The parts of a service for a test that listens to the bus of the broker at `amqp`.
pub fn core_on_bus<T: Settings>(live: &Arc<Live<T>>, amqp: &AmqpSettings) -> (Core, TokenMint) {
    assemble(live, (Clock::System, Discovery::disabled()), Some(amqp))
}

fn assemble<T: Settings>(
    live: &Arc<Live<T>>,
    (clock, discovery): (Clock, Discovery),
    amqp: Option<&AmqpSettings>,
) -> (Core, TokenMint) {
    let settings = live.core();
    let mint = TokenMint::new(clock.clone());
    let verifier = Verifier::new(
        settings.auth.clone(),
        live.name(),
        mint.keys(),
        Revocations::local(),
        clock.clone(),
    );
    let tokens = ServiceTokens::fixed("a-test-has-no-issuer");
    let health = Health::default();
    let background = Background::new();
    let broker = amqp.map(|amqp| Broker::start(amqp, &background));
    let bus = Bus::join(live, broker.clone(), &background);
    let core = Core {
        name: live.name(),
        actuator: Actuator::new(
            live,
            health.clone(),
            verifier.clone(),
            (clock.clone(), background.clone()),
            bus.clone(),
        )
        .unwrap(),
        http: Http::new(
            http::Client::new(live.follow_core()).unwrap(),
            discovery.clone(),
            tokens,
        ),
        background,
        broker,
        bus,
        cursors: Cursors::new(&"a test's secret".into()),
        settings,
        clock,
        health,
        discovery,
        verifier,
    };
    (core, mint)
}

/// A service on a socket, with the whole stack of layers.
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Stop,
    background: Background,
}

impl TestServer {
    /// Serve `router` on a free port.
    pub async fn start(router: Router, core: &Core) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = core.app(router);
        let stop = Stop::new();
        let (settings, token) = (core.settings.server.clone(), stop.clone());
        core.background.spawn("test-server", |_| async move {
            server::serve(listener, app, &settings, token).await;
        });
        Self {
            address,
            stop,
            background: core.background.clone(),
        }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.drain();
        self.background.stop();
    }
}
