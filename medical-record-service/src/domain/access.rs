//! Who may do what with a patient's records, and by which rule: one pure function.

use common::auth::Role;
use serde::{Deserialize, Serialize};

/// What somebody wants to do with the records of one patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// See which records there are.
    List,
    /// Read one record, its file or its versions.
    Read,
    /// Add a record.
    Create,
    /// Add a prescription.
    Prescribe,
    /// Correct or withdraw a record.
    Correct,
    /// Give, list or take back grants.
    ManageGrants,
    /// See who looked.
    ReadAccessLog,
}

/// The setting `records.doctor_access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoctorAccess {
    /// A doctor needs a reason that concerns this patient.
    Treating,
    /// Every verified doctor reads and writes; all is still logged.
    Any,
}

/// What is known about the caller and the patient. For a doctor the answers come from other places and may
/// be missing; a missing answer never opens a door.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true or false regardless of the others"
)]
pub struct Facts {
    /// The caller's role.
    pub role: Role,
    /// The caller is the patient.
    pub is_patient: bool,
    /// The caller is a doctor whom an admin has verified.
    pub is_verified: bool,
    /// The caller wrote the record in question; for a list: any record of this patient.
    pub is_author: bool,
    /// A visit connects the two; `None` when the appointment-service could not say.
    pub is_treating: Option<bool>,
    /// The patient granted access, and it has not run out.
    pub is_granted: bool,
    /// The caller breaks the glass and says why.
    pub breaks_glass: bool,
    /// The setting.
    pub doctor_access: DoctorAccess,
}

/// The rule that opened the door. Kept in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rule {
    /// The patient's own record.
    OwnRecord,
    /// The author's own record.
    Author,
    /// A visit between the two.
    Appointment,
    /// The patient's grant.
    Grant,
    /// A stated emergency.
    BreakGlass,
    /// The setting that lets every verified doctor in.
    AnyDoctor,
    /// An admin's look at the log itself.
    Oversight,
}

/// Why the door stays shut. Kept in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Denial {
    /// This role may never do this.
    Role,
    /// The doctor has not been verified.
    NotVerified,
    /// Another patient.
    NotThePatient,
    /// Nothing connects the doctor with the patient.
    NoRelationship,
    /// Somebody else wrote it.
    NotTheAuthor,
    /// Whether a visit connects them could not be found out.
    Unknown,
}

/// Decide. The order of the rules is the order in which they are preferred in the log: the most ordinary
/// reason first, so that breaking the glass is recorded only when nothing else would have done.
pub fn decide(operation: Operation, facts: Facts) -> Result<Rule, Denial> {
    match facts.role {
        Role::Patient => patient(operation, facts),
        Role::Doctor if facts.is_verified => doctor(operation, facts),
        Role::Doctor if matches!(operation, Operation::ManageGrants | Operation::ReadAccessLog) => {
            Err(Denial::Role)
        }
        Role::Doctor => Err(Denial::NotVerified),
        Role::Admin if operation == Operation::ReadAccessLog => Ok(Rule::Oversight),
        Role::Admin => Err(Denial::Role),
    }
}

fn patient(operation: Operation, facts: Facts) -> Result<Rule, Denial> {
    match operation {
        Operation::Prescribe => Err(Denial::Role),
        _ if !facts.is_patient => Err(Denial::NotThePatient),
        Operation::Correct if !facts.is_author => Err(Denial::NotTheAuthor),
        Operation::Correct => Ok(Rule::Author),
        _ => Ok(Rule::OwnRecord),
    }
}

fn doctor(operation: Operation, facts: Facts) -> Result<Rule, Denial> {
    match operation {
        Operation::ManageGrants | Operation::ReadAccessLog => Err(Denial::Role),
        Operation::Correct | Operation::Read if facts.is_author => Ok(Rule::Author),
        // Those who may see the record hear that it is not theirs; others, that there is none.
        Operation::Correct => by_relationship(facts, false).and(Err(Denial::NotTheAuthor)),
        Operation::Read => by_relationship(facts, facts.breaks_glass),
        Operation::List => match by_relationship(facts, facts.breaks_glass) {
            // Not when the answer is unknown: a short list must not pass for the whole one.
            Err(Denial::NoRelationship) if facts.is_author => Ok(Rule::Author),
            decided => decided,
        },
        Operation::Create | Operation::Prescribe => by_relationship(facts, false),
    }
}

fn by_relationship(facts: Facts, breaks_glass: bool) -> Result<Rule, Denial> {
    if facts.is_treating == Some(true) {
        Ok(Rule::Appointment)
    } else if facts.is_granted {
        Ok(Rule::Grant)
    } else if facts.doctor_access == DoctorAccess::Any {
        Ok(Rule::AnyDoctor)
    } else if breaks_glass {
        Ok(Rule::BreakGlass)
    } else if facts.is_treating.is_none() {
        Err(Denial::Unknown)
    } else {
        Err(Denial::NoRelationship)
    }
}

impl Rule {
    /// As in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnRecord => "OWN_RECORD",
            Self::Author => "AUTHOR",
            Self::Appointment => "APPOINTMENT",
            Self::Grant => "GRANT",
            Self::BreakGlass => "BREAK_GLASS",
            Self::AnyDoctor => "ANY_DOCTOR",
            Self::Oversight => "OVERSIGHT",
        }
    }
}

impl Denial {
    /// As in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "ROLE",
            Self::NotVerified => "NOT_VERIFIED",
            Self::NotThePatient => "NOT_THE_PATIENT",
            Self::NoRelationship => "NO_RELATIONSHIP",
            Self::NotTheAuthor => "NOT_THE_AUTHOR",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Facts = Facts {
        role: Role::Doctor,
        is_patient: false,
        is_verified: true,
        is_author: false,
        is_treating: Some(false),
        is_granted: false,
        breaks_glass: false,
        doctor_access: DoctorAccess::Treating,
    };
    const STRANGER: Facts = Facts {
        role: Role::Patient,
        is_verified: false,
        ..NOBODY
    };
    const OWN: Facts = Facts {
        is_patient: true,
        ..STRANGER
    };
    const ALL: Facts = Facts {
        is_author: true,
        is_treating: Some(true),
        is_granted: true,
        breaks_glass: true,
        ..NOBODY
    };
    const BLIND: Facts = Facts {
        is_treating: None,
        ..NOBODY
    };

    const OPERATIONS: [Operation; 7] = [
        Operation::List,
        Operation::Read,
        Operation::Create,
        Operation::Prescribe,
        Operation::Correct,
        Operation::ManageGrants,
        Operation::ReadAccessLog,
    ];

    /// A new operation or caller needs its cells here. A dash before a word: refused, for that reason.
    #[rustfmt::skip]
    const TABLE: [(&str, Facts, [&str; 7]); 16] = [
        //                                                              list     read     create   prescribe correct grants   log
        ("the patient", OWN,                                           ["own",   "own",   "own",   "-role", "-author", "own", "own"]),
        ("the patient as author", Facts { is_author: true, ..OWN },    ["own",   "own",   "own",   "-role", "author", "own", "own"]),
        ("another patient", STRANGER,                                  ["-else", "-else", "-else", "-role", "-else", "-else", "-else"]),
        ("another patient with everything", Facts { role: Role::Patient, ..ALL },
                                                                       ["-else", "-else", "-else", "-role", "-else", "-else", "-else"]),
        ("an admin", Facts { role: Role::Admin, ..ALL },               ["-role", "-role", "-role", "-role", "-role", "-role", "admin"]),
        ("a pending doctor", Facts { is_verified: false, ..ALL },      ["-pend", "-pend", "-pend", "-pend", "-pend", "-role", "-role"]),
        ("a pending doctor, any", Facts { is_verified: false, doctor_access: DoctorAccess::Any, ..NOBODY },
                                                                       ["-pend", "-pend", "-pend", "-pend", "-pend", "-role", "-role"]),
        ("a stranger", NOBODY,                                         ["-none", "-none", "-none", "-none", "-none", "-role", "-role"]),
        ("the author", Facts { is_author: true, ..NOBODY },            ["author", "author", "-none", "-none", "author", "-role", "-role"]),
        ("treating", Facts { is_treating: Some(true), ..NOBODY },      ["visit", "visit", "visit", "visit", "-author", "-role", "-role"]),
        ("granted", Facts { is_granted: true, ..NOBODY },              ["grant", "grant", "grant", "grant", "-author", "-role", "-role"]),
        ("granted, visits unknown", Facts { is_granted: true, ..BLIND }, ["grant", "grant", "grant", "grant", "-author", "-role", "-role"]),
        ("visits unknown", BLIND,                                      ["-away", "-away", "-away", "-away", "-away", "-role", "-role"]),
        ("the author, visits unknown", Facts { is_author: true, ..BLIND }, ["-away", "author", "-away", "-away", "author", "-role", "-role"]),
        ("glass broken, visits unknown", Facts { breaks_glass: true, ..BLIND }, ["glass", "glass", "-away", "-away", "-away", "-role", "-role"]),
        ("any doctor", Facts { doctor_access: DoctorAccess::Any, breaks_glass: true, ..NOBODY },
                                                                       ["any",   "any",   "any",   "any",   "-author", "-role", "-role"]),
    ];

    fn word(decision: Result<Rule, Denial>) -> &'static str {
        match decision {
            Ok(Rule::OwnRecord) => "own",
            Ok(Rule::Author) => "author",
            Ok(Rule::Appointment) => "visit",
            Ok(Rule::Grant) => "grant",
            Ok(Rule::BreakGlass) => "glass",
            Ok(Rule::AnyDoctor) => "any",
            Ok(Rule::Oversight) => "admin",
            Err(Denial::Role) => "-role",
            Err(Denial::NotVerified) => "-pend",
            Err(Denial::NotThePatient) => "-else",
            Err(Denial::NoRelationship) => "-none",
            Err(Denial::NotTheAuthor) => "-author",
            Err(Denial::Unknown) => "-away",
        }
    }

    #[test]
    fn the_whole_table() {
        for (who, facts, expected) in TABLE {
            let decided = OPERATIONS.map(|operation| word(decide(operation, facts)));
            assert_eq!(decided, expected, "{who}");
        }
    }

    #[test]
    fn the_most_ordinary_reason_is_the_one_recorded() {
        let list = |facts| word(decide(Operation::List, facts));
        assert_eq!(list(ALL), "visit");
        assert_eq!(
            list(Facts {
                is_treating: Some(false),
                ..ALL
            }),
            "grant"
        );
        assert_eq!(
            list(Facts {
                is_treating: Some(false),
                is_granted: false,
                ..ALL
            }),
            "glass"
        );
    }
}
