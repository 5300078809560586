//! The whole service from outside: real MongoDB, real HTTP, stand-ins for the neighbours.

mod access;
mod amendments;
mod audit;
mod break_glass;
mod events;
mod files;
mod grants;
mod helpers;
mod idempotency;
mod injection;
mod integrity;
mod lists;
mod outage;
mod protocol;
mod records;
mod uploads;
