//! Values, states and rules; no I/O, no clock.

pub mod appointment;
pub mod calendar;
pub mod change;
pub mod idempotency;
pub mod schedule;
pub mod status;
pub mod text;
