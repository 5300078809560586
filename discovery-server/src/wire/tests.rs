use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::domain::instance::{DataCenter, Instance, Links, Port, Terms};
use crate::domain::lease::Action;
use crate::domain::names::InstanceId;
use crate::domain::status::{Status, hash_of};

fn shown(id: &str, id_given: bool, metadata: BTreeMap<String, String>) -> Shown {
    let instance = Instance {
        app: AppName::parse("user-service").unwrap(),
        id: InstanceId::parse(id).unwrap(),
        id_given,
        host_name: "10.0.0.1".into(),
        ip_addr: "10.0.0.1".parse().unwrap(),
        sid: None,
        status: Status::Up,
        port: Port {
            number: 8081,
            enabled: true,
        },
        secure_port: Port {
            number: 443,
            enabled: false,
        },
        country_id: 1,
        data_center: DataCenter::MyOwn,
        terms: Terms {
            renewal_interval_s: 5,
            duration_s: 15,
        },
        metadata,
        links: Links {
            vip_address: Some("user-service".to_owned()),
            ..Links::default()
        },
        is_coordinating: false,
        last_dirty: 7,
    };
    Shown {
        instance: Arc::new(instance),
        status: Status::OutOfService,
        override_status: Some(Status::OutOfService),
        registered_ms: 1,
        renewed_ms: 2,
        up_since_ms: 3,
        evicted_ms: 0,
        updated_ms: 4,
        action: Action::Modified,
    }
}

fn list(instances: Vec<Shown>) -> Applications {
    let hash = hash_of(instances.iter().map(|shown| shown.status));
    Applications {
        version: 1,
        hash,
        apps: vec![(AppName::parse("user-service").unwrap(), instances)],
    }
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

#[test]
fn json_has_the_fields_order_and_types_that_readers_know() {
    let written = text(applications(
        Format::Json,
        Detail::Full,
        &list(vec![shown("a", true, BTreeMap::new())]),
    ));
    assert_eq!(
        written,
        concat!(
            r#"{"applications":{"versions__delta":"1","apps__hashcode":"OUT_OF_SERVICE_1_","application":[{"#,
            r#""name":"USER-SERVICE","instance":[{"instanceId":"a","hostName":"10.0.0.1","app":"USER-SERVICE","#,
            r#""ipAddr":"10.0.0.1","status":"OUT_OF_SERVICE","overriddenstatus":"OUT_OF_SERVICE","#,
            r#""port":{"$":8081,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"countryId":1,"#,
            r#""dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"#,
            r#""leaseInfo":{"renewalIntervalInSecs":5,"durationInSecs":15,"registrationTimestamp":1,"#,
            r#""lastRenewalTimestamp":2,"evictionTimestamp":0,"serviceUpTimestamp":3},"#,
            r#""metadata":{"@class":"java.util.Collections$EmptyMap"},"vipAddress":"user-service","#,
            r#""isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"4","lastDirtyTimestamp":"7","#,
            r#""actionType":"MODIFIED"}]}]}}"#
        )
    );
}

#[test]
fn the_compact_form_leaves_out_what_callers_do_not_need() {
    let metadata = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
    let list = list(vec![shown("a", true, metadata)]);
    for format in [Format::Json, Format::Xml] {
        let written = text(applications(format, Detail::Compact, &list));
        for left_out in [
            "overriddenstatus",
            "countryId",
            "isCoord",
            "lastDirty",
            "leaseInfo",
            "metadata",
            "zone",
        ] {
            assert!(!written.contains(left_out), "{left_out} in {written}");
        }
        for kept in [
            "instanceId",
            "hostName",
            "ipAddr",
            "8081",
            "vipAddress",
            "actionType",
            "dataCenterInfo",
        ] {
            assert!(written.contains(kept), "{kept} not in {written}");
        }
    }
}

#[test]
fn an_id_that_the_registrant_did_not_choose_is_not_shown() {
    let shown = shown("10.0.0.1", false, BTreeMap::new());
    assert!(!text(instance(Format::Json, Detail::Full, &shown)).contains("instanceId"));
    assert!(!text(instance(Format::Xml, Detail::Full, &shown)).contains("instanceId"));
}

#[test]
fn xml_says_the_same_as_json() {
    let metadata = BTreeMap::from([
        ("a_b$c 1".to_owned(), "<&\"'>]]>".to_owned()),
        ("zone".to_owned(), String::new()),
    ]);
    let shown = shown("a", true, metadata.clone());
    let written = text(instance(Format::Xml, Detail::Full, &shown));
    assert!(written.contains("<port enabled=\"true\">8081</port>"));
    assert!(
        written.contains("<dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\">")
    );
    let from_xml = read_instance(Format::Xml, written.as_bytes()).unwrap();
    let from_json = read_instance(Format::Json, &instance(Format::Json, Detail::Full, &shown)).unwrap();
    assert_eq!(format!("{from_xml:?}"), format!("{from_json:?}"));
    assert_eq!(from_xml.metadata, metadata);
    assert_eq!(
        from_xml.port,
        Some(Port {
            number: 8081,
            enabled: true
        })
    );
}

#[test]
fn an_empty_map_is_written_for_java_and_read_as_empty() {
    let shown = shown("a", true, BTreeMap::new());
    let written = text(instance(Format::Xml, Detail::Full, &shown));
    assert!(written.contains("<metadata class=\"java.util.Collections$EmptyMap\"/>"));
    assert!(
        read_instance(Format::Xml, written.as_bytes())
            .unwrap()
            .metadata
            .is_empty()
    );
    let read = read_instance(Format::Json, &instance(Format::Json, Detail::Full, &shown)).unwrap();
    assert!(read.metadata.is_empty());
}

#[test]
fn json_is_read_with_the_leniency_that_its_writers_need() {
    let closed = Some(Port {
        number: 1,
        enabled: false,
    });
    let open = Some(Port {
        number: 1,
        enabled: true,
    });
    for (port, expected) in [
        (json!(1), open),
        (json!("1"), open),
        (json!({"$": "1", "@enabled": true}), open),
        (json!({"$": 1, "@enabled": "false"}), closed),
        (json!({"$": 1}), open),
        (json!(null), None),
    ] {
        let document = json!({"instance": {"port": port}}).to_string();
        assert_eq!(
            read_instance(Format::Json, document.as_bytes()).unwrap().port,
            expected,
            "{document}"
        );
    }
    let odd = json!({"overriddenStatus": "DOWN", "lastDirtyTimestamp": 5, "sid": null, "leaseInfo": {
        "evictionDurationInSecs": "90"}, "metadata": {"n": 1, "b": true, "@class": "x", "none": null}});
    let read = read_instance(Format::Json, odd.to_string().as_bytes()).unwrap();
    assert_eq!(
        (read.overridden.as_deref(), read.last_dirty, read.duration_s),
        (Some("DOWN"), Some(5), Some(90))
    );
    assert_eq!(read.metadata.len(), 2);
}

#[test]
fn what_is_no_registration_is_refused() {
    for bad in [
        "",
        "{",
        "[]",
        "1",
        "null",
        r#"{"instance":[]}"#,
        r#"{"port":{"$":70000}}"#,
        r#"{"port":"x"}"#,
        r#"{"app":["x"]}"#,
        r#"{"metadata":{"a":{"b":1}}}"#,
        r#"{"countryId":1.5}"#,
        r#"{"metadata":[1]}"#,
    ] {
        assert!(read_instance(Format::Json, bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        "",
        "x",
        "<instance>",
        "<instance></other>",
        "<a/><b/>",
        "<instance/>x",
        "<instance><app>a</app><app>b</app></instance>",
        "<instance><port>x</port></instance>",
        "<instance><app>&unknown;</app></instance>",
        "<?evil x?><instance/>",
        "\u{0}",
    ] {
        assert!(read_instance(Format::Xml, bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(read_instance(Format::Xml, b"<instance><app>\xff</app></instance>").is_err());
}

#[test]
fn attacks_by_xml_end_quickly_and_fetch_nothing() {
    let many = |write: fn(usize) -> String, count| (1..count).map(write).collect::<Vec<_>>().concat();
    let laughs = many(|n| format!("<!ENTITY l{n} \"&l{0};&l{0};\">", n - 1), 40);
    let siblings = many(|n| format!("<x{n}/>"), 10_000);
    // As many as a body has room for.
    let attributes = many(|n| format!("a{n}=\"1\" "), 5_000);
    let attacks = [
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><instance><app>&e;</app></instance>"
            .to_owned(),
        "<!DOCTYPE x SYSTEM \"http://127.0.0.1:1/evil.dtd\"><instance/>".to_owned(),
        format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]><instance><app>&l39;</app></instance>"),
        "<a>".repeat(10_000),
        format!("<instance>{siblings}</instance>"),
        format!("<instance {attributes}/>"),
    ];
    for attack in &attacks {
        let mut quickest = Duration::MAX;
        // The quickest of ten: another program may have had the processor.
        for _ in 0..10 {
            let begun = Instant::now();
            let refused = read_instance(Format::Xml, attack.as_bytes());
            quickest = quickest.min(begun.elapsed());
            assert!(
                refused.is_err() || refused.unwrap().app.is_none(),
                "{}",
                &attack[..60]
            );
        }
        assert!(
            quickest < Duration::from_millis(10),
            "{}: {quickest:?}",
            &attack[..60]
        );
    }
}

#[test]
fn the_long_poll_tells_the_whole_registry_with_its_version() {
    let listed = applications(Format::Json, Detail::Full, &list(Vec::new()));
    let written: Value = serde_json::from_slice(&json::changes(9, "life", &listed)).unwrap();
    assert_eq!(
        (written["version"].as_u64(), written["epoch"].as_str()),
        (Some(9), Some("life"))
    );
    assert_eq!(written["applications"]["versions__delta"], "1");
}

#[test]
fn ages_become_instants_and_no_age_makes_old_news_look_young() {
    let now = chrono::DateTime::from_timestamp(1_000_000, 0).unwrap();
    let heard = |heard_ms| {
        let ages = batch::Ages {
            heard_ms,
            ..batch::Ages::default()
        };
        ages.before(now).heard_at
    };
    assert_eq!(
        (heard(None), heard(Some(-5))),
        (now, now),
        "nothing is told from the future"
    );
    assert_eq!(
        heard(Some(1500)).timestamp_millis(),
        now.timestamp_millis() - 1500
    );
    assert!(heard(Some(i64::MAX)) < heard(Some(1_000_000_000)));
}
