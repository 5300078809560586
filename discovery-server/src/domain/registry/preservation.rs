//! When many instances fall silent at once, the network between them and the registry is the likelier culprit:
//! dropping them all would turn its failure into everybody's.

use chrono::TimeDelta;

/// The rule by which silent instances are kept.
#[derive(Clone, Copy, Debug)]
pub struct Preservation {
    /// Whether any are.
    pub enabled: bool,
    /// Smallest application that is protected: of two instances, one that dies is half of all.
    pub application_minimum: usize,
    /// Smallest registry that is protected as a whole.
    pub registry_minimum: usize,
    /// Share of instances, above 0 and below 1, beyond which silence is taken for a broken network.
    pub share: f64,
    /// How long a lease may be over: after that the instances are dead whatever the cause, and the registry
    /// heals without anybody's help.
    pub longest: TimeDelta,
}

/// A count of instances, and of those that do not renew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All.
    pub all: usize,
    /// Those whose renewal is overdue.
    pub silent: usize,
}

impl Preservation {
    /// Whether an application in this state keeps its silent instances.
    pub fn protects_application(&self, census: Census) -> bool {
        self.protects(census, self.application_minimum)
    }

    /// Whether a registry in this state keeps its silent instances.
    pub fn protects_registry(&self, census: Census) -> bool {
        self.protects(census, self.registry_minimum)
    }

    /// Renewals in a minute, of `expected`, below which a whole registry would be protected.
    pub fn threshold(&self, expected: f64) -> f64 {
        expected * (1.0 - self.share)
    }

    fn protects(&self, census: Census, minimum: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "no registry comes near 2^52 instances")]
        let too_many = census.silent as f64 > self.share * census.all as f64;
        self.enabled && census.all >= minimum && too_many
    }
}

impl Census {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            silent: self.silent + other.silent,
        }
    }
}
