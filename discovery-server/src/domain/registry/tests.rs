mod eviction;
mod ownership;
mod replicas;
mod status;

use chrono::TimeDelta;

use super::*;
use crate::domain::actor::{Actor, Power};
use crate::domain::instance::{DataCenter, Instance, Links, Port, Terms};
use crate::domain::lease::Action;
use crate::domain::status::Status;

const CAPS: Caps = Caps {
    instances: 100,
    instances_per_app: 50,
    apps: 20,
};

const RULE: Preservation = Preservation {
    enabled: true,
    application_minimum: 5,
    registry_minimum: 20,
    share: 0.5,
    longest: TimeDelta::seconds(300),
};

fn registry() -> Registry {
    Registry::new(CAPS, RULE, 1)
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
}

fn actor(name: &str) -> Actor {
    let power = match name {
        "admin" => Power::Everything,
        "discovery-server" => Power::Replication,
        _ => Power::OwnApplication,
    };
    Actor {
        name: name.into(),
        power,
        from: None,
    }
}

/// A lease of 15 s, renewed every 5 s.
fn instance(app: &str, id: &str) -> Instance {
    Instance {
        app: AppName::parse(app).unwrap(),
        id: InstanceId::parse(id).unwrap(),
        id_given: true,
        host_name: "10.0.0.1".into(),
        ip_addr: "10.0.0.1".parse().unwrap(),
        sid: None,
        status: Status::Up,
        port: Port {
            number: 80,
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
        metadata: BTreeMap::new(),
        links: Links {
            vip_address: Some("one,two".to_owned()),
            ..Links::default()
        },
        is_coordinating: false,
        last_dirty: 100,
    }
}

fn key(app: &str, id: &str) -> (AppName, InstanceId) {
    (AppName::parse(app).unwrap(), InstanceId::parse(id).unwrap())
}

fn add(registry: &mut Registry, app: &str, id: &str, seconds: i64) {
    registry
        .register(instance(app, id), &actor(app), at(seconds))
        .unwrap();
}

fn renew(registry: &mut Registry, app: &str, id: &str, seconds: i64) -> Result<(), Refusal> {
    let (app_name, id) = key(app, id);
    registry.renew((&app_name, &id), None, &actor(app), at(seconds))
}

/// A peer tells that it has just heard of `instance`.
fn hear(
    registry: &mut Registry,
    instance: Instance,
    overridden: Option<Status>,
    seconds: i64,
) -> Result<Registered, Refusal> {
    let peer = actor("discovery-server");
    registry.take_over(instance, overridden, Told::at(at(seconds)), (&peer, at(seconds)))
}

fn ids(registry: &Registry) -> Vec<&str> {
    registry
        .leases()
        .map(|lease| lease.instance.id.as_str())
        .collect()
}

fn deltas(registry: &Registry) -> Vec<(Action, &str)> {
    registry
        .changes()
        .iter()
        .map(|shown| (shown.action, shown.instance.id.as_str()))
        .collect()
}

#[test]
fn each_visible_change_moves_the_version_and_enters_the_delta() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    assert_eq!((registry.version(), registry.size()), (2, 1));
    renew(&mut registry, "a", "1", 1).unwrap();
    assert_eq!(registry.version(), 2, "a renewal is nothing to tell");
    let again = registry.register(instance("a", "1"), &actor("a"), at(2)).unwrap();
    assert_eq!(
        (again, registry.version()),
        (Registered::Known, 2),
        "nor is the same registration"
    );
    let changed = Instance {
        last_dirty: 101,
        status: Status::Down,
        ..instance("a", "1")
    };
    assert_eq!(
        registry.register(changed, &actor("a"), at(3)).unwrap(),
        Registered::Changed
    );
    let (app, id) = key("a", "1");
    registry.cancel((&app, &id), at(4), &actor("a"), at(4)).unwrap();
    assert_eq!((registry.version(), registry.size()), (4, 0));
    assert_eq!(
        deltas(&registry),
        [
            (Action::Added, "1"),
            (Action::Modified, "1"),
            (Action::Deleted, "1")
        ]
    );
    assert!(
        registry.apps().is_empty(),
        "an application without instances is none"
    );
}

#[test]
fn the_delta_forgets_after_three_minutes() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    let before = registry.changes().revision();
    for second in 0..=180 {
        renew(&mut registry, "a", "1", second).unwrap();
        registry.sweep(at(second));
    }
    assert_eq!(
        (deltas(&registry).len(), registry.changes().revision()),
        (1, before)
    );
    registry.sweep(at(181));
    assert_eq!(deltas(&registry).len(), 0);
    assert_ne!(
        registry.changes().revision(),
        before,
        "whoever keeps a copy has to notice"
    );
}

#[test]
fn a_renewal_of_the_unknown_or_of_a_newer_self_asks_for_registration() {
    let mut registry = registry();
    assert!(matches!(renew(&mut registry, "a", "1", 0), Err(Refusal::Unknown)));
    add(&mut registry, "a", "1", 0);
    let (app, id) = key("a", "1");
    let newer = registry.renew((&app, &id), Some(101), &actor("a"), at(1));
    assert!(matches!(newer, Err(Refusal::Unknown)));
    assert!(
        registry.renew((&app, &id), Some(99), &actor("a"), at(1)).is_ok(),
        "an old clock is forgiven"
    );
    assert!(matches!(
        registry.renew((&app, &id), Some(99), &actor("discovery-server"), at(1)),
        Err(Refusal::Outdated(ours)) if ours.instance.last_dirty == 100
    ));
}

#[test]
fn a_peer_does_not_bring_back_an_older_registration_but_the_instance_itself_may() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    let older = Instance {
        last_dirty: 99,
        ..instance("a", "1")
    };
    let refused = hear(&mut registry, older.clone(), None, 1);
    assert!(matches!(refused, Err(Refusal::Outdated(_))));
    assert_eq!(
        registry.register(older, &actor("a"), at(1)).unwrap(),
        Registered::Changed
    );
}

#[test]
fn caps_hold_and_those_inside_stay_served() {
    let mut registry = Registry::new(
        Caps {
            instances: 3,
            instances_per_app: 2,
            apps: 2,
        },
        RULE,
        1,
    );
    let refusal = |registry: &mut Registry, app, id| {
        registry
            .register(instance(app, id), &actor(app), at(0))
            .unwrap_err()
            .to_string()
    };
    add(&mut registry, "a", "a1", 0);
    add(&mut registry, "a", "a2", 0);
    assert!(refusal(&mut registry, "a", "a3").contains("instances of this application"));
    add(&mut registry, "b", "b1", 0);
    assert!(refusal(&mut registry, "c", "c1").contains("applications"));
    assert!(refusal(&mut registry, "b", "b2").contains("instances"));
    assert!(renew(&mut registry, "a", "a1", 1).is_ok());
    let known = registry.register(instance("a", "a1"), &actor("a"), at(1));
    assert_eq!(known.unwrap(), Registered::Known);
}

#[test]
fn the_journal_tells_who_left_and_why() {
    let mut registry = registry();
    for id in ["left", "removed", "elsewhere", "silent"] {
        add(&mut registry, "a", id, 0);
    }
    for (id, by) in [
        ("left", "a"),
        ("removed", "admin"),
        ("elsewhere", "discovery-server"),
    ] {
        let (app, id) = key("a", id);
        registry.cancel((&app, &id), at(1), &actor(by), at(1)).unwrap();
    }
    for second in 1..=16 {
        registry.sweep(at(second));
    }
    let told: Vec<_> = registry
        .journal()
        .departures()
        .map(|entry| (entry.id.as_str(), entry.event.to_string()))
        .collect();
    assert_eq!(
        told[0],
        ("silent", "evicted: silent for 15 s, its lease is 15 s".to_owned())
    );
    assert_eq!(told[1].1, "left another server of this registry");
    assert_eq!(told[2].1, "was removed");
    assert_eq!(told[3].1, "left by itself");
    assert_eq!(registry.journal().arrivals().count(), 4);
}

#[test]
fn what_is_restored_gets_time_to_renew() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    add(&mut registry, "a", "2", 0);
    let saved: Vec<Lease> = registry.leases().cloned().collect();
    let text = serde_json::to_vec(&saved).unwrap();
    let mut after = Registry::new(CAPS, RULE, 50);
    after.restore(serde_json::from_slice(&text).unwrap(), at(1000));
    assert_eq!((ids(&after), after.version() > 50), (vec!["1", "2"], true));
    renew(&mut after, "a", "1", 1001).unwrap();
    for second in 1001..=1014 {
        after.sweep(at(second));
        renew(&mut after, "a", "1", second).unwrap();
    }
    assert_eq!(after.size(), 2, "the silent one is within its new lease");
    after.sweep(at(1015));
    assert_eq!(ids(&after), ["1"]);
}
