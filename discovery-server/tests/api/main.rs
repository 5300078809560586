//! The whole server over HTTP, as clients, operators and attackers meet it.

mod access;
mod caps;
mod changes;
mod dashboard;
mod helpers;
mod our_client;
mod protocol;
mod reading;
mod replication;
mod restart;
mod statuses;
