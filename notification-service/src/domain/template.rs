use std::str::FromStr;

use super::channel::{UnknownName, find};

/// What a message is about; its name is that of the event that causes it, where one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentConfirmed,
    AppointmentCancelled,
    AppointmentReminder,
    RecordCreated,
    RecordAmended,
    GlassBroken,
    DoctorVerified,
    PasswordReset,
    PasswordChanged,
    SecondFactorChanged,
    TokenReused,
    Message,
}

/// What users may switch on and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Appointment,
    Reminder,
    Record,
    Account,
    /// Cannot be switched off and knows no quiet hours.
    Security,
    /// Written by an administrator.
    Message,
}

/// What to do when nobody knows whether a message went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// A second copy does no harm.
    Freely,
    /// Missing it is worse than reading it twice.
    Once,
    Never,
}

impl Template {
    pub const ALL: [Self; 14] = [
        Self::AppointmentBooked,
        Self::AppointmentRescheduled,
        Self::AppointmentConfirmed,
        Self::AppointmentCancelled,
        Self::AppointmentReminder,
        Self::RecordCreated,
        Self::RecordAmended,
        Self::GlassBroken,
        Self::DoctorVerified,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::SecondFactorChanged,
        Self::TokenReused,
        Self::Message,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppointmentBooked => "appointment.booked",
            Self::AppointmentRescheduled => "appointment.rescheduled",
            Self::AppointmentConfirmed => "appointment.confirmed",
            Self::AppointmentCancelled => "appointment.cancelled",
            Self::AppointmentReminder => "appointment.reminder",
            Self::RecordCreated => "record.created",
            Self::RecordAmended => "record.amended",
            Self::GlassBroken => "record.accessed_by_break_glass",
            Self::DoctorVerified => "user.verified",
            Self::PasswordReset => "user.password_reset_requested",
            Self::PasswordChanged => "user.password_changed",
            Self::SecondFactorChanged => "user.second_factor_changed",
            Self::TokenReused => "user.token_reused",
            Self::Message => "message",
        }
    }

    pub fn category(self) -> Category {
        match self {
            Self::AppointmentBooked
            | Self::AppointmentRescheduled
            | Self::AppointmentConfirmed
            | Self::AppointmentCancelled => Category::Appointment,
            Self::AppointmentReminder => Category::Reminder,
            Self::RecordCreated | Self::RecordAmended => Category::Record,
            Self::DoctorVerified => Category::Account,
            Self::GlassBroken
            | Self::PasswordReset
            | Self::PasswordChanged
            | Self::SecondFactorChanged
            | Self::TokenReused => Category::Security,
            Self::Message => Category::Message,
        }
    }

    /// What may be filled into its texts: when something is and who writes. Nothing about anybody's health is among
    /// them, so that no setting can bring it into a message.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::AppointmentBooked
            | Self::AppointmentConfirmed
            | Self::AppointmentCancelled
            | Self::AppointmentReminder => &["clinic", "start"],
            Self::AppointmentRescheduled => &["clinic", "start", "previous_start"],
            Self::GlassBroken => &["clinic", "at"],
            _ => &["clinic"],
        }
    }

    pub fn resend(self) -> Resend {
        match self {
            Self::PasswordReset => Resend::Freely,
            Self::Message => Resend::Never,
            _ => Resend::Once,
        }
    }
}

impl FromStr for Template {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        find(&Self::ALL, Self::as_str, text)
    }
}

impl Category {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Appointment => "APPOINTMENT",
            Self::Reminder => "REMINDER",
            Self::Record => "RECORD",
            Self::Account => "ACCOUNT",
            Self::Security => "SECURITY",
            Self::Message => "MESSAGE",
        }
    }
}
