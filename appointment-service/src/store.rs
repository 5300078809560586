//! SQL and nothing else: functions on a connection.

pub mod appointments;
pub mod changes;
pub mod idempotency_keys;
pub mod listing;
pub mod people;
mod row;
