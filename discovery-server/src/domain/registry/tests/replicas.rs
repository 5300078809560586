//! Two servers that were apart tell each other old news.

use super::*;

/// What a peer that was last in step at `seconds` still believes.
fn told(seconds: i64) -> Told {
    Told::at(at(seconds))
}

fn tell(
    registry: &mut Registry,
    instance: Instance,
    overridden: Option<Status>,
    told: Told,
    seconds: i64,
) -> Result<Registered, Refusal> {
    let peer = actor("discovery-server");
    registry.take_over(instance, overridden, told, (&peer, at(seconds)))
}

fn cancel(registry: &mut Registry, left: i64, seconds: i64) -> Result<(), Refusal> {
    let (app, id) = key("a", "1");
    registry.cancel((&app, &id), at(left), &actor("discovery-server"), at(seconds))
}

#[test]
fn who_left_is_not_brought_back_by_a_peer_that_was_away_but_may_return() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    cancel(&mut registry, 5, 5).unwrap();
    assert_eq!(registry.departed().count(), 1);
    let stale = tell(&mut registry, instance("a", "1"), None, told(4), 6);
    assert!(matches!(stale, Err(Refusal::Unknown)));
    assert!(tell(&mut registry, instance("a", "1"), None, told(6), 7).is_ok());
    assert_eq!((ids(&registry), registry.departed().count()), (vec!["1"], 0));
}

#[test]
fn a_departure_is_remembered_as_long_as_somebody_may_believe_in_the_lease() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    cancel(&mut registry, 1, 1).unwrap();
    // 15 s of lease, and 300 s for which it may be preserved.
    registry.sweep(at(315));
    assert_eq!(registry.departed().count(), 1);
    registry.sweep(at(316));
    assert_eq!(registry.departed().count(), 0);
}

#[test]
fn a_departure_told_late_does_not_remove_who_was_heard_of_since() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    renew(&mut registry, "a", "1", 8).unwrap();
    assert!(matches!(cancel(&mut registry, 7, 9), Err(Refusal::Outdated(ours)) if ours.renewed_at == at(8)));
    assert_eq!(ids(&registry), ["1"]);
    cancel(&mut registry, 8, 9).unwrap();
    assert_eq!(registry.size(), 0);
}

#[test]
fn what_a_peer_heard_renews_a_lease_only_as_far_as_it_heard_it() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    for second in 1..15 {
        tell(&mut registry, instance("a", "1"), None, told(0), second).unwrap();
    }
    registry.sweep(at(15));
    assert_eq!(
        registry.size(),
        0,
        "telling of a dead instance keeps nobody alive"
    );
    let dead = tell(&mut registry, instance("a", "1"), None, told(0), 16);
    assert!(matches!(dead, Err(Refusal::Unknown)));
    tell(&mut registry, instance("a", "1"), None, told(10), 16).unwrap();
    tell(&mut registry, instance("a", "1"), None, told(12), 17).unwrap();
    assert_eq!(registry.leases().next().unwrap().renewed_at, at(12));
}

#[test]
fn the_newer_description_and_the_newer_word_of_an_operator_stay() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    let (app, id) = key("a", "1");
    let admin = actor("admin");
    let metadata = BTreeMap::from([("zone".to_owned(), "b".to_owned())]);
    registry
        .set_metadata((&app, &id), metadata.clone(), &admin, at(5))
        .unwrap();
    registry
        .set_override((&app, &id), Status::OutOfService, &admin, at(6))
        .unwrap();
    let old = Told {
        overridden_at: Some(at(3)),
        ..told(4)
    };
    let known = tell(&mut registry, instance("a", "1"), Some(Status::Down), old, 8);
    assert_eq!(known.unwrap(), Registered::Known);
    let silent_of_operators = tell(&mut registry, instance("a", "1"), None, told(4), 8);
    assert_eq!(silent_of_operators.unwrap(), Registered::Known);
    let lease = registry.lease(&app, &id).unwrap();
    assert_eq!(
        (&lease.instance.metadata, lease.override_status),
        (&metadata, Some(Status::OutOfService))
    );
    let taken_back = Told {
        overridden_at: Some(at(7)),
        ..told(7)
    };
    let changed = tell(&mut registry, instance("a", "1"), None, taken_back, 9);
    assert_eq!(changed.unwrap(), Registered::Changed);
    let lease = registry.lease(&app, &id).unwrap();
    assert_eq!((lease.status(), lease.instance.metadata.len()), (Status::Up, 0));
}

#[test]
fn what_is_restored_is_not_told_as_if_it_had_been_heard_of() {
    let mut before = registry();
    add(&mut before, "a", "1", 0);
    let mut after = Registry::new(CAPS, RULE, 50);
    after.restore(before.leases().cloned().collect(), at(100));
    let lease = after.leases().next().unwrap();
    assert_eq!((lease.renewed_at, lease.ends_at()), (at(0), at(115)));
}
