//! Values, states and rules: no I/O, no clock, no async.

pub mod access;
pub mod data;
pub mod file_name;
pub mod media;
pub mod range;
pub mod record;
pub mod text;
