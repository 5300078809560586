use chrono::TimeDelta;
use common::clients::users::{ChannelChoice, QuietHours, UserCard};

use crate::helpers::{App, Visit};

fn choose(user: &mut UserCard, category: &str, email: Option<bool>, sms: Option<bool>) {
    user.notifications
        .categories
        .insert(category.to_owned(), ChannelChoice { email, sms });
}

#[tokio::test]
async fn a_user_chooses_by_category_and_channel() {
    let app = App::start().await;
    let (mut patient, mut doctor) = (app.peers.patient(), app.peers.doctor());
    choose(&mut patient, "APPOINTMENT", Some(false), Some(true));
    choose(&mut doctor, "APPOINTMENT", None, Some(false));
    app.peers.put_user(patient.clone());
    app.peers.put_user(doctor.clone());
    let mut visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    app.hear(&visit.as_booked()).await.unwrap();
    let cancelled = visit.cancel(&app, patient.id);
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    let told = app.told(patient.id).await;
    assert_eq!(
        told[..2],
        [
            "appointment.booked/EMAIL/SKIPPED:preference",
            "appointment.booked/SMS/DELIVERED"
        ]
    );
    assert_eq!(
        app.told(doctor.id).await,
        [
            "appointment.booked/EMAIL/DELIVERED",
            "appointment.cancelled/EMAIL/DELIVERED",
            "appointment.cancelled/SMS/SKIPPED:preference"
        ]
    );
}

#[tokio::test]
async fn a_change_of_mind_counts_until_the_last_moment() {
    let app = App::start().await;
    let (mut patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    app.hear(&visit.as_booked()).await.unwrap();
    choose(&mut patient, "APPOINTMENT", Some(false), None);
    app.peers.put_user(patient.clone());
    app.send().await;
    assert_eq!(
        app.told(patient.id).await,
        ["appointment.booked/EMAIL/SKIPPED:preference"]
    );
}

#[tokio::test]
async fn who_has_no_phone_gets_no_sms_and_the_mail_all_the_same() {
    let app = App::start().await;
    let (mut patient, doctor) = (app.peers.patient(), app.peers.doctor());
    patient.phone = None;
    app.peers.put_user(patient.clone());
    let mut visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    let cancelled = visit.cancel(&app, doctor.id);
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    assert_eq!(
        app.told(patient.id).await,
        ["appointment.cancelled/EMAIL/DELIVERED"]
    );
}

#[tokio::test]
async fn quiet_hours_hold_sms_back_until_they_end_but_not_urgent_news() {
    let app = App::start().await;
    let (mut patient, doctor) = (app.peers.patient(), app.peers.doctor());
    // It is 10:00 in Berlin.
    patient.notifications.quiet_hours = Some(QuietHours {
        start: "09:00".to_owned(),
        end: "11:00".to_owned(),
    });
    app.peers.put_user(patient.clone());
    let mut far = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::hours(30));
    let cancelled = far.cancel(&app, doctor.id);
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    let waiting = [
        "appointment.cancelled/EMAIL/DELIVERED",
        "appointment.cancelled/SMS/QUEUED",
    ];
    assert_eq!(app.told(patient.id).await, waiting);
    app.advance(TimeDelta::minutes(59));
    app.send().await;
    assert_eq!(app.told(patient.id).await, waiting);

    let mut near = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::hours(3));
    let cancelled = near.cancel(&app, doctor.id);
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    assert_eq!(
        app.texts().len(),
        1,
        "a cancellation three hours ahead does not wait"
    );

    app.advance(TimeDelta::minutes(1));
    app.send().await;
    assert_eq!(app.texts().len(), 2);
}

#[tokio::test]
async fn numbers_that_may_not_be_written_to_are_skipped() {
    let app = App::with("sms: {allowed_prefixes: ['+49']}").await;
    for (phone, skipped) in [
        ("+881612345678", true),
        ("+19005550100", true),
        ("+15005550006", true),
        ("+4915112345678", false),
    ] {
        let mut user = app.peers.patient();
        user.phone = Some(phone.to_owned());
        app.peers.put_user(user.clone());
        app.notify(user.id, "SMS", "x").await;
        app.send().await;
        let expected = if skipped {
            "message/SMS/SKIPPED:number-not-allowed"
        } else {
            "message/SMS/DELIVERED"
        };
        assert_eq!(app.told(user.id).await, [expected], "{phone}");
    }
}

#[tokio::test]
async fn sms_are_bounded_by_person_and_in_all() {
    let app = App::with("sms: {daily_limit_per_user: 2, daily_limit: 3}").await;
    let (one, other) = (app.peers.patient(), app.peers.patient());
    for user in [&one, &one, &one, &other, &other] {
        app.notify(user.id, "SMS", "x").await;
        app.send().await;
    }
    let (sent, over) = ("message/SMS/DELIVERED", "message/SMS/SKIPPED:limit-reached");
    assert_eq!(app.told(one.id).await, [sent, sent, over]);
    assert_eq!(app.told(other.id).await, [sent, over]);
    app.advance(TimeDelta::hours(25));
    app.notify(one.id, "SMS", "x").await;
    app.send().await;
    assert_eq!(app.told(one.id).await.last().unwrap(), sent);
}

#[tokio::test]
async fn a_suspended_account_hears_of_its_security_only() {
    let app = App::start().await;
    let mut user = app.peers.patient();
    user.status = "SUSPENDED".to_owned();
    app.peers.put_user(user.clone());
    app.notify(user.id, "EMAIL", "x").await;
    let end = common::events::SessionEnd {
        user_id: user.id,
        session_id: None,
        ended_at: app.now(),
        reason: "PASSWORD_CHANGED".to_owned(),
    };
    app.hear(&common::events::Payload::SessionEnded(end))
        .await
        .unwrap();
    app.send().await;
    let expected = [
        "message/EMAIL/SKIPPED:account-suspended",
        "user.password_changed/EMAIL/DELIVERED",
    ];
    assert_eq!(app.told(user.id).await, expected);
}
