use chrono::TimeDelta;
use common::clients::users::QuietHours;

use crate::helpers::{App, Visit};

const REMINDED: [&str; 2] = [
    "appointment.reminder/EMAIL/DELIVERED",
    "appointment.reminder/SMS/DELIVERED",
];

/// What the patient was told besides the booking.
async fn reminders(app: &App, visit: &Visit) -> Vec<String> {
    let mut told = app.told(visit.change.patient_id).await;
    told.retain(|line| line.starts_with("appointment.reminder"));
    told
}

async fn booked(app: &App, ahead: TimeDelta) -> Visit {
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let visit = Visit::booked(app, &patient, &doctor, app.now() + ahead);
    app.hear(&visit.as_booked()).await.unwrap();
    app.send().await;
    visit
}

#[tokio::test]
async fn a_patient_is_reminded_a_day_and_two_hours_before() {
    let app = App::start().await;
    let visit = booked(&app, TimeDelta::days(3)).await;
    app.advance(TimeDelta::hours(48) - TimeDelta::seconds(1));
    app.remind().await;
    assert!(reminders(&app, &visit).await.is_empty());
    app.advance(TimeDelta::seconds(1));
    app.remind().await;
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED);
    app.advance(TimeDelta::hours(22));
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, [REMINDED, REMINDED].concat());
    app.advance(TimeDelta::hours(3));
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await.len(), 4);
    assert_eq!(
        app.told(visit.change.doctor_id).await,
        ["appointment.booked/EMAIL/DELIVERED"]
    );
    assert!(
        app.texts()[0]["body"]
            .as_str()
            .unwrap()
            .contains("Thursday, 7 January 2027 at 10:00 (Europe/Berlin)")
    );
}

#[tokio::test]
async fn a_visit_booked_shortly_before_has_only_the_reminders_still_ahead() {
    let app = App::start().await;
    let visit = booked(&app, TimeDelta::hours(3)).await;
    app.remind().await;
    assert!(reminders(&app, &visit).await.is_empty());
    app.advance(TimeDelta::hours(1));
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED);
}

#[tokio::test]
async fn a_moved_visit_is_reminded_at_its_new_time_only() {
    let app = App::start().await;
    let mut visit = booked(&app, TimeDelta::days(3)).await;
    let later = visit.change.start_at + TimeDelta::days(7);
    let moved = visit.shift(&app, later, visit.change.patient_id);
    app.hear(&moved).await.unwrap();
    app.advance(TimeDelta::days(3));
    app.remind().await;
    assert!(reminders(&app, &visit).await.is_empty());
    app.advance(TimeDelta::days(6));
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED);
    assert!(
        app.texts().last().unwrap()["body"]
            .as_str()
            .unwrap()
            .contains("14 January")
    );
}

#[tokio::test]
async fn a_move_whose_event_is_still_on_its_way_is_seen_at_the_last_moment() {
    let app = App::start().await;
    let mut visit = booked(&app, TimeDelta::days(3)).await;
    // appointment-service knows, the event has not come.
    visit.shift(
        &app,
        visit.change.start_at + TimeDelta::days(7),
        visit.change.patient_id,
    );
    app.advance(TimeDelta::days(2));
    app.remind().await;
    let skipped = REMINDED.map(|line| line.replace("DELIVERED", "SKIPPED:superseded"));
    assert_eq!(reminders(&app, &visit).await, skipped);
}

#[tokio::test]
async fn a_cancellation_one_minute_before_the_reminder_stops_it() {
    let app = App::start().await;
    let mut visit = booked(&app, TimeDelta::days(3)).await;
    app.advance(TimeDelta::hours(48) - TimeDelta::minutes(1));
    let cancelled = visit.cancel(&app, visit.change.patient_id);
    app.hear(&cancelled).await.unwrap();
    app.advance(TimeDelta::days(3));
    app.remind().await;
    assert!(reminders(&app, &visit).await.is_empty());
}

#[tokio::test]
async fn a_confirmation_between_two_reminders_repeats_none() {
    let app = App::start().await;
    let mut visit = booked(&app, TimeDelta::days(3)).await;
    app.advance(TimeDelta::days(2));
    app.remind().await;
    let confirmed = visit.confirm(&app);
    app.hear(&confirmed).await.unwrap();
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED);
}

#[tokio::test]
async fn a_visit_moved_away_and_back_keeps_its_reminders() {
    let app = App::start().await;
    let mut visit = booked(&app, TimeDelta::days(3)).await;
    let (first, patient) = (visit.change.start_at, visit.change.patient_id);
    let away = visit.shift(&app, first + TimeDelta::days(1), patient);
    let back = visit.shift(&app, first, patient);
    app.hear(&away).await.unwrap();
    app.hear(&back).await.unwrap();
    app.advance(TimeDelta::days(2));
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED);
}

#[tokio::test]
async fn after_a_long_night_only_the_nearest_reminder_is_sent() {
    let app = App::start().await;
    let visit = booked(&app, TimeDelta::days(3)).await;
    // The service was down from before the first to after the second.
    app.advance(TimeDelta::hours(71));
    app.remind().await;
    let told = reminders(&app, &visit).await;
    assert_eq!(
        told.iter().filter(|line| line.ends_with("DELIVERED")).count(),
        2,
        "{told:?}"
    );
    assert_eq!(
        told.iter()
            .filter(|line| line.ends_with("SKIPPED:too-late"))
            .count(),
        2,
        "{told:?}"
    );
}

#[tokio::test]
async fn no_reminder_when_the_visit_is_about_to_begin_or_over() {
    let app = App::start().await;
    let visit = booked(&app, TimeDelta::hours(3)).await;
    app.advance(TimeDelta::minutes(175));
    app.remind().await;
    assert_eq!(
        reminders(&app, &visit).await,
        REMINDED.map(|line| line.replace("DELIVERED", "SKIPPED:too-late"))
    );
}

#[tokio::test]
async fn while_appointment_service_is_away_a_reminder_waits() {
    let app = App::start().await;
    let visit = booked(&app, TimeDelta::hours(3)).await;
    app.advance(TimeDelta::hours(1));
    app.parts.listener.release_due().await.unwrap();
    app.peers.set_away(true);
    app.send().await;
    assert_eq!(
        reminders(&app, &visit).await,
        REMINDED.map(|line| line.replace("DELIVERED", "QUEUED"))
    );
    app.peers.set_away(false);
    common_testing::eventually("the reminder is sent", async || {
        app.advance(TimeDelta::seconds(6));
        app.send().await;
        (reminders(&app, &visit).await == REMINDED).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reminder_in_quiet_hours_comes_before_them_when_after_would_be_too_late() {
    let app = App::start().await;
    let (mut patient, doctor) = (app.peers.patient(), app.peers.doctor());
    patient.notifications.quiet_hours = Some(QuietHours {
        start: "22:00".to_owned(),
        end: "08:00".to_owned(),
    });
    app.peers.put_user(patient.clone());
    // Tomorrow 08:00 in Berlin; it is 10:00 today.
    let visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::hours(22));
    app.hear(&visit.as_booked()).await.unwrap();
    app.send().await;
    app.advance(TimeDelta::hours(12) - TimeDelta::minutes(2));
    app.remind().await;
    assert!(reminders(&app, &visit).await.is_empty(), "21:58");
    app.advance(TimeDelta::minutes(1));
    app.remind().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED, "21:59");
}

#[tokio::test]
async fn two_instances_release_a_reminder_once() {
    let app = App::start().await;
    let visit = booked(&app, TimeDelta::days(3)).await;
    app.advance(TimeDelta::days(2));
    let listener = &app.parts.listener;
    let rounds = futures_util::future::join_all((0..8).map(|_| listener.release_due())).await;
    assert!(
        rounds
            .iter()
            .any(|round| round.as_ref().is_ok_and(|released| *released > 0))
    );
    app.send().await;
    assert_eq!(reminders(&app, &visit).await, REMINDED);
}
