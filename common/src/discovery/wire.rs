//! The registry's JSON, read with the leniency that its several writers need.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::instance::{Instance, Status};

/// The answer to a fetch or a long poll. `version` and `epoch` are there only when the registry can push.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) version: u64,
    #[serde(default)]
    pub(super) epoch: Option<String>,
    applications: Applications,
}

#[derive(Debug, Deserialize)]
struct Applications {
    #[serde(default, deserialize_with = "one_or_many")]
    application: Vec<Application>,
}

#[derive(Debug, Deserialize)]
struct Application {
    #[serde(default, deserialize_with = "one_or_many")]
    instance: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    app: String,
    #[serde(default)]
    instance_id: Option<String>,
    #[serde(default)]
    host_name: Option<String>,
    ip_addr: String,
    status: Status,
    #[serde(default)]
    port: Option<Port>,
    #[serde(default)]
    secure_port: Option<Port>,
    #[serde(default)]
    last_dirty_timestamp: Value,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Port {
    #[serde(rename = "$")]
    number: Value,
    #[serde(rename = "@enabled", default)]
    enabled: Value,
}

impl Answer {
    /// Every instance that can be reached by an IP address.
    pub(super) fn instances(self) -> Vec<Arc<Instance>> {
        let entries = self
            .applications
            .application
            .into_iter()
            .flat_map(|app| app.instance);
        entries.filter_map(Entry::instance).map(Arc::new).collect()
    }
}

impl Entry {
    fn instance(self) -> Option<Instance> {
        let ip: IpAddr = self.ip_addr.parse().ok()?;
        let open = |port: &Option<Port>| port.as_ref().and_then(Port::open);
        let (port, secure) = match (open(&self.port), open(&self.secure_port)) {
            (Some(port), _) => (port, false),
            (None, Some(port)) => (port, true),
            (None, None) => return None,
        };
        Some(Instance {
            app: self.app.to_ascii_uppercase(),
            id: self.instance_id.or(self.host_name)?,
            address: SocketAddr::new(ip, port),
            secure,
            status: self.status,
            generation: integer(&self.last_dirty_timestamp).unwrap_or_default(),
            metadata: self
                .metadata
                .into_iter()
                .filter_map(|(key, value)| Some((key, text(value)?)))
                .collect(),
        })
    }
}

impl Port {
    fn open(&self) -> Option<u16> {
        let enabled = matches!(&self.enabled, Value::Bool(true)) || self.enabled.as_str() == Some("true");
        let number = integer(&self.number).and_then(|n| u16::try_from(n).ok())?;
        (enabled && number > 0).then_some(number)
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn one_or_many<'de, D, T>(reader: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match Option::<Shape<T>>::deserialize(reader)? {
        None => Vec::new(),
        Some(Shape::Many(items)) => items,
        Some(Shape::One(item)) => vec![item],
    })
}
