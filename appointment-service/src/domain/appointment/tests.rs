use chrono_tz::Europe::Berlin;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn slot(start: &str) -> Slot {
    Slot {
        start: at(start),
        end: at(start) + TimeDelta::minutes(30),
        zone: Berlin,
    }
}

const BOOKED: &str = "2027-01-01T08:00:00Z";
const START: &str = "2027-01-11T08:00:00Z";
const LATER: &str = "2027-01-11T08:30:00Z";

struct Scene {
    patient: By,
    doctor: By,
    admin: By,
    visit: Appointment,
}

fn scene(maker: Role) -> Scene {
    let [patient, doctor, admin] = [Role::Patient, Role::Doctor, Role::Admin].map(|role| By {
        id: UserId::generate(),
        role,
    });
    let by = [patient, doctor, admin]
        .into_iter()
        .find(|by| by.role == maker)
        .unwrap();
    let (visit, _) = Appointment::book(Booking {
        patient_id: patient.id,
        doctor_id: doctor.id,
        slot: slot(START),
        reason: None,
        notice: TimeDelta::hours(2),
        by,
        at: at(BOOKED),
    });
    Scene {
        patient,
        doctor,
        admin,
        visit,
    }
}

impl Scene {
    fn act(&self, by: By, when: &str) -> Act {
        self.visit.act(by, at(when)).unwrap()
    }
}

type Step = fn(&mut Appointment, Act) -> Result<Option<Change>, Refusal>;

const CANCEL: Step = |visit, act| visit.cancel(act, None);
const MOVE: Step = |visit, act| visit.reschedule(act, slot("2027-01-12T08:00:00Z"));
const CONFIRM: Step = Appointment::confirm;
const COMPLETE: Step = Appointment::complete;
const MISS: Step = Appointment::no_show;

#[test]
fn strangers_of_every_role_have_no_say() {
    let scene = scene(Role::Patient);
    for role in [Role::Patient, Role::Doctor] {
        let stranger = By {
            id: UserId::generate(),
            role,
        };
        assert!(scene.visit.act(stranger, at(BOOKED)).is_none());
    }
    // Being the patient's id in a doctor's role is being a stranger too.
    let disguised = By {
        id: scene.patient.id,
        role: Role::Doctor,
    };
    assert!(scene.visit.act(disguised, at(BOOKED)).is_none());
}

/// What becomes of a visit, by the state it is in and what its doctor tries; `-` is refused.
/// Completing and missing are tried after the start.
const TABLE: &str = "
    from       cancel     move       confirm    complete   miss
    BOOKED     CANCELLED  BOOKED     CONFIRMED  COMPLETED  NO_SHOW
    CONFIRMED  CANCELLED  CONFIRMED  CONFIRMED  COMPLETED  NO_SHOW
    COMPLETED  -          -          -          COMPLETED  -
    CANCELLED  CANCELLED  -          -          -          -
    NO_SHOW    -          -          -          -          NO_SHOW
";

const STEPS: [(Step, &str); 5] = [
    (CANCEL, BOOKED),
    (MOVE, BOOKED),
    (CONFIRM, BOOKED),
    (COMPLETE, LATER),
    (MISS, LATER),
];

fn in_state(status: &str) -> Scene {
    let mut scene = scene(Role::Patient);
    scene.visit.state = match status.parse().unwrap() {
        Status::Booked => State::Booked,
        Status::Confirmed => State::Confirmed,
        Status::Completed => State::Completed,
        Status::NoShow => State::NoShow,
        Status::Cancelled => State::Cancelled(Cancellation {
            by: scene.doctor,
            reason: None,
            at: at(BOOKED),
        }),
    };
    scene
}

#[test]
fn every_state_and_step_as_the_table_says() {
    for row in TABLE.lines().filter(|line| !line.trim().is_empty()).skip(1) {
        let (from, outcomes) = row.trim().split_once(' ').unwrap();
        for ((step, when), outcome) in STEPS.iter().zip(outcomes.split_whitespace()) {
            let mut scene = in_state(from);
            let before = scene.visit.clone();
            let act = scene.act(scene.doctor, when);
            let result = step(&mut scene.visit, act);
            let status = result.as_ref().map_or("-", |_| scene.visit.status().as_str());
            assert_eq!(status, outcome, "{from} {result:?}");
            match result {
                Ok(Some(change)) => assert_eq!(change.version, before.version + 1),
                Ok(None) | Err(_) => assert_eq!(scene.visit, before, "a repeat or a refusal changes nothing"),
            }
        }
    }
}

#[test]
fn what_has_begun_cannot_be_cancelled_moved_or_confirmed() {
    for (step, action) in [
        (CANCEL, Action::Cancelled),
        (MOVE, Action::Rescheduled),
        (CONFIRM, Action::Confirmed),
    ] {
        let mut scene = scene(Role::Patient);
        let act = scene.act(scene.admin, START);
        assert_eq!(step(&mut scene.visit, act), Err(Refusal::Begun { action }));
    }
}

#[test]
fn nobody_misses_a_visit_before_it_begins() {
    let mut scene = scene(Role::Patient);
    let act = scene.act(scene.doctor, "2027-01-11T07:59:59Z");
    assert_eq!(scene.visit.no_show(act), Err(Refusal::NotBegun));
}

#[test]
fn the_notice_binds_the_patient_to_the_second_and_nobody_else() {
    for step in [CANCEL, MOVE] {
        let in_time = "2027-01-11T06:00:00Z";
        let late = "2027-01-11T06:00:01Z";
        let mut scene = scene(Role::Patient);
        let original = scene.visit.clone();
        let act = scene.act(scene.patient, late);
        assert_eq!(
            step(&mut scene.visit, act),
            Err(Refusal::WindowClosed { until: at(in_time) })
        );
        for (by, when) in [
            (scene.patient, in_time),
            (scene.doctor, late),
            (scene.admin, late),
        ] {
            let mut visit = original.clone();
            assert!(
                step(&mut visit, original.act(by, at(when)).unwrap())
                    .unwrap()
                    .is_some()
            );
        }
    }
}

#[test]
fn patients_neither_complete_nor_miss_nor_confirm_what_they_made() {
    for (step, when) in [(CONFIRM, BOOKED), (COMPLETE, LATER), (MISS, LATER)] {
        let mut scene = scene(Role::Patient);
        let act = scene.act(scene.patient, when);
        assert_eq!(step(&mut scene.visit, act), Err(Refusal::NotForPatients));
    }
    let mut desk = scene(Role::Admin);
    let act = desk.act(desk.patient, BOOKED);
    assert_eq!(desk.visit.confirm(act), Err(Refusal::NotForPatients));
}

#[test]
fn only_the_patient_can_agree_to_what_the_doctor_made() {
    let mut scene = scene(Role::Doctor);
    assert_eq!(scene.visit.agreed_at, None);
    for by in [scene.doctor, scene.admin] {
        let act = scene.act(by, BOOKED);
        scene.visit.confirm(act).unwrap();
        assert_eq!(scene.visit.agreed_at, None, "{by:?} is not the patient");
    }
    let act = scene.act(scene.patient, BOOKED);
    assert!(scene.visit.confirm(act).unwrap().is_some());
    assert_eq!(scene.visit.agreed_at, Some(at(BOOKED)));
    assert_eq!(
        scene.visit.confirm(act),
        Ok(None),
        "agreeing twice is agreeing once"
    );
}

#[test]
fn a_visit_that_patient_or_desk_made_is_agreed_from_the_start() {
    assert_eq!(scene(Role::Patient).visit.agreed_at, Some(at(BOOKED)));
    assert_eq!(scene(Role::Admin).visit.agreed_at, Some(at(BOOKED)));
}

#[test]
fn a_move_by_the_patient_asks_the_doctor_again_and_one_by_the_doctor_does_not() {
    let mut moved_by_patient = scene(Role::Doctor);
    let confirm = moved_by_patient.act(moved_by_patient.doctor, BOOKED);
    moved_by_patient.visit.confirm(confirm).unwrap();
    let mut moved_by_doctor = moved_by_patient.visit.clone();

    let act = moved_by_patient.act(moved_by_patient.patient, BOOKED);
    let change = MOVE(&mut moved_by_patient.visit, act).unwrap().unwrap();
    assert_eq!(
        (change.from, change.to),
        (Some(Status::Confirmed), Status::Booked)
    );
    assert_eq!(change.from_start, Some(at(START)));
    assert_eq!(moved_by_patient.visit.agreed_at, Some(at(BOOKED)));

    MOVE(&mut moved_by_doctor, confirm).unwrap();
    assert_eq!(moved_by_doctor.status(), Status::Confirmed);
    assert_eq!(moved_by_doctor.agreed_at, None);
}

#[test]
fn moving_a_visit_to_where_it_is_changes_nothing() {
    let mut scene = scene(Role::Patient);
    let act = scene.act(scene.patient, BOOKED);
    let here = scene.visit.slot;
    assert_eq!(scene.visit.reschedule(act, here), Ok(None));
    assert_eq!(scene.visit.version, 1);
}

#[test]
fn a_cancellation_keeps_who_why_and_when() {
    let mut scene = scene(Role::Patient);
    let act = scene.act(scene.doctor, BOOKED);
    let change = scene.visit.cancel(act, Some("ill".to_owned())).unwrap().unwrap();
    let kept = Cancellation {
        by: scene.doctor,
        reason: Some("ill".to_owned()),
        at: at(BOOKED),
    };
    assert_eq!(scene.visit.state, State::Cancelled(kept));
    assert_eq!(change.reason.as_deref(), Some("ill"));
    let again = scene.act(scene.patient, BOOKED);
    assert_eq!(
        scene.visit.cancel(again, Some("other".to_owned())),
        Ok(None),
        "the first reason stays"
    );
}
