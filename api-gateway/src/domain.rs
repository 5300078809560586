//! The rules of the edge: no I/O, no clock, no async.

pub mod address;
pub mod balance;
pub mod breaker;
pub mod budget;
pub mod chunked;
pub mod cors;
pub mod framing;
pub mod headers;
pub mod table;
pub mod target;
