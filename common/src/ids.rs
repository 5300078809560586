//! Ids as types: a patient's id cannot be passed where an appointment's is wanted.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlTypeInfo, MySqlValueRef};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use uuid::Uuid;

/// A UUID (version 7: sortable by time of creation, not guessable) that says whose id it is.
///
/// In JSON a lower-case hyphenated string, in MySQL `binary(16)`.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

/// What an [`Id`] can name.
pub mod kind {
    /// An account of any role.
    pub enum User {}
    /// One login on one device.
    pub enum Session {}
    /// A visit of a patient at a doctor.
    pub enum Appointment {}
    /// A medical record in one version.
    pub enum Record {}
    /// An event on the bus.
    pub enum Event {}
    /// One message to one person over one channel.
    pub enum Notification {}
}

/// Names an account.
pub type UserId = Id<kind::User>;
/// Names a login session.
pub type SessionId = Id<kind::Session>;
/// Names an appointment; it stays the same when the visit moves.
pub type AppointmentId = Id<kind::Appointment>;
/// Names one version of a medical record.
pub type RecordId = Id<kind::Record>;
/// Names an event; consumers remember it to act once.
pub type EventId = Id<kind::Event>;
/// Names a notification.
pub type NotificationId = Id<kind::Notification>;

impl<K> Id<K> {
    /// A fresh id.
    pub fn generate() -> Self {
        Self::from(Uuid::now_v7())
    }

    /// The bare UUID.
    pub fn uuid(self) -> Uuid {
        self.uuid
    }
}

impl<K> From<Uuid> for Id<K> {
    fn from(uuid: Uuid) -> Self {
        Self {
            uuid,
            kind: PhantomData,
        }
    }
}

/// Accepts only the hyphenated form, so that one thing has one spelling in paths and logs.
impl<K> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(InvalidId);
        }
        text.parse::<Uuid>().map(Self::from).map_err(|_| InvalidId)
    }
}

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id (a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057)")]
pub struct InvalidId;

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.uuid)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K> sqlx::Type<MySql> for Id<K> {
    fn type_info() -> MySqlTypeInfo {
        <Uuid as sqlx::Type<MySql>>::type_info()
    }
    fn compatible(ty: &MySqlTypeInfo) -> bool {
        <Uuid as sqlx::Type<MySql>>::compatible(ty)
    }
}
impl<K> sqlx::Encode<'_, MySql> for Id<K> {
    fn encode_by_ref(&self, buf: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        <Uuid as sqlx::Encode<'_, MySql>>::encode_by_ref(&self.uuid, buf)
    }
}
impl<'r, K> sqlx::Decode<'r, MySql> for Id<K> {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        <Uuid as sqlx::Decode<'r, MySql>>::decode(value).map(Self::from)
    }
}

impl<K> utoipa::PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
            .into()
    }
}
impl<K> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = UserId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "0",
            "-1",
            "null",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "01890a5dac96774bbcceb302099a8057",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805'",
        ] {
            assert_eq!(bad.parse::<UserId>(), Err(InvalidId), "{bad} must not be an id");
        }
    }
}
