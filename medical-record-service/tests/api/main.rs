//! The whole service from outside: real MongoDB, real HTTP, stand-ins for the neighbours.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "panicking is how a test fails"
)]

mod access;
mod amendments;
mod audit;
mod break_glass;
mod durability;
mod events;
mod files;
mod grants;
mod helpers;
mod idempotency;
mod injection;
mod integrity;
mod lists;
mod outage;
mod protocol;
mod records;
mod refresh;
mod scanner;
mod tokens;
mod uploads;
