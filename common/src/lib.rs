//! What at least two services of the fleet use: plumbing and contracts, no domain rule and no domain SQL.

#![warn(missing_docs)]

pub mod auth;
pub mod background;
pub mod clock;
pub mod context;
pub mod events;
pub mod extract;
pub mod ids;
pub mod page;
pub mod problem;
