//! What providers tell us. Nothing is believed before its signature has been checked over the bytes as they came.

pub mod sendgrid;
pub mod signature;
pub mod twilio;
