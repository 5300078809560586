use super::*;

fn rules() -> Rules {
    let addresses = AddressPolicy {
        allowed: vec!["10.0.0.0/8".parse().unwrap()],
        loopback: false,
        is_own: |_| false,
        domains: Vec::new(),
        refused_ports: vec![3306],
    };
    Rules {
        addresses,
        metadata_entries: 3,
        metadata_bytes: 64,
    }
}

fn draft() -> Draft {
    Draft {
        app: Some("user-service".to_owned()),
        host_name: Some("10.0.0.1".to_owned()),
        ip_addr: Some("10.0.0.1".to_owned()),
        data_center: Some(DraftDataCenter {
            name: Some("MyOwn".to_owned()),
            metadata: BTreeMap::new(),
        }),
        ..Draft::default()
    }
}

fn check(draft: Draft) -> Result<Instance, Invalid> {
    draft.check(&AppName::parse("USER-SERVICE").unwrap(), &rules(), 1_000)
}

fn refusal(change: impl FnOnce(&mut Draft)) -> String {
    let mut changed = draft();
    change(&mut changed);
    check(changed).unwrap_err().to_string()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_refusals_that_clients_know_have_their_words() {
    assert_eq!(refusal(|d| d.host_name = None), "Missing hostname");
    assert_eq!(
        refusal(|d| d.host_name = Some(" ".to_owned())),
        "Missing hostname"
    );
    assert_eq!(refusal(|d| d.ip_addr = None), "Missing ip address");
    assert_eq!(refusal(|d| d.app = None), "Missing appName");
    assert_eq!(
        refusal(|d| d.app = Some("other".to_owned())),
        "Mismatched appName, expecting USER-SERVICE but was OTHER"
    );
    assert_eq!(refusal(|d| d.data_center = None), "Missing dataCenterInfo");
    assert_eq!(
        refusal(|d| d.data_center = Some(DraftDataCenter::default())),
        "Missing dataCenterInfo Name"
    );
}

#[test]
fn no_field_can_carry_what_breaks_a_reader() {
    let control = || Some("a\u{8}b".to_owned());
    assert!(refusal(|d| d.instance_id = Some("<script>".to_owned())).starts_with("instanceId"));
    assert!(refusal(|d| d.sid = control()).starts_with("sid"));
    assert!(refusal(|d| d.links.vip_address = control()).starts_with("vipAddress"));
    assert!(refusal(|d| d.links.secure_vip_address = Some("x".repeat(300))).starts_with("secureVipAddress"));
    assert!(refusal(|d| d.links.app_group_name = Some("a\u{202e}b".to_owned())).starts_with("appGroupName"));
    assert!(refusal(|d| d.links.asg_name = Some("\u{ffff}".to_owned())).starts_with("asgName"));
    assert!(refusal(|d| d.links.home_page_url = Some("javascript:x".to_owned())).starts_with("homePageUrl"));
    assert!(
        refusal(|d| d.links.status_page_url = Some("http://8.8.8.8/".to_owned())).starts_with("statusPage")
    );
    assert!(refusal(|d| d.links.health_check_url = Some("/x".to_owned())).starts_with("healthCheckUrl"));
    assert!(
        refusal(|d| d.links.secure_health_check_url = Some("x".repeat(2000))).starts_with("secureHealth")
    );
    assert!(refusal(|d| d.country_id = Some(-1)).starts_with("countryId"));
    assert!(refusal(|d| d.ip_addr = Some("8.8.8.8".to_owned())).starts_with("ipAddr"));
    assert!(refusal(|d| d.host_name = Some("evil.example".to_owned())).starts_with("hostName"));
    assert!(
        refusal(|d| d.port = Some(Port {
            number: 3306,
            enabled: true
        }))
        .starts_with("port")
    );
    assert!(
        refusal(|d| d.secure_port = Some(Port {
            number: 3306,
            enabled: true
        }))
        .starts_with("securePort")
    );
    let odd = DraftDataCenter {
        name: Some("Azure".to_owned()),
        metadata: BTreeMap::new(),
    };
    assert_eq!(
        refusal(|d| d.data_center = Some(odd)),
        "dataCenterInfo name must be MyOwn, Netflix or Amazon"
    );
}

#[test]
fn metadata_is_bounded_and_clean() {
    for bad in [
        pairs(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]),
        pairs(&[("a", &"x".repeat(64))]),
        pairs(&[("", "x")]),
        pairs(&[("a b", "x")]),
        pairs(&[("<a>", "x")]),
        pairs(&[("@class", "x")]),
        pairs(&[("a", "x\u{0}")]),
    ] {
        assert!(
            refusal(|d| d.metadata = bad.clone()).starts_with("metadata"),
            "{bad:?}"
        );
        let center = DraftDataCenter {
            name: Some("Amazon".to_owned()),
            metadata: bad,
        };
        assert!(refusal(|d| d.data_center = Some(center)).starts_with("metadata"));
    }
    let good = pairs(&[("management.port", "8081"), ("zone", "österreich <1>")]);
    assert_eq!(
        check(Draft {
            metadata: good.clone(),
            ..draft()
        })
        .unwrap()
        .metadata,
        good
    );
}

#[test]
fn lease_terms_must_make_sense() {
    for bad in [0, -1, 86_401, i64::MAX] {
        assert_eq!(
            refusal(|d| d.duration_s = Some(bad)),
            "durationInSecs is out of range"
        );
        assert_eq!(
            refusal(|d| d.renewal_interval_s = Some(bad)),
            "renewalIntervalInSecs is out of range"
        );
    }
    let terms = check(draft()).unwrap().terms;
    assert_eq!(
        terms,
        Terms {
            renewal_interval_s: 30,
            duration_s: 90
        }
    );
}

#[test]
fn what_is_not_said_gets_the_usual_value() {
    let instance = check(draft()).unwrap();
    assert_eq!(
        (instance.status, instance.last_dirty, instance.country_id),
        (Status::Up, 1_000, 1)
    );
    assert_eq!(
        (instance.port, instance.secure_port),
        (DEFAULT_PORT, DEFAULT_SECURE_PORT)
    );
    assert_eq!(
        check(Draft {
            status: Some("odd".to_owned()),
            ..draft()
        })
        .unwrap()
        .status,
        Status::Unknown
    );
}

#[test]
fn an_instance_without_an_id_is_known_by_its_cloud_id_or_its_host() {
    let by_host = check(draft()).unwrap();
    assert_eq!((by_host.id.as_str(), by_host.id_given), ("10.0.0.1", false));
    let by_metadata = check(Draft {
        metadata: pairs(&[("instanceId", "7")]),
        ..draft()
    })
    .unwrap();
    assert_eq!(
        (by_metadata.id.as_str(), by_metadata.id_given),
        ("10.0.0.1:7", true)
    );
    let facts = DraftDataCenter {
        name: Some("Amazon".to_owned()),
        metadata: pairs(&[("instance-id", "i-1")]),
    };
    let by_cloud = check(Draft {
        data_center: Some(facts),
        ..draft()
    })
    .unwrap();
    assert_eq!(by_cloud.id.as_str(), "i-1");
}

#[test]
fn data_centres_that_some_readers_choke_on_are_renamed() {
    for name in ["Netflix", "Amazon"] {
        let center = DraftDataCenter {
            name: Some(name.to_owned()),
            metadata: BTreeMap::new(),
        };
        let instance = check(Draft {
            data_center: Some(center),
            ..draft()
        })
        .unwrap();
        assert_eq!(instance.data_center, DataCenter::MyOwn);
    }
}
