//! The whole service from outside: real MongoDB, real HTTP, stand-ins for the neighbours.

mod helpers;
mod records;
