//! Whose word counts.

use super::*;

fn status(registry: &Registry) -> Status {
    registry.leases().next().unwrap().status()
}

fn says(registry: &mut Registry, status: Status, dirty: i64) {
    let said = Instance {
        status,
        last_dirty: dirty,
        ..instance("a", "1")
    };
    registry.register(said, &actor("a"), at(dirty)).unwrap();
}

#[test]
fn an_override_outlives_registrations_but_not_an_admission() {
    let mut registry = registry();
    let (app, id) = key("a", "1");
    says(&mut registry, Status::Up, 1);
    registry
        .set_override((&app, &id), Status::OutOfService, &actor("admin"), at(2))
        .unwrap();
    says(&mut registry, Status::Up, 3);
    assert_eq!(status(&registry), Status::OutOfService);
    for admission in [Status::Down, Status::Starting, Status::Unknown] {
        says(&mut registry, admission, 4);
        assert_eq!(status(&registry), admission);
    }
    says(&mut registry, Status::Up, 5);
    assert_eq!(status(&registry), Status::OutOfService);
}

#[test]
fn after_an_override_the_last_own_word_counts_again() {
    let mut registry = registry();
    let (app, id) = key("a", "1");
    says(&mut registry, Status::Up, 1);
    registry
        .set_override((&app, &id), Status::OutOfService, &actor("a"), at(2))
        .unwrap();
    registry
        .end_override((&app, &id), None, &actor("a"), at(3))
        .unwrap();
    assert_eq!(
        status(&registry),
        Status::Up,
        "not UNKNOWN, from which clients do not recover"
    );
    registry
        .end_override((&app, &id), Some(Status::Down), &actor("a"), at(4))
        .unwrap();
    assert_eq!(
        status(&registry),
        Status::Down,
        "unless the caller says what it is"
    );
}

#[test]
fn changes_of_status_and_metadata_count_as_signs_of_life_and_are_told_once() {
    let mut registry = registry();
    let (app, id) = key("a", "1");
    says(&mut registry, Status::Up, 1);
    let version = registry.version();
    for second in [10, 20] {
        registry
            .set_override((&app, &id), Status::Down, &actor("a"), at(second))
            .unwrap();
    }
    assert_eq!(registry.version(), version + 1);
    assert_eq!(registry.leases().next().unwrap().renewed_at, at(20));
    let pairs = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
    for second in [21, 22] {
        registry
            .set_metadata((&app, &id), pairs.clone(), &actor("a"), at(second))
            .unwrap();
    }
    assert_eq!(registry.version(), version + 2);
    assert_eq!(deltas(&registry).last().unwrap().0, Action::Modified);
}

#[test]
fn the_time_of_first_being_up_is_kept() {
    let mut registry = registry();
    says(&mut registry, Status::Starting, 1);
    assert_eq!(registry.leases().next().unwrap().shown().up_since_ms, 0);
    says(&mut registry, Status::Up, 2);
    says(&mut registry, Status::Down, 3);
    says(&mut registry, Status::Up, 4);
    assert_eq!(registry.leases().next().unwrap().up_since, Some(at(2)));
}

#[test]
fn an_instance_is_found_by_each_of_its_virtual_names() {
    let instance = instance("a", "1");
    assert!(instance.answers_to("one", false) && instance.answers_to("TWO", false));
    assert!(!instance.answers_to("one,two", false) && !instance.answers_to("one", true));
}
