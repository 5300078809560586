//! The service from outside: its endpoints, its events, and what reaches people.

#![expect(clippy::unwrap_used, reason = "panicking is how a test fails")]

mod access;
mod bus;
mod crashes;
mod events;
mod fakes;
mod files;
mod helpers;
mod listing;
mod notify;
mod preferences;
mod refresh;
mod reminders;
mod sendgrid;
mod smtp;
mod tokens;
mod twilio;
mod webhooks;
