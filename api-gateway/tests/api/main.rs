//! The gateway from outside, on real sockets, in front of small services that show what reached them.

#![expect(clippy::unwrap_used, reason = "panicking is how a test fails")]
#![expect(clippy::disallowed_methods, reason = "what a test starts ends with it")]

mod access;
mod answers;
mod audit;
mod framing;
mod headers;
mod helpers;
mod limits;
mod matrix;
mod monitoring;
mod pages;
mod proxying;
mod refresh;
mod registry;
mod slow;
mod tls;
mod tokens;
mod upstreams;
