//! How ids, instants and bytes stand in BSON: for `#[serde(with = …)]`.

/// An id as a binary UUID.
pub(super) mod id {
    use common::ids::Id;
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::store) fn serialize<K, S: Serializer>(
        id: &Id<K>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        crate::store::uuid(*id).serialize(serializer)
    }

    pub(in crate::store) fn deserialize<'de, K, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Id<K>, D::Error> {
        bson::Uuid::deserialize(deserializer).map(crate::store::id)
    }
}

/// An id, or null.
pub(super) mod maybe_id {
    use common::ids::Id;
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(in crate::store) fn serialize<K, S: Serializer>(
        id: &Option<Id<K>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        id.map(crate::store::uuid).serialize(serializer)
    }

    pub(in crate::store) fn deserialize<'de, K, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Id<K>>, D::Error> {
        Ok(Option::<bson::Uuid>::deserialize(deserializer)?.map(crate::store::id))
    }
}

/// Several ids.
pub(super) mod ids {
    use common::ids::Id;
    use mongodb::bson;
    use serde::{Deserialize, Deserializer};

    pub(in crate::store) fn deserialize<'de, K, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Id<K>>, D::Error> {
        let ids = Vec::<bson::Uuid>::deserialize(deserializer)?;
        Ok(ids.into_iter().map(crate::store::id).collect())
    }
}

/// An instant as a BSON date, in milliseconds.
pub(super) mod instant {
    use chrono::{DateTime, Utc};
    use mongodb::bson;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::store) fn serialize<S: Serializer>(
        at: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        crate::store::instant(*at).serialize(serializer)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        bson::DateTime::deserialize(deserializer).map(crate::store::utc)
    }
}

/// An instant, or null.
pub(super) mod maybe_instant {
    use chrono::{DateTime, Utc};
    use mongodb::bson;
    use serde::{Deserialize, Deserializer};

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Ok(Option::<bson::DateTime>::deserialize(deserializer)?.map(crate::store::utc))
    }
}

/// Bytes as BSON binary; `Vec<u8>` alone would become an array of numbers.
pub(super) mod bytes {
    use mongodb::bson::Binary;
    use mongodb::bson::spec::BinarySubtype;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::store) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = bytes.to_vec();
        Binary {
            subtype: BinarySubtype::Generic,
            bytes,
        }
        .serialize(serializer)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        Binary::deserialize(deserializer).map(|binary| binary.bytes)
    }
}
