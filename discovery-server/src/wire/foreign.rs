//! A peer that speaks Eureka and nothing more: it tells its whole registry as it tells it to clients.

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use serde_json::Value;

use super::batch::{Action, Ages, Item};
use super::fields::{Fields, Unreadable};
use crate::domain::status::Status;

/// Every instance in `registry`, the peer's JSON document, as if the peer had told of each; what cannot be read is
/// left out. `headers` came with it.
pub fn registrations(registry: &Value, headers: &HeaderMap) -> Vec<Item> {
    // Ages are told by the peer's own clock, for the two clocks need not agree.
    let clock = headers.get(header::DATE).and_then(read_date);
    let apps = list(&registry["applications"]["application"]);
    apps.iter()
        .flat_map(|app| list(&app["instance"]))
        .filter_map(|instance| registration(instance, clock).ok())
        .collect()
}

fn registration(instance: &Value, clock: Option<DateTime<Utc>>) -> Result<Item, Unreadable> {
    let fields = Fields(instance.as_object().ok_or(Unreadable)?);
    let status = fields.text("status")?;
    let overridden = fields
        .text("overriddenstatus")?
        .filter(|status| status != Status::Unknown.as_str());
    let mut own = instance.clone();
    if overridden.is_some() && overridden == status {
        // The peer tells only what counts. An operator's word counts above no other word of the instance than this.
        own["status"] = Status::Up.as_str().into();
    }
    let heard = match fields.object("leaseInfo")? {
        Some(lease) => lease.integer("lastRenewalTimestamp")?,
        None => None,
    };
    let id = fields.text("instanceId")?.or(fields.text("hostName")?);
    Ok(Item {
        app_name: fields.text("app")?.ok_or(Unreadable)?,
        id: id.ok_or(Unreadable)?,
        last_dirty_timestamp: fields.integer("lastDirtyTimestamp")?,
        status,
        overridden_status: overridden,
        ages: Ages {
            heard_ms: age(heard, clock),
            changed_ms: age(fields.integer("lastUpdatedTimestamp")?, clock),
            overridden_ms: None,
        },
        instance_info: Some(own),
        action: Action::Register,
    })
}

/// Some writers give a list of one as its only member.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(members) => members,
        Value::Null => &[],
        single => std::slice::from_ref(single),
    }
}

fn age(at_ms: Option<i64>, clock: Option<DateTime<Utc>>) -> Option<i64> {
    let at = at_ms.filter(|at| *at > 0)?;
    Some(clock?.timestamp_millis().saturating_sub(at).max(0))
}

fn read_date(value: &http::HeaderValue) -> Option<DateTime<Utc>> {
    let date = DateTime::parse_from_rfc2822(value.to_str().ok()?).ok()?;
    Some(date.to_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Half a minute past the second in which everything below happened.
    fn headers() -> HeaderMap {
        let date = http::HeaderValue::from_static("Tue, 14 Nov 2023 22:13:50 GMT");
        HeaderMap::from_iter([(header::DATE, date)])
    }

    fn instance(status: &str, overridden: &str) -> Value {
        json!({
            "instanceId": "host:users:8081", "app": "USERS", "hostName": "host", "ipAddr": "10.0.0.1",
            "status": status, "overriddenstatus": overridden, "lastDirtyTimestamp": "1700000000000",
            "lastUpdatedTimestamp": "1700000000000", "leaseInfo": {"lastRenewalTimestamp": 1_700_000_020_000_i64},
        })
    }

    fn read(instances: &Value) -> Vec<Item> {
        let apps = json!({"applications": {"application": {"name": "USERS", "instance": instances}}});
        registrations(&apps, &headers())
    }

    #[test]
    fn a_list_of_one_may_be_its_only_member_and_numbers_may_be_text() {
        let up = instance("UP", "UNKNOWN");
        for instances in [up.clone(), json!([up])] {
            let [item] = <[Item; 1]>::try_from(read(&instances)).unwrap();
            assert_eq!(
                (item.app_name.as_str(), item.id.as_str()),
                ("USERS", "host:users:8081")
            );
            assert_eq!(item.last_dirty_timestamp, Some(1_700_000_000_000));
            assert_eq!(item.overridden_status, None);
            assert_eq!(
                (item.ages.heard_ms, item.ages.changed_ms),
                (Some(10_000), Some(30_000))
            );
        }
        assert!(registrations(&json!({"applications": {"application": []}}), &headers()).is_empty());
        assert!(registrations(&json!([]), &headers()).is_empty());
    }

    #[test]
    fn what_an_operator_says_is_not_taken_for_the_instances_own_word() {
        let own = |status, overridden| {
            let item = read(&instance(status, overridden)).remove(0);
            let word = item.instance_info.unwrap()["status"].as_str().unwrap().to_owned();
            (word, item.overridden_status)
        };
        let out = Some("OUT_OF_SERVICE".to_owned());
        assert_eq!(
            own("OUT_OF_SERVICE", "OUT_OF_SERVICE"),
            ("UP".to_owned(), out.clone())
        );
        assert_eq!(own("DOWN", "OUT_OF_SERVICE"), ("DOWN".to_owned(), out));
        assert_eq!(
            own("OUT_OF_SERVICE", "UNKNOWN"),
            ("OUT_OF_SERVICE".to_owned(), None)
        );
    }

    #[test]
    fn without_the_peers_clock_the_news_is_fresh() {
        let apps = json!({"applications": {"application": [{"instance": [instance("UP", "UNKNOWN")]}]}});
        let item = registrations(&apps, &HeaderMap::new()).remove(0);
        assert_eq!(item.ages.heard_ms, None);
    }
}
