//! Black-box tests of the whole router on a real database.

#![expect(clippy::unwrap_used, reason = "panicking is how a test fails")]

mod access;
mod booking;
mod booking_rules;
mod changes;
mod defences;
mod faults;
mod helpers;
mod idempotency;
mod internal;
mod listing;
mod outbox;
mod proxy;
mod races;
mod refresh;
mod reschedule;
mod slots;
mod story;
mod tokens;
