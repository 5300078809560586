//! What answers look like.

use chrono::{DateTime, Utc};
use common::auth::Role;
use common::clients::users::{Availability, DoctorCard, Preferences, UserCard, Verification};
use common::ids::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::user::{Account, Status};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    id: UserId,
    name: String,
    email: String,
    role: Role,
    status: Status,
    phone: Option<String>,
    time_zone: String,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doctor: Option<Doctor>,
    /// How they want to be told; only in answers to themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<Preferences>,
}

/// A doctor.
#[derive(Debug, Serialize, ToSchema)]
pub struct Doctor {
    id: UserId,
    name: String,
    specialization: String,
    license_number: Option<String>,
    pub verification: Verification,
    availability: Availability,
}

impl User {
    /// As its owner sees it.
    pub fn own(account: Account) -> Self {
        let notifications = Some(account.preferences.clone());
        Self {
            notifications,
            ..Self::from(account)
        }
    }
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            doctor: Doctor::of(&account),
            id: account.id,
            name: account.name,
            email: account.email,
            role: account.role,
            status: account.status,
            phone: account.phone,
            time_zone: account.time_zone,
            created_at: account.created_at,
            notifications: None,
        }
    }
}

impl Doctor {
    /// The doctor that this account is, if it is one.
    pub fn of(account: &Account) -> Option<Self> {
        account.practising().map(|profile| Self {
            id: account.id,
            name: account.name.clone(),
            specialization: profile.specialization.clone(),
            license_number: profile.license_number.clone(),
            verification: profile.verification,
            availability: profile.availability.clone(),
        })
    }
}

/// What another service may know.
pub fn card(account: Account) -> UserCard {
    let doctor = account.practising().map(|profile| DoctorCard {
        specialization: profile.specialization.clone(),
        verification: profile.verification,
        availability: profile.availability.clone(),
    });
    UserCard {
        id: account.id,
        name: account.name,
        email: account.email,
        phone: account.phone,
        role: account.role,
        status: account.status.as_str().to_owned(),
        time_zone: account.time_zone,
        notifications: account.preferences,
        doctor,
    }
}
