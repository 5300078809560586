//! The plumbing as a service uses it: over sockets, through the whole stack of layers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod actuator;
mod bus;
mod calls;
mod endpoints;
mod feed;
mod helpers;
mod issuer;
mod keys;
mod refresh;
mod revocation;
mod server;
mod tokens;
