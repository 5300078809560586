//! The registry of the fleet: who is alive and where, in Eureka's words.

pub mod domain;
