//! Black-box tests of the whole router on a real server, one file per resource.

#![expect(unreachable_pub, reason = "one crate: its modules share what they have")]

mod helpers;
mod login;
mod registration;
