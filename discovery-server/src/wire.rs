//! Eureka's two formats, read and written.

pub mod batch;
mod fields;
pub mod foreign;
pub mod json;
mod view;
pub mod xml;
mod xml_names;
mod xml_reader;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::domain::draft::Draft;
use crate::domain::lease::Shown;
use crate::domain::names::AppName;

pub use fields::Unreadable;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Asked for by any `Accept` that mentions it.
    Json,
    /// Everything else.
    Xml,
}

/// How much of each instance is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All.
    Full,
    /// What a caller needs to reach it.
    Compact,
}

/// Several applications with what makes them comparable.
#[derive(Clone, Debug)]
pub struct Applications {
    /// Number of this state; some readers hold it in 16 bits.
    pub version: i16,
    /// Counts by status over the whole registry.
    pub hash: String,
    /// In order.
    pub apps: Vec<(AppName, Vec<Shown>)>,
}

impl Format {
    /// The media type of an answer.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

/// Read the body of a registration.
pub fn read_instance(format: Format, body: &[u8]) -> Result<Draft, Unreadable> {
    let document: Value = match format {
        Format::Json => serde_json::from_slice(body).map_err(|_| Unreadable)?,
        Format::Xml => xml_reader::read(body)?,
    };
    fields::draft(document.get("instance").unwrap_or(&document))
}

/// Write several applications.
pub fn applications(format: Format, detail: Detail, list: &Applications) -> Vec<u8> {
    match format {
        Format::Json => json::applications(list, detail),
        Format::Xml => xml::applications(list, detail),
    }
}

/// Write one application.
pub fn application(format: Format, detail: Detail, name: &AppName, instances: &[Shown]) -> Vec<u8> {
    match format {
        Format::Json => json::application(name, instances, detail),
        Format::Xml => xml::application(name, instances, detail),
    }
}

/// Write one instance.
pub fn instance(format: Format, detail: Detail, shown: &Shown) -> Vec<u8> {
    match format {
        Format::Json => json::instance(shown, detail),
        Format::Xml => xml::instance(shown, detail),
    }
}
