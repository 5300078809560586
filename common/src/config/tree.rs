//! Trees of settings: merged key by key, flattened to dotted keys.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Map, Value};

/// One source of settings.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Where the values come from.
    pub name: String,
    /// The values, nested.
    pub values: Value,
}

impl Layer {
    /// A layer of `values`.
    pub fn new(name: &str, values: Value) -> Self {
        Self {
            name: name.to_owned(),
            values,
        }
    }

    /// A layer read from YAML. An empty document holds nothing.
    pub fn yaml(name: &str, text: &str) -> anyhow::Result<Self> {
        let values: Option<Value> =
            serde_saphyr::from_str(text).with_context(|| format!("{name} are not YAML"))?;
        Ok(Self::new(
            name,
            values.unwrap_or_else(|| Value::Object(Map::new())),
        ))
    }
}

/// `above` over `below`: objects are merged, everything else is replaced.
pub(super) fn merge(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, value) in above {
                let merged = match below.remove(&key) {
                    Some(under) => merge(under, value),
                    None => value,
                };
                below.insert(key, merged);
            }
            Value::Object(below)
        }
        (_, above) => above,
    }
}

/// Every leaf with its dotted key; lists of scalars are leaves.
pub fn flatten(values: &Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    collect("", values, &mut leaves);
    leaves
}

fn collect(key: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    let Value::Object(members) = value else {
        leaves.insert(key.to_owned(), value.clone());
        return;
    };
    for (name, member) in members {
        let path = if key.is_empty() {
            name.clone()
        } else {
            format!("{key}.{name}")
        };
        collect(&path, member, leaves);
    }
}

/// Put `value` at the dotted `key`.
pub(super) fn insert(values: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let member = values
                .entry(head.to_owned())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(members) = member {
                insert(members, rest, value);
            }
        }
    }
}

/// The dotted keys whose effective value differs.
pub(super) fn difference(before: &[Layer], after: &[Layer]) -> Vec<String> {
    let effective = |layers: &[Layer]| {
        flatten(
            &layers
                .iter()
                .fold(Value::Null, |below, l| merge(below, l.values.clone())),
        )
    };
    let (before, after) = (effective(before), effective(after));
    let keys = before
        .keys()
        .chain(after.keys())
        .collect::<std::collections::BTreeSet<_>>();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stronger_layer_wins_key_by_key() {
        let merged = merge(
            json!({"a": {"x": 1, "y": 2}, "b": [1, 2]}),
            json!({"a": {"y": 3}, "b": [9]}),
        );
        assert_eq!(merged, json!({"a": {"x": 1, "y": 3}, "b": [9]}));
    }

    #[test]
    fn flat_and_nested_are_the_same() {
        let nested = json!({"a": {"b": {"c": 1}}, "d": null});
        let mut rebuilt = Map::new();
        for (key, value) in flatten(&nested) {
            insert(&mut rebuilt, &key, value);
        }
        assert_eq!(Value::Object(rebuilt), nested);
    }
}
