//! Finding the fields of an instance, with the leniency that its several writers need. What the values are worth
//! is for [`Draft::check`] to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::draft::{Draft, DraftDataCenter};
use crate::domain::instance::{Links, Port};

/// The body is no registration at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse request body")]
pub struct Unreadable;

/// The registration that `document` is.
pub(super) fn draft(document: &Value) -> Result<Draft, Unreadable> {
    let fields = Fields(document.as_object().ok_or(Unreadable)?);
    let lease = fields.object("leaseInfo")?;
    Ok(Draft {
        instance_id: fields.text("instanceId")?,
        app: fields.text("app")?,
        host_name: fields.text("hostName")?,
        ip_addr: fields.text("ipAddr")?,
        sid: fields.text("sid")?,
        status: fields.text("status")?,
        overridden: fields
            .text("overriddenstatus")?
            .or(fields.text("overriddenStatus")?),
        port: fields.port("port", true)?,
        secure_port: fields.port("securePort", false)?,
        country_id: fields.integer("countryId")?,
        data_center: match fields.object("dataCenterInfo")? {
            Some(center) => Some(DraftDataCenter {
                name: center.text("name")?,
                metadata: center.pairs("metadata")?,
            }),
            None => None,
        },
        renewal_interval_s: lease
            .as_ref()
            .map_or(Ok(None), |lease| lease.integer("renewalIntervalInSecs"))?,
        duration_s: match &lease {
            Some(lease) => lease
                .integer("durationInSecs")?
                .or(lease.integer("evictionDurationInSecs")?),
            None => None,
        },
        metadata: fields.pairs("metadata")?,
        links: links(&fields)?,
        is_coordinating: fields.boolean("isCoordinatingDiscoveryServer")?.unwrap_or(false),
        last_dirty: fields.integer("lastDirtyTimestamp")?,
    })
}

fn links(fields: &Fields<'_>) -> Result<Links, Unreadable> {
    Ok(Links {
        app_group_name: fields.text("appGroupName")?,
        home_page_url: fields.text("homePageUrl")?,
        status_page_url: fields.text("statusPageUrl")?,
        health_check_url: fields.text("healthCheckUrl")?,
        secure_health_check_url: fields.text("secureHealthCheckUrl")?,
        vip_address: fields.text("vipAddress")?,
        secure_vip_address: fields.text("secureVipAddress")?,
        asg_name: fields.text("asgName")?,
    })
}

/// The members of an object. `null`, an absent member and an empty element are the same.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Unreadable> {
        self.get(name).map(scalar).transpose()
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Unreadable> {
        let text = self.text(name)?.filter(|text| !text.trim().is_empty());
        text.map(|text| text.trim().parse().map_err(|_| Unreadable))
            .transpose()
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, Unreadable> {
        self.text(name)?.map(|text| boolean(&text)).transpose()
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Unreadable> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Fields(members))),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(_) => Err(Unreadable),
        }
    }

    /// `8080`, `"8080"` or `{"$": 8080, "@enabled": "true"}`.
    fn port(&self, name: &str, enabled: bool) -> Result<Option<Port>, Unreadable> {
        let number = |value: &Value| scalar(value)?.trim().parse().map_err(|_| Unreadable);
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                let members = Fields(members);
                let number = members.get("$").map_or(Err(Unreadable), number)?;
                let enabled = members
                    .boolean("@enabled")?
                    .or(members.boolean("enabled")?)
                    .unwrap_or(enabled);
                Ok(Some(Port { number, enabled }))
            }
            Some(value) => Ok(Some(Port {
                number: number(value)?,
                enabled,
            })),
        }
    }

    /// A map of texts. What stands there for Java's sake is no entry.
    fn pairs(&self, name: &str) -> Result<BTreeMap<String, String>, Unreadable> {
        let Some(members) = self.object(name)? else {
            return Ok(BTreeMap::new());
        };
        let entries = members
            .0
            .iter()
            .filter(|(key, value)| !key.starts_with('@') && !value.is_null());
        entries
            .map(|(key, value)| Ok((key.clone(), scalar(value)?)))
            .collect()
    }
}

fn boolean(text: &str) -> Result<bool, Unreadable> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        _ => Err(Unreadable),
    }
}

fn scalar(value: &Value) -> Result<String, Unreadable> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        // An XML leaf that carries an attribute nobody asked for.
        Value::Object(members) => members
            .get("$")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or(Unreadable),
        Value::Array(_) | Value::Null => Err(Unreadable),
    }
}
