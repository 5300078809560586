//! Black-box tests of the whole router on a real server, one file per resource.

#![expect(unreachable_pub, reason = "one crate: its modules share what they have")]
#![expect(clippy::unwrap_used, reason = "panicking is how a test fails")]
#![expect(clippy::cast_precision_loss, reason = "small counts")]

mod access;
mod audit;
mod canary;
mod command;
mod doctors;
mod helpers;
mod internal;
mod keys;
mod login;
mod outage;
mod passwords;
mod process;
mod refresh;
mod registration;
mod second_factor;
mod sessions;
mod start;
mod timing;
mod tokens;
mod users;
