//! The five things that can be said of an instance.

use serde::{Deserialize, Serialize};

/// An instance's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    // In alphabetical order, for the hash of a registry lists them so.
    /// Not working.
    Down,
    /// Taken out of rotation on purpose.
    OutOfService,
    /// Not yet ready.
    Starting,
    /// Not said, or not understood.
    Unknown,
    /// Ready for traffic.
    Up,
}

impl Status {
    /// In the order in which the hash counts them.
    pub const ALL: [Self; 5] = [
        Self::Down,
        Self::OutOfService,
        Self::Starting,
        Self::Unknown,
        Self::Up,
    ];

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Starting => "STARTING",
            Self::Unknown => "UNKNOWN",
            Self::Up => "UP",
        }
    }

    /// One of the five in upper case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// What an instance itself says in these words is believed over any override.
    pub fn is_admission(self) -> bool {
        !matches!(self, Self::Up | Self::OutOfService)
    }
}

/// `STATUS_count_` for each status that occurs: by this a client checks what it merged from a delta.
pub fn hash_of(statuses: impl Iterator<Item = Status>) -> String {
    let mut counts = [0_usize; Status::ALL.len()];
    for status in statuses {
        counts[status as usize] += 1;
    }
    let occurring = Status::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = occurring
        .map(|(status, count)| format!("{}_{count}_", status.as_str()))
        .collect();
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_lists_statuses_by_name_and_skips_what_does_not_occur() {
        assert_eq!(hash_of([].into_iter()), "");
        let some = [
            Status::Up,
            Status::Down,
            Status::Up,
            Status::OutOfService,
            Status::Down,
        ];
        assert_eq!(hash_of(some.into_iter()), "DOWN_2_OUT_OF_SERVICE_1_UP_2_");
        let all = "DOWN_1_OUT_OF_SERVICE_1_STARTING_1_UNKNOWN_1_UP_1_";
        assert_eq!(hash_of(Status::ALL.into_iter()), all);
    }

    #[test]
    fn only_the_five_words_are_statuses() {
        assert_eq!(Status::parse("OUT_OF_SERVICE"), Some(Status::OutOfService));
        for bad in ["", "up", "UP ", "GREEN"] {
            assert_eq!(Status::parse(bad), None);
        }
    }
}
