//! A property file after reading: one or more documents, each a flat list of properties.

use serde_json::Value;

use super::profile_expression::ProfileExpression;
use super::{properties_file, yaml_file};

/// One value of a file and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// The flat key: `mysql.url`, `routes[0].path`.
    pub key: String,
    /// A scalar; lists and maps are spread over several properties.
    pub value: Value,
    /// Line and column of the value, from 1.
    pub position: (u64, u64),
}

/// The part of a file that is active or not as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// All of it, in the order of the file.
    pub properties: Vec<Property>,
    /// When it counts; `None`: always. An empty list: never.
    pub active_on: Option<Vec<ProfileExpression>>,
}

/// The formats that hold properties, weakest first: of two files that differ in the ending only, `.properties` wins.
pub const FORMATS: [&str; 3] = ["yaml", "yml", "properties"];

const ON_PROFILE: &str = "spring.config.activate.on-profile";
const ON_CLOUD_PLATFORM: &str = "spring.config.activate.on-cloud-platform";

/// Read a file of one of the [`FORMATS`].
pub fn parse(format: &str, text: &str) -> Result<Vec<Document>, String> {
    let documents = if format == "properties" {
        properties_file::parse(text)?
    } else {
        yaml_file::parse(text)?
    };
    documents.into_iter().map(Document::new).collect()
}

impl Document {
    fn new(properties: Vec<Property>) -> Result<Self, String> {
        if properties.iter().any(|p| stem(&p.key) == "spring.profiles") {
            // Since Boot 2.4 this key means nothing, and the document would be active everywhere.
            return Err(format!(
                "'spring.profiles' is no longer known; write '{ON_PROFILE}'"
            ));
        }
        let mut active_on = None;
        for property in &properties {
            let condition = match stem(&property.key) {
                ON_PROFILE => text(&property.value)
                    .split(',')
                    .map(ProfileExpression::parse)
                    .collect::<Result<Vec<_>, _>>()?,
                ON_CLOUD_PLATFORM => Vec::new(),
                _ => continue,
            };
            active_on.get_or_insert_with(Vec::new).extend(condition);
        }
        if properties.iter().any(|p| stem(&p.key) == ON_CLOUD_PLATFORM) {
            // We run on none, so such a document never counts.
            active_on = Some(Vec::new());
        }
        Ok(Self {
            properties,
            active_on,
        })
    }

    /// Does the document count while `profiles` are active?
    pub fn is_active(&self, profiles: &[String]) -> bool {
        self.active_on
            .as_ref()
            .is_none_or(|any| any.iter().any(|expression| expression.matches(profiles)))
    }
}

/// The key without a list index at its end.
fn stem(key: &str) -> &str {
    key.split('[').next().unwrap_or(key)
}

/// A scalar as text, the way it stands in a `.properties` file.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(yaml: &str, profiles: &[&str]) -> Vec<bool> {
        let profiles: Vec<String> = profiles.iter().map(|&p| p.to_owned()).collect();
        parse("yml", yaml)
            .unwrap()
            .iter()
            .map(|document| document.is_active(&profiles))
            .collect()
    }

    #[test]
    fn a_document_counts_on_its_profiles() {
        let file = "a: 1\n---\nspring.config.activate.on-profile: dev | test\na: 2\n---\nspring:\n  config:\n    activate:\n      on-profile: [prod, '!dev']\n";
        assert_eq!(active(file, &["default"]), [true, false, true]);
        assert_eq!(active(file, &["dev"]), [true, true, false]);
        assert_eq!(active(file, &["dev", "prod"]), [true, true, true]);
    }

    #[test]
    fn a_document_for_a_cloud_platform_never_counts() {
        let file = "spring.config.activate:\n  on-cloud-platform: kubernetes\n  on-profile: dev\n";
        assert_eq!(active(file, &["dev"]), [false]);
    }

    #[test]
    fn the_old_key_is_refused_rather_than_ignored() {
        assert!(parse("yml", "spring.profiles: prod\na: 1").is_err());
        assert!(parse("yml", "spring.profiles: [prod]\na: 1").is_err());
        assert!(parse("yml", "spring.profiles.group.x: prod\n").is_ok());
        assert!(parse("yml", "spring.config.activate.on-profile: 'a & | b'").is_err());
    }
}
