use common::auth::Role;
use common::events::{AccountChange, GlassBroken, PasswordReset};
use common::ids::{RecordId, SessionId};

use super::super::template::Category;
use super::*;

fn told(payload: &Payload) -> Vec<Notice> {
    notices(&Event::new("test", "x", DateTime::UNIX_EPOCH, payload), payload)
}

fn change(patient_id: UserId, doctor_id: UserId, changed_by: UserId) -> AppointmentChange {
    AppointmentChange {
        appointment_id: AppointmentId::generate(),
        patient_id,
        doctor_id,
        start_at: DateTime::UNIX_EPOCH + TimeDelta::days(3),
        end_at: DateTime::UNIX_EPOCH + TimeDelta::days(3),
        status: "BOOKED".to_owned(),
        version: 1,
        changed_by,
        previous_start_at: None,
    }
}

#[test]
fn both_sides_hear_of_a_visit_and_the_other_side_of_a_move_by_sms_too() {
    let (patient, doctor, admin) = (UserId::generate(), UserId::generate(), UserId::generate());
    for (by, patient_sms, doctor_sms) in [(patient, false, true), (doctor, true, false), (admin, true, true)]
    {
        let change = change(patient, doctor, by);
        let sms = |payload: Payload| {
            told(&payload)
                .iter()
                .map(|n| (n.user_id, n.sms))
                .collect::<Vec<_>>()
        };
        let quiet = [(patient, false), (doctor, false)];
        let loud = [(patient, patient_sms), (doctor, doctor_sms)];
        assert_eq!(sms(Payload::AppointmentBooked(change.clone())), quiet);
        assert_eq!(sms(Payload::AppointmentConfirmed(change.clone())), quiet);
        assert_eq!(sms(Payload::AppointmentRescheduled(change.clone())), loud);
        assert_eq!(sms(Payload::AppointmentCancelled(change.clone())), loud);
        assert_eq!(sms(Payload::AppointmentCompleted(change.clone())), []);
        assert_eq!(sms(Payload::AppointmentNoShow(change)), []);
    }
}

#[test]
fn each_change_of_a_visit_has_a_key_of_its_own() {
    let mut change = change(UserId::generate(), UserId::generate(), UserId::generate());
    let first = told(&Payload::AppointmentRescheduled(change.clone()));
    change.version = 2;
    let second = told(&Payload::AppointmentRescheduled(change));
    assert_ne!(first[0].key, second[0].key);
}

#[test]
fn the_patient_hears_of_records_and_of_broken_glass() {
    let patient_id = UserId::generate();
    let record = RecordChange {
        record_id: RecordId::generate(),
        patient_id,
        author_id: UserId::generate(),
        version: 1,
    };
    let glass = GlassBroken {
        patient_id,
        doctor_id: UserId::generate(),
        accessed_at: DateTime::UNIX_EPOCH,
    };
    for (payload, template) in [
        (Payload::RecordCreated(record.clone()), Template::RecordCreated),
        (Payload::RecordAmended(record), Template::RecordAmended),
        (Payload::RecordAccessedByBreakGlass(glass), Template::GlassBroken),
    ] {
        let told = told(&payload);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].user_id, told[0].template, told[0].sms),
            (patient_id, template, false)
        );
    }
}

#[test]
fn accounts_hear_of_verification_reset_and_change_of_password() {
    let user_id = UserId::generate();
    let account = |verification: Option<&str>| {
        let verification = verification.map(str::to_owned);
        AccountChange {
            user_id,
            role: Role::Doctor,
            verification,
        }
    };
    assert_eq!(told(&Payload::UserVerified(account(Some("VERIFIED")))).len(), 1);
    assert_eq!(told(&Payload::UserVerified(account(Some("REJECTED")))), []);
    assert_eq!(told(&Payload::UserVerified(account(None))), []);
    assert_eq!(told(&Payload::UserRegistered(account(None))), []);

    let expires_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(30);
    let reset = told(&Payload::PasswordResetRequested(PasswordReset {
        user_id,
        reset_id: Uuid::nil(),
        expires_at,
    }));
    assert_eq!(reset[0].expires_at, Some(expires_at));

    let ended = |reason: &str| {
        let session_id = Some(SessionId::generate());
        told(&Payload::SessionEnded(SessionEnd {
            user_id,
            session_id,
            ended_at: DateTime::UNIX_EPOCH,
            reason: reason.to_owned(),
        }))
    };
    for silent in [
        "LOGOUT",
        "SUSPENDED",
        "ROLE_CHANGED",
        "ENDED_BY_USER",
        "TOO_MANY_SESSIONS",
    ] {
        assert_eq!(ended(silent), []);
    }
    // Many sessions end with one change of the password.
    assert_eq!(ended("PASSWORD_CHANGED")[0].key, ended("PASSWORD_CHANGED")[0].key);
    for (reason, template) in [
        ("PASSWORD_RESET", Template::PasswordChanged),
        ("SECOND_FACTOR_CHANGED", Template::SecondFactorChanged),
        ("TOKEN_REUSED", Template::TokenReused),
    ] {
        let notices = ended(reason);
        assert_eq!(notices.len(), 1, "{reason}");
        assert_eq!(notices[0].template, template, "{reason}");
        assert_eq!(template.category(), Category::Security, "{reason}");
    }
}
