use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::cast::{self, answer};
use crate::processes::Fleet;

/// Sixteen patients want one time: one gets it, fifteen hear when else.
pub(crate) async fn one_slot(fleet: &Fleet) {
    let doctor = cast::doctor(fleet).await;
    let mut patients = Vec::new();
    for _ in 0..16 {
        patients.push(cast::patient(fleet).await);
    }
    for slot in cast::free(&patients[0], &doctor).await.iter().take(5) {
        let body = json!({ "doctor_id": doctor.id(), "date": slot.date, "time": slot.time });
        let bookings = patients
            .iter()
            .map(|patient| answer(patient.request(Method::POST, "/appointments").json(&body)));
        let answers = join_all(bookings).await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(
            won,
            1,
            "{:?}",
            answers
                .iter()
                .map(|answer| answer.status.as_u16())
                .collect::<Vec<_>>()
        );
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(
                (lost.status.as_u16(), lost.code()),
                (409, "slot-taken"),
                "{}",
                lost.body
            );
            assert!(!lost.body["next_free"].as_array().unwrap().is_empty());
        }
    }
}
