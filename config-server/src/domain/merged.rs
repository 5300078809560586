//! All property sources of an answer as one document, in the formats that people read.

use common::config::flat;
use serde_json::{Map, Value};

use super::document::text;
use super::environment::PropertySource;
use super::placeholder::{self, Expansion};

/// How the merged view is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Nested JSON.
    Json,
    /// Nested YAML.
    Yaml,
    /// `key: value` lines.
    Properties,
}

/// The file name of a merged view, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct ViewName<'a> {
    /// Before the last hyphen.
    pub application: &'a str,
    /// Behind it; therefore none of the profiles can have a hyphen.
    pub profiles: &'a str,
    /// The ending.
    pub format: Format,
}

impl<'a> ViewName<'a> {
    /// `None` if it is not the name of a merged view.
    pub fn parse(file: &'a str) -> Option<Self> {
        let (stem, ending) = file.rsplit_once('.')?;
        let format = match ending {
            "json" => Format::Json,
            "yml" | "yaml" => Format::Yaml,
            "properties" => Format::Properties,
            _ => return None,
        };
        let (application, profiles) = stem.rsplit_once('-')?;
        Some(Self {
            application,
            profiles,
            format,
        })
    }
}

/// All sources as one flat map, the strongest value of each key.
pub fn flat(sources: &[PropertySource]) -> Map<String, Value> {
    let maps: Vec<Map<String, Value>> = sources.iter().map(PropertySource::flat).collect();
    flat::merge(maps.iter())
}

/// Write the merged view.
pub fn render(flat: &Map<String, Value>, format: Format, resolve: bool) -> Result<String, Expansion> {
    if format == Format::Properties {
        let lines: Vec<String> = flat
            .iter()
            .map(|(key, value)| format!("{key}: {}", text(value)))
            .collect();
        let lines = lines.join("\n");
        return if resolve {
            placeholder::resolve(&lines, flat)
        } else {
            Ok(lines)
        };
    }
    let mut view = flat::nest(flat.clone());
    if resolve {
        view = placeholder::resolve_value(view, flat)?;
    }
    if format == Format::Json {
        return Ok(view.to_string());
    }
    let view = match view {
        Value::Object(mut members) if members.len() == 1 && members.contains_key("document") => {
            members.remove("document").unwrap_or_default()
        }
        other => other,
    };
    // A JSON value has nothing that YAML cannot write.
    Ok(serde_saphyr::to_string(&view).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(value: &Value, format: Format) -> String {
        render(value.as_object().unwrap(), format, true).unwrap()
    }

    #[test]
    fn the_last_hyphen_splits() {
        let name = ViewName::parse("user-service-dev.json").unwrap();
        assert_eq!(
            (name.application, name.profiles, name.format),
            ("user-service", "dev", Format::Json)
        );
        assert_eq!(ViewName::parse("a-b,c.yml").unwrap().profiles, "b,c");
        for other in ["user-service-dev", "a.json", "a-b.txt", ".yml"] {
            assert_eq!(ViewName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_three_formats() {
        let flat = json!({"a.b": 1, "l[0]": "x", "l[1]": "${a.b}", "t": "yes"});
        assert_eq!(
            view(&flat, Format::Json),
            r#"{"t":"yes","a":{"b":1},"l":["x","1"]}"#
        );
        assert_eq!(
            view(&flat, Format::Properties),
            "a.b: 1\nl[0]: x\nl[1]: 1\nt: yes"
        );
        let yaml: Value = serde_saphyr::from_str(&view(&flat, Format::Yaml)).unwrap();
        assert_eq!(yaml, json!({"a": {"b": 1}, "l": ["x", "1"], "t": "yes"}));
        assert_eq!(view(&json!({"document[0]": "x"}), Format::Yaml), "- x\n");
    }

    #[test]
    fn placeholders_stay_on_demand() {
        let flat = json!({"a": "${b}", "b": 1}).as_object().unwrap().clone();
        assert_eq!(
            render(&flat, Format::Json, false).unwrap(),
            r#"{"a":"${b}","b":1}"#
        );
    }
}
