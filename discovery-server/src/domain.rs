//! What the registry is and what it refuses: no I/O, no clock, no async.

pub mod actor;
pub mod address;
pub mod draft;
pub mod instance;
pub mod lease;
pub mod names;
pub mod registry;
pub mod status;
