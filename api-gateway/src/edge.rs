//! The listener and its connections: everything that happens before a request is a request.

pub mod connection;
pub mod guarded;
pub mod listener;
pub mod tls;
pub mod workers;
