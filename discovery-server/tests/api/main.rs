//! The whole server over HTTP, as clients, operators and attackers meet it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod apart;
mod audit;
mod caps;
mod changes;
mod clients;
mod dashboard;
mod foreign;
mod helpers;
mod our_client;
mod protocol;
mod reading;
mod refresh;
mod replication;
mod restart;
mod statuses;
mod tokens;
