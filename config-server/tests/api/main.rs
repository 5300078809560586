//! Black-box tests of the whole router.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "panicking and printing is how a test speaks"
)]

mod access;
mod clients;
mod encryption;
mod environment;
mod fleet;
mod git;
mod helpers;
mod monitor;
mod native;
mod resource;
mod signing;
mod tokens;
mod traversal;
mod view;
