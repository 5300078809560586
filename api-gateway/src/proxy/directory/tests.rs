use std::collections::HashMap;

use common::discovery::Discovery;

use super::*;

fn view(ports: &[u16]) -> Arc<View> {
    let addresses: Vec<SocketAddr> = ports
        .iter()
        .map(|port| SocketAddr::from(([127, 0, 0, 1], *port)))
        .collect();
    Discovery::fixed(HashMap::from([("user-service".to_owned(), addresses)])).view()
}

fn directory(ports: &[u16]) -> (Directory, Arc<Service>) {
    let directory = Directory::default();
    let service = directory.service("user-service");
    directory.update(&view(ports));
    (directory, service)
}

fn choose(service: &Service, failed: Option<u64>) -> Result<Ticket, Nobody> {
    service.choose(
        &Dice::new(1),
        Wish {
            max_in_flight: 2,
            not: failed,
            repeatable: true,
        },
    )
}

#[test]
fn nobody_registered_is_said_so() {
    let (directory, service) = directory(&[]);
    assert_eq!(choose(&service, None).err(), Some(Nobody::Known));
    assert_eq!(directory.missing(), ["user-service"]);
}

#[test]
fn requests_spread_and_stop_at_the_cap() {
    let (_, service) = directory(&[1, 2]);
    let tickets: Vec<_> = (0..4)
        .map(|_| choose(&service, None).expect("a free one"))
        .collect();
    let on_first = tickets
        .iter()
        .filter(|ticket| ticket.instance.address.port() == 1)
        .count();
    assert_eq!(on_first, 2);
    assert_eq!(choose(&service, None).err(), Some(Nobody::Free));
    drop(tickets);
    assert!(choose(&service, None).is_ok());
}

#[test]
fn another_instance_than_the_failed_one_is_preferred_but_not_demanded() {
    let (_, service) = directory(&[1, 2]);
    let failed = choose(&service, None).expect("one").instance.serial;
    for _ in 0..20 {
        assert_ne!(
            choose(&service, Some(failed)).expect("the other").instance.serial,
            failed
        );
    }
    let (_, single) = directory(&[1]);
    let failed = choose(&single, None).expect("the only one").instance.serial;
    assert!(choose(&single, Some(failed)).is_ok());
}

#[test]
fn an_instance_where_nobody_listens_is_left_alone_at_once() {
    let (directory, service) = directory(&[1]);
    choose(&service, None)
        .expect("not yet known to be gone")
        .tell(Outcome::Gone);
    assert_eq!(choose(&service, None).err(), Some(Nobody::Answering));
    assert_eq!(directory.missing().len(), 1);
}

#[test]
fn the_only_instance_is_asked_even_if_it_answers_with_errors() {
    let (_, service) = directory(&[1]);
    for _ in 0..50 {
        choose(&service, None)
            .expect("better than nothing")
            .tell(Outcome::Faulty);
    }
}

#[test]
fn experience_is_kept_across_updates_and_forgotten_with_the_instance() {
    let (directory, service) = directory(&[1, 2]);
    let first = Arc::clone(&choose(&service, None).expect("one").instance);
    directory.update(&view(&[1, 2]));
    assert!(
        service
            .instances
            .load()
            .iter()
            .any(|instance| Arc::ptr_eq(instance, &first))
    );
    directory.update(&view(&[3]));
    assert_eq!(
        choose(&service, None)
            .expect("the new one")
            .instance
            .address
            .port(),
        3
    );
}
