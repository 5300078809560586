//! Whoever can register `medical-record-service` receives patients' records: D1 and D2.

use super::*;

fn is_refused<T>(result: &Result<T, Refusal>) -> bool {
    matches!(result, Err(Refusal::NotYours))
}

#[test]
fn a_credential_registers_no_application_but_its_own() {
    let mut registry = registry();
    assert!(is_refused(&registry.register(
        instance("USER-SERVICE", "1"),
        &actor("notification-service"),
        at(0)
    )));
    assert!(is_refused(&registry.register(
        instance("user", "1"),
        &actor("user-service"),
        at(0)
    )));
    assert_eq!(registry.size(), 0);
    assert!(
        registry
            .register(instance("User-Service", "1"), &actor("user-service"), at(0))
            .is_ok()
    );
    assert!(
        registry
            .register(instance("anything", "1"), &actor("admin"), at(0))
            .is_ok()
    );
}

#[test]
fn nothing_can_be_done_to_what_another_credential_made() {
    let mut registry = registry();
    registry
        .register(instance("user-service", "1"), &actor("admin"), at(0))
        .unwrap();
    let before = registry.leases().next().unwrap().clone();
    let (app, id) = key("user-service", "1");
    for name in ["user-service", "notification-service"] {
        let other = actor(name);
        let changed = Instance {
            ip_addr: "10.6.6.6".parse().unwrap(),
            ..instance("user-service", "1")
        };
        assert!(
            is_refused(&registry.register(changed, &other, at(1))),
            "overwritten by {name}"
        );
        assert!(
            is_refused(&registry.renew((&app, &id), None, &other, at(1))),
            "renewed by {name}"
        );
        assert!(
            is_refused(&registry.cancel((&app, &id), at(1), &other, at(1))),
            "cancelled by {name}"
        );
        assert!(
            is_refused(&registry.set_override((&app, &id), Status::Down, &other, at(1))),
            "downed by {name}"
        );
        assert!(
            is_refused(&registry.end_override((&app, &id), None, &other, at(1))),
            "upped by {name}"
        );
        assert!(
            is_refused(&registry.set_metadata((&app, &id), BTreeMap::new(), &other, at(1))),
            "changed by {name}"
        );
    }
    assert_eq!(registry.leases().next().unwrap(), &before);
}

#[test]
fn an_id_that_is_anothers_cannot_be_taken_in_ones_own_application() {
    let mut registry = registry();
    add(&mut registry, "user-service", "shared", 0);
    assert!(is_refused(&registry.register(
        instance("notification-service", "shared"),
        &actor("notification-service"),
        at(0)
    )));
    let by_host = Instance {
        id_given: false,
        ..instance("notification-service", "shared")
    };
    assert!(
        registry
            .register(by_host, &actor("notification-service"), at(0))
            .is_ok(),
        "two on one host"
    );
    assert!(
        registry
            .register(instance("other", "shared"), &actor("admin"), at(0))
            .is_ok()
    );
}

#[test]
fn a_stranger_does_not_learn_whether_an_instance_exists() {
    let mut registry = registry();
    let (app, id) = key("user-service", "none");
    assert!(is_refused(&registry.renew(
        (&app, &id),
        None,
        &actor("notification-service"),
        at(0)
    )));
    assert!(is_refused(&registry.cancel(
        (&app, &id),
        at(0),
        &actor("notification-service"),
        at(0)
    )));
}

#[test]
fn what_a_peer_brings_belongs_to_the_application_it_is_of() {
    let mut registry = registry();
    hear(&mut registry, instance("user-service", "1"), None, 0).unwrap();
    assert!(renew(&mut registry, "user-service", "1", 1).is_ok());
    let (app, id) = key("user-service", "1");
    assert!(is_refused(&registry.cancel(
        (&app, &id),
        at(1),
        &actor("notification-service"),
        at(1)
    )));
    assert!(
        registry
            .cancel((&app, &id), at(1), &actor("admin"), at(1))
            .is_ok()
    );
}
