//! Values and rules: no I/O, no clock, nothing async.

pub mod audit;
pub mod availability;
pub mod email;
pub mod password;
pub mod phone;
pub mod preferences;
pub mod refresh;
pub mod reset;
pub mod second_factor;
pub mod secrets;
pub mod signing_key;
pub mod text;
pub mod throttle;
pub mod user;
pub mod zone;
