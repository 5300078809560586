//! The whole fleet, as outsiders meet it: real processes, real servers, everything through the gateway.
//!
//! `cargo test -p e2e --test fleet -- NAME` runs the cases whose name contains NAME.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "this is a test harness: it reports")]

mod actuator;
mod cast;
mod deny;
mod faults;
mod forged;
mod processes;
mod race;
mod revoked;
mod rogue;
mod scrapers;
mod story;

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use processes::Fleet;

type Case = for<'a> fn(&'a Fleet) -> BoxFuture<'a, ()>;

const CASES: &[(&str, Case)] = &[
    ("story::one_visit_from_registration_to_notice", |f| {
        Box::pin(story::one_visit(f))
    }),
    ("story::a_visit_moves_and_is_cancelled", |f| {
        Box::pin(story::moved_and_cancelled(f))
    }),
    ("story::an_admin_writes_to_a_user", |f| {
        Box::pin(story::admin_notice(f))
    }),
    ("story::answers_carry_the_request_id_through_all_hops", |f| {
        Box::pin(story::request_id(f))
    }),
    ("deny::nobody_comes_in_without_a_token", |f| {
        Box::pin(deny::no_token(f))
    }),
    ("deny::roles_keep_to_their_own", |f| Box::pin(deny::wrong_role(f))),
    ("deny::the_ids_of_others_do_not_exist", |f| {
        Box::pin(deny::foreign_ids(f))
    }),
    ("deny::a_pending_doctor_sees_nobody", |f| {
        Box::pin(deny::pending_doctor(f))
    }),
    ("deny::services_do_not_trust_the_gateway_alone", |f| {
        Box::pin(deny::direct(f))
    }),
    ("forged::no_attack_opens_any_port", |f| {
        Box::pin(forged::tokens(f))
    }),
    ("rogue::who_registers_a_name_signs_for_nobody", |f| {
        Box::pin(rogue::issuer(f))
    }),
    ("revoked::what_ended_is_over_at_every_door", |f| {
        Box::pin(revoked::matrix(f))
    }),
    ("deny::what_is_inside_stays_inside", |f| {
        Box::pin(deny::inner_paths(f))
    }),
    ("deny::bad_input_is_told_apart", |f| Box::pin(deny::bad_input(f))),
    ("actuator::only_operators_look_inside_and_find_something", |f| {
        Box::pin(actuator::for_operators(f))
    }),
    ("actuator::health_and_info_are_open", |f| {
        Box::pin(actuator::health_and_info(f))
    }),
    ("actuator::exchanges_name_templates", |f| {
        Box::pin(actuator::exchanges(f))
    }),
    ("scrapers::promtool_has_nothing_to_say", |f| {
        Box::pin(scrapers::promtool(f))
    }),
    ("scrapers::a_parser_from_pypi_reads_both_formats", |f| {
        Box::pin(scrapers::pypi(f))
    }),
    ("scrapers::a_parser_from_npm_reads_the_metrics", |f| {
        Box::pin(scrapers::npm(f))
    }),
    ("race::one_slot_is_booked_once", |f| Box::pin(race::one_slot(f))),
    ("faults::bookings_go_on_without_the_broker", |f| {
        Box::pin(faults::broker_away(f))
    }),
    ("faults::a_lost_database_is_503_and_comes_back", |f| {
        Box::pin(faults::database_away(f))
    }),
    ("faults::a_killed_service_is_gone_and_comes_back", |f| {
        Box::pin(faults::killed_service(f))
    }),
    ("faults::the_registry_may_be_away", |f| {
        Box::pin(faults::registry_away(f))
    }),
];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let cases: Vec<_> = CASES.iter().filter(|(name, _)| chosen(name)).collect();
    if cases.is_empty() || std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let failed = runtime.block_on(run(&cases));
    println!(
        "\nfleet: {} passed, {} failed",
        cases.len() - failed.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

async fn run(cases: &[&(&'static str, Case)]) -> Vec<&'static str> {
    let begun = Instant::now();
    let fleet = Fleet::start().await;
    println!(
        "fleet: ready after {:.1} s, logs in {}",
        begun.elapsed().as_secs_f32(),
        fleet.folder().display()
    );
    let mut failed = Vec::new();
    for (name, case) in cases {
        let begun = Instant::now();
        let result = AssertUnwindSafe(case(&fleet)).catch_unwind().await;
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!(
            "fleet: {name} ... {verdict} ({:.1} s)",
            begun.elapsed().as_secs_f32()
        );
        if result.is_err() {
            failed.push(*name);
        }
    }
    fleet.stop(failed.is_empty()).await;
    failed
}
