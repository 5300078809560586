//! What the server knows about configuration: no I/O, no clock, nothing asynchronous.

pub mod access;
pub mod cipher;
pub mod document;
pub mod environment;
pub mod merged;
pub mod names;
pub mod notification;
pub mod placeholder;
pub mod profile_expression;
mod properties_file;
pub mod tree;
mod yaml_file;
