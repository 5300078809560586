//! What outlives the process.

pub mod snapshot;
