//! What at least two services of the fleet use: plumbing and contracts, no domain rule and no domain SQL.
//!
//! What only tests use (test databases, token mint, test server) is the crate `common-testing` in `common/testing`:
//! a dev-dependency, so that no feature flag makes everything build twice.

#![warn(missing_docs)]

/// Of every program that uses this crate. With the system's, the gateway spent a tenth of its time on small pieces, and
/// a login a sixth of its own on giving back and fetching anew the memory of a password hash. (The unit tests of this
/// crate contain it twice, by way of `common-testing`.)
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod actuator;
pub mod auth;
pub mod background;
pub mod broker;
pub mod bus;
pub mod clients;
pub mod clock;
pub mod config;
pub mod context;
pub mod core;
pub mod discovery;
pub mod events;
pub mod extract;
pub mod http;
pub mod ids;
pub mod mysql;
pub mod outbox;
pub mod page;
pub mod period;
pub mod problem;
pub mod server;
pub mod telemetry;
