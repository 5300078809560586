//! Who can be visited, and who can be booked for: what user-service says, asked before any transaction begins.

use common::auth::Role;
use common::clients::users::{UserCard, Users};
use common::ids::UserId;

use crate::domain::schedule::Hours;
use crate::error::Error;

/// A verified doctor and their hours; [`Error::NoSuchDoctor`] for anybody else.
pub async fn doctor(users: &Users, id: UserId) -> Result<Hours, Error> {
    let card = users.find(id).await?.ok_or(Error::NoSuchDoctor)?;
    hours_of(&card)
}

/// Both sides of a visit, in one question.
pub async fn doctor_and_patient(
    users: &Users,
    doctor: UserId,
    patient: UserId,
) -> Result<(UserCard, Hours, UserCard), Error> {
    let mut cards = users.lookup(&[doctor, patient]).await?;
    let mut take = |id: UserId| {
        cards
            .iter()
            .position(|card| card.id == id)
            .map(|at| cards.swap_remove(at))
    };
    let doctor = take(doctor).ok_or(Error::NoSuchDoctor)?;
    let hours = hours_of(&doctor)?;
    let patient = take(patient)
        .filter(is_active_patient)
        .ok_or(Error::NoSuchPatient)?;
    Ok((doctor, hours, patient))
}

fn hours_of(card: &UserCard) -> Result<Hours, Error> {
    match &card.doctor {
        Some(doctor) if card.is_verified_doctor() => {
            Hours::try_from(&doctor.availability).map_err(|error| Error::Internal(error.to_string()))
        }
        _ => Err(Error::NoSuchDoctor),
    }
}

fn is_active_patient(card: &UserCard) -> bool {
    card.role == Role::Patient && card.is_active()
}
