//! A peer that speaks Eureka and nothing more: it tells its whole registry as it tells it to clients.

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use serde_json::Value;

use crate::domain::status::Status;
use crate::wire::batch::{Action, Ages, Item};

/// Every instance in `registry`, the peer's JSON document, as if the peer had told of each. `headers` came with it.
pub(super) fn registrations(registry: &Value, headers: &HeaderMap) -> Vec<Item> {
    // Ages are told by the peer's own clock, for the two clocks need not agree.
    let clock = headers.get(header::DATE).and_then(read_date);
    let apps = list(&registry["applications"]["application"]);
    apps.iter()
        .flat_map(|app| list(&app["instance"]))
        .filter_map(|instance| registration(instance, clock))
        .collect()
}

fn registration(instance: &Value, clock: Option<DateTime<Utc>>) -> Option<Item> {
    let text = |name: &str| instance[name].as_str().map(str::to_owned);
    let id = text("instanceId").or_else(|| text("hostName"))?;
    let overridden = text("overriddenstatus").filter(|status| status != Status::Unknown.as_str());
    let mut own = instance.clone();
    if overridden.is_some() && overridden == text("status") {
        // The peer tells only what counts. An operator's word counts above no other word of the instance than this.
        own["status"] = Status::Up.as_str().into();
    }
    Some(Item {
        app_name: text("app")?,
        id,
        last_dirty_timestamp: integer(&instance["lastDirtyTimestamp"]),
        status: text("status"),
        overridden_status: overridden,
        ages: Ages {
            heard_ms: age(&instance["leaseInfo"]["lastRenewalTimestamp"], clock),
            changed_ms: age(&instance["lastUpdatedTimestamp"], clock),
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

/// Some writers give numbers as text.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn age(at_ms: &Value, clock: Option<DateTime<Utc>>) -> Option<i64> {
    let at = integer(at_ms).filter(|at| *at > 0)?;
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
