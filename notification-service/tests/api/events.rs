use chrono::TimeDelta;
use common::auth::Role;
use common::broker::Failure;
use common::clients::users::ResetToken;
use common::events::{AccountChange, Event, GlassBroken, PasswordReset, Payload, RecordChange, SessionEnd};
use common::ids::{RecordId, UserId};
use uuid::Uuid;

use crate::helpers::{App, Visit};

#[tokio::test]
async fn both_sides_hear_of_each_change_of_a_visit_once() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let mut visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    let start = visit.change.start_at;
    let story = [
        visit.as_booked(),
        visit.confirm(&app),
        visit.shift(&app, start + TimeDelta::days(1), patient.id),
        visit.cancel(&app, doctor.id),
    ];
    for payload in &story {
        // The broker delivers more than once, and so may the publisher.
        let event = app.event(payload);
        for _ in 0..3 {
            app.parts.listener.handle(event.clone()).await.unwrap();
        }
        app.hear(payload).await.unwrap();
        app.send().await;
    }
    let mails = ["booked", "confirmed", "rescheduled", "cancelled"]
        .map(|what| format!("appointment.{what}/EMAIL/DELIVERED"));
    let mut for_patient = mails.to_vec();
    for_patient.push("appointment.cancelled/SMS/DELIVERED".to_owned());
    let mut for_doctor = mails.to_vec();
    for_doctor.insert(3, "appointment.rescheduled/SMS/DELIVERED".to_owned());
    assert_eq!(app.told(patient.id).await, for_patient);
    assert_eq!(app.told(doctor.id).await, for_doctor);
    assert_eq!((app.mails().len(), app.texts().len()), (8, 2));
}

#[tokio::test]
async fn what_comes_late_does_not_raise_a_cancelled_visit() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let mut visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    let booked = visit.as_booked();
    let moved = visit.shift(&app, app.now() + TimeDelta::days(5), patient.id);
    let cancelled = visit.cancel(&app, patient.id);
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    for late in [&moved, &booked] {
        app.hear(late).await.unwrap();
        app.send().await;
    }
    let told = app.told(patient.id).await;
    assert_eq!(
        told,
        [
            "appointment.cancelled/EMAIL/DELIVERED",
            "appointment.rescheduled/EMAIL/SKIPPED:superseded",
            "appointment.booked/EMAIL/SKIPPED:superseded"
        ]
    );
    app.advance(TimeDelta::days(2));
    app.remind().await;
    assert_eq!(
        app.told(patient.id).await,
        told,
        "no reminder of a cancelled visit"
    );
}

#[tokio::test]
async fn changes_in_quick_succession_are_told_in_their_order() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let mut visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    let booked = visit.as_booked();
    let cancelled = visit.cancel(&app, doctor.id);
    app.hear(&booked).await.unwrap();
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    let expected = [
        "appointment.booked/EMAIL/DELIVERED",
        "appointment.cancelled/EMAIL/DELIVERED",
    ];
    assert_eq!(app.told(patient.id).await[..2], expected);
}

#[tokio::test]
async fn old_news_that_is_untrue_by_now_is_not_told() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let mut visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    app.hear(&visit.as_booked()).await.unwrap();
    let cancelled = visit.cancel(&app, doctor.id);
    app.advance(TimeDelta::hours(1));
    app.hear(&cancelled).await.unwrap();
    app.send().await;
    assert_eq!(
        app.told(doctor.id).await[0],
        "appointment.booked/EMAIL/SKIPPED:superseded"
    );
    assert_eq!(
        app.told(doctor.id).await[1],
        "appointment.cancelled/EMAIL/DELIVERED"
    );
}

#[tokio::test]
async fn the_patient_hears_of_records_and_broken_glass_and_nothing_of_their_content() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let record = |version| RecordChange {
        record_id: RecordId::generate(),
        patient_id: patient.id,
        author_id: doctor.id,
        version,
    };
    let glass = GlassBroken {
        patient_id: patient.id,
        doctor_id: doctor.id,
        accessed_at: app.now(),
    };
    for payload in [
        Payload::RecordCreated(record(1)),
        Payload::RecordAmended(record(2)),
        Payload::RecordAccessedByBreakGlass(glass),
    ] {
        app.hear(&payload).await.unwrap();
    }
    app.send().await;
    let expected = [
        "record.created",
        "record.amended",
        "record.accessed_by_break_glass",
    ];
    assert_eq!(
        app.told(patient.id).await,
        expected.map(|what| format!("{what}/EMAIL/DELIVERED"))
    );
    assert!(app.told(doctor.id).await.is_empty());
    for mail in app.mails() {
        for secret in ["Cardiology", &doctor.name, &doctor.email, &doctor.id.to_string()] {
            assert!(!mail.contains(secret), "{secret} in {mail}");
        }
    }
}

#[tokio::test]
async fn a_password_mail_carries_the_token_of_the_moment() {
    let app = App::start().await;
    let user = app.peers.patient();
    let (open, closed) = (Uuid::now_v7(), Uuid::now_v7());
    let expires_at = app.now() + TimeDelta::minutes(30);
    let token = "tok-2f9c".to_owned();
    app.peers.put_reset(
        open,
        ResetToken {
            user_id: user.id,
            token,
            expires_at,
        },
    );
    for reset_id in [open, closed] {
        let reset = PasswordReset {
            user_id: user.id,
            reset_id,
            expires_at,
        };
        app.hear(&Payload::PasswordResetRequested(reset)).await.unwrap();
    }
    app.send().await;
    let told = app.told(user.id).await;
    assert_eq!(
        told,
        [
            "user.password_reset_requested/EMAIL/DELIVERED",
            "user.password_reset_requested/EMAIL/SKIPPED:too-late"
        ]
    );
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("http://localhost:8080/password/reset#token=tok-2f9c"),
        "{}",
        mails[0]
    );
    assert!(!format!("{:?}", app.ledger("").await).contains("tok-2f9c"));
}

#[tokio::test]
async fn accounts_hear_of_verification_and_of_a_changed_password_once() {
    let app = App::start().await;
    let doctor = app.peers.doctor();
    let verified = AccountChange {
        user_id: doctor.id,
        role: Role::Doctor,
        verification: Some("VERIFIED".to_owned()),
    };
    app.hear(&Payload::UserVerified(verified)).await.unwrap();
    for reason in [
        "PASSWORD_CHANGED",
        "TOKEN_REUSED",
        "SECOND_FACTOR_CHANGED",
        "LOGOUT",
    ] {
        for _ in 0..3 {
            let end = SessionEnd {
                user_id: doctor.id,
                session_id: Some(common::ids::SessionId::generate()),
                ended_at: app.now(),
                reason: reason.to_owned(),
            };
            app.hear(&Payload::SessionEnded(end)).await.unwrap();
        }
    }
    app.send().await;
    let expected = [
        "user.verified/EMAIL/DELIVERED",
        "user.password_changed/EMAIL/DELIVERED",
        "user.token_reused/EMAIL/DELIVERED",
        "user.second_factor_changed/EMAIL/DELIVERED",
    ];
    assert_eq!(app.told(doctor.id).await, expected);
}

#[tokio::test]
async fn while_user_service_is_away_nothing_is_lost() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let visit = Visit::booked(&app, &patient, &doctor, app.now() + TimeDelta::days(3));
    app.peers.set_away(true);
    let event = app.event(&visit.as_booked());
    let refused = app.parts.listener.handle(event.clone()).await;
    assert!(matches!(refused, Err(Failure::Unavailable(_))), "{refused:?}");
    app.peers.set_away(false);
    // The breaker that opened meanwhile lets a call through after a while.
    common_testing::eventually("the event is taken", async || {
        app.parts.listener.handle(event.clone()).await.ok()
    })
    .await;

    app.peers.set_away(true);
    app.send().await;
    assert_eq!(app.told(patient.id).await, ["appointment.booked/EMAIL/QUEUED"]);
    app.peers.set_away(false);
    common_testing::eventually("the mail is sent", async || {
        app.advance(TimeDelta::seconds(6));
        app.send().await;
        (app.told(patient.id).await == ["appointment.booked/EMAIL/DELIVERED"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn events_that_cannot_be_understood_are_rejected_and_unknown_ones_left_alone() {
    let app = App::start().await;
    let mut event: Event = app.event(&Payload::Other("invoice.paid".to_owned()));
    app.parts.listener.handle(event.clone()).await.unwrap();
    event.kind = "appointment.booked".to_owned();
    for data in [
        serde_json::json!({}),
        serde_json::json!(null),
        serde_json::json!({"appointment_id": "x"}),
    ] {
        event.data = data;
        let refused = app.parts.listener.handle(event.clone()).await;
        assert!(matches!(refused, Err(Failure::Reject(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn somebody_who_is_no_longer_known_is_skipped() {
    let app = App::start().await;
    let record = RecordChange {
        record_id: RecordId::generate(),
        patient_id: UserId::generate(),
        author_id: UserId::generate(),
        version: 1,
    };
    app.hear(&Payload::RecordCreated(record.clone())).await.unwrap();
    app.send().await;
    assert_eq!(
        app.told(record.patient_id).await,
        ["record.created/EMAIL/SKIPPED:unknown-user"]
    );
}
