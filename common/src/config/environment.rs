//! The environment as a layer. The defaults say which keys exist, so each variable means exactly one of them.

use serde_json::{Map, Value};

use super::tree::{self, Layer};

/// What the environment says about the keys that stand in `defaults`.
pub(super) fn layer(service: &str, defaults: &[Layer]) -> Layer {
    #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Layer::new("environment", Value::Object(overrides(service, defaults, read)))
}

fn overrides(service: &str, defaults: &[Layer], read: impl Fn(&str) -> Option<String>) -> Map<String, Value> {
    let known = defaults.iter().fold(Value::Null, |below, layer| {
        tree::merge(below, layer.values.clone())
    });
    let mut values = Map::new();
    for (key, default) in tree::flatten(&known) {
        let own_port = (key == "server.port")
            .then(|| read(&format!("{}_PORT", variable(service))))
            .flatten();
        if let Some(text) = own_port.or_else(|| read(&variable(&key))) {
            tree::insert(&mut values, &key, typed(&default, text));
        }
    }
    values
}

/// `auth.jwks_url` and `user-service` become `AUTH_JWKS_URL` and `USER_SERVICE`.
fn variable(key: &str) -> String {
    key.replace(['.', '-'], "_").to_ascii_uppercase()
}

/// The default's type decides, so that a password of digits stays text. What does not fit is passed on as
/// text, for the typed settings to refuse by name.
pub(super) fn typed(default: &Value, text: String) -> Value {
    match default {
        Value::Bool(_) => text.parse().map_or(Value::String(text), Value::Bool),
        Value::Number(_) => serde_json::from_str(&text)
            .ok()
            .filter(Value::is_number)
            .unwrap_or(Value::String(text)),
        Value::Array(items) => {
            let like = items.first().unwrap_or(&Value::Null);
            let texts = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            texts.map(|item| typed(like, item.to_owned())).collect()
        }
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_follow_from_the_keys_and_types_from_the_defaults() {
        let defaults = [Layer::new(
            "d",
            json!({"server": {"port": 1}, "a": {"list": ["x"], "minutes": [1], "pin": null, "on": false}}),
        )];
        let set = |name: &str| match name {
            "USER_SERVICE_PORT" => Some("0".to_owned()),
            "A_LIST" => Some("p, q".to_owned()),
            "A_MINUTES" => Some("60,30".to_owned()),
            "A_PIN" => Some("0123".to_owned()),
            "A_ON" => Some("true".to_owned()),
            "B" => Some("unknown".to_owned()),
            _ => None,
        };
        let values = Value::Object(overrides("user-service", &defaults, set));
        assert_eq!(
            values,
            json!({"server": {"port": 0}, "a": {"list": ["p", "q"], "minutes": [60, 30], "pin": "0123", "on": true}})
        );
    }
}
