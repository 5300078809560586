//! The plumbing as a service uses it: over sockets, through the whole stack of layers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod actuator;
mod calls;
mod endpoints;
mod feed;
mod helpers;
mod issuer;
mod keys;
mod revocation;
mod server;
mod tokens;
