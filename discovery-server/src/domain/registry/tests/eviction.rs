//! Who is dropped, and who is kept though silent: D9.

use super::*;

/// Sweep every second of `seconds`; the instances in `alive` renew each time.
fn pass(registry: &mut Registry, seconds: std::ops::RangeInclusive<i64>, alive: &[(&str, &str)]) {
    for second in seconds {
        for (app, id) in alive {
            renew(registry, app, id, second).unwrap();
        }
        registry.sweep(at(second));
    }
}

fn fill(registry: &mut Registry, app: &str, count: u32) {
    for number in 0..count {
        // Renewals of a fleet are spread over the interval.
        add(registry, app, &format!("{app}-{number}"), i64::from(number % 5));
    }
}

#[test]
fn a_lease_ends_after_its_own_duration_and_not_twice_that() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    pass(&mut registry, 0..=5, &[("a", "1")]);
    pass(&mut registry, 6..=19, &[]);
    assert_eq!(registry.size(), 1);
    let gone = registry.sweep(at(20));
    assert_eq!(
        gone[0].event,
        Event::Evicted {
            silent_s: 15,
            lease_s: 15,
            was_preserved: false
        }
    );
    assert_eq!(registry.size(), 0);
    assert_eq!(deltas(&registry).last().unwrap(), &(Action::Deleted, "1"));
}

#[test]
fn a_small_fleet_loses_its_dead_however_many() {
    let mut registry = registry();
    for app in ["a", "b", "c", "d", "e", "f", "g"] {
        add(&mut registry, app, app, 0);
    }
    pass(&mut registry, 0..=15, &[("a", "a"), ("b", "b")]);
    assert_eq!(ids(&registry), ["a", "b"]);
}

#[test]
fn one_dead_instance_of_many_is_dropped() {
    let mut registry = registry();
    fill(&mut registry, "a", 10);
    let alive: Vec<String> = (1..10).map(|number| format!("a-{number}")).collect();
    let alive: Vec<(&str, &str)> = alive.iter().map(|id| ("a", id.as_str())).collect();
    pass(&mut registry, 5..=15, &alive);
    assert_eq!(registry.size(), 9);
}

#[test]
fn an_application_that_falls_silent_at_once_is_kept_for_a_while_and_then_let_go() {
    let mut registry = registry();
    fill(&mut registry, "a", 10);
    add(&mut registry, "b", "b-0", 0);
    pass(&mut registry, 5..=100, &[("a", "a-0")]);
    assert_eq!(
        registry.size(),
        10,
        "nine of ten are kept, the lonely one of the other application is not"
    );
    assert_eq!(
        registry.preserving().map(AppName::as_str).collect::<Vec<_>>(),
        ["A"]
    );
    pass(&mut registry, 101..=319, &[("a", "a-0")]);
    assert_eq!(
        ids(&registry),
        ["a-0"],
        "dead for longer than any network is broken"
    );
    let last = registry.journal().departures().next().unwrap();
    assert!(matches!(
        last.event,
        Event::Evicted {
            was_preserved: true,
            ..
        }
    ));
}

#[test]
fn a_kept_application_recovers_by_itself() {
    let mut registry = registry();
    fill(&mut registry, "a", 10);
    pass(&mut registry, 5..=60, &[("a", "a-0")]);
    let all: Vec<String> = (0..10).map(|number| format!("a-{number}")).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|id| ("a", id.as_str())).collect();
    pass(&mut registry, 61..=61, &all);
    assert_eq!((registry.size(), registry.preserving().count()), (10, 0));
    pass(&mut registry, 62..=80, &all[..9]);
    assert_eq!(registry.size(), 9, "a single dead one is dropped again");
}

#[test]
fn a_large_registry_is_kept_when_it_falls_silent_as_a_whole() {
    let mut registry = registry();
    let apps: Vec<String> = (0..20).map(|number| format!("app-{number}")).collect();
    for app in &apps {
        add(&mut registry, app, app, 0);
    }
    pass(&mut registry, 1..=60, &[("app-0", "app-0")]);
    assert_eq!(registry.size(), 20);
}

#[test]
fn the_rule_can_be_switched_off() {
    let mut registry = Registry::new(
        CAPS,
        Preservation {
            enabled: false,
            ..RULE
        },
        1,
    );
    fill(&mut registry, "a", 10);
    pass(&mut registry, 5..=20, &[("a", "a-0")]);
    assert_eq!(registry.size(), 1);
}

#[test]
fn a_process_that_was_stopped_blames_nobody_but_itself() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    pass(&mut registry, 0..=10, &[("a", "1")]);
    assert!(
        registry.sweep(at(1000)).is_empty(),
        "nobody could renew while this process did not run"
    );
    pass(&mut registry, 1001..=1014, &[]);
    assert_eq!(registry.size(), 1);
    registry.sweep(at(1015));
    assert_eq!(registry.size(), 0, "but the time after that counts");
}

#[test]
fn a_clock_set_back_gives_nobody_eternal_life() {
    let mut registry = registry();
    add(&mut registry, "a", "1", 0);
    pass(&mut registry, 0..=1, &[]);
    pass(&mut registry, -5000..=-4986, &[]);
    assert_eq!(registry.size(), 0);
}
