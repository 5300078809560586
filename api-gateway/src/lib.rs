//! The one door of the fleet: who may come in, how often, and to which service.

pub mod access_log;
mod alarm;
pub mod config;
pub mod domain;
pub mod edge;
pub mod error;
pub mod gate;
pub mod limits;
pub mod meter;
pub mod proxy;
pub mod routes;
pub mod rules;
pub mod tokens;

mod gateway;

pub use config::{Config, DEFAULTS};
pub use gateway::Gateway;

/// The name under which it registers.
pub const NAME: &str = "api-gateway";
