//! Who may do what with a patient's records, and by which rule: one pure function.

use std::str::FromStr;

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
pub fn decide(operation: Operation, facts: &Facts) -> Result<Rule, Denial> {
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

fn patient(operation: Operation, facts: &Facts) -> Result<Rule, Denial> {
    match operation {
        Operation::Prescribe => Err(Denial::Role),
        _ if !facts.is_patient => Err(Denial::NotThePatient),
        Operation::Correct if !facts.is_author => Err(Denial::NotTheAuthor),
        Operation::Correct => Ok(Rule::Author),
        _ => Ok(Rule::OwnRecord),
    }
}

fn doctor(operation: Operation, facts: &Facts) -> Result<Rule, Denial> {
    match operation {
        Operation::ManageGrants | Operation::ReadAccessLog => Err(Denial::Role),
        Operation::Correct if facts.is_author => Ok(Rule::Author),
        Operation::Correct => by_relationship(facts, false).and(Err(Denial::NotTheAuthor)),
        Operation::Read if facts.is_author => Ok(Rule::Author),
        Operation::Read => by_relationship(facts, facts.breaks_glass),
        Operation::List => match by_relationship(facts, facts.breaks_glass) {
            // Not when the answer is unknown: a short list must not pass for the whole one.
            Err(Denial::NoRelationship) if facts.is_author => Ok(Rule::Author),
            decided => decided,
        },
        Operation::Create | Operation::Prescribe => by_relationship(facts, false),
    }
}

fn by_relationship(facts: &Facts, breaks_glass: bool) -> Result<Rule, Denial> {
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

/// `records.doctor_access` holds another word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be treating or any")]
pub struct BadDoctorAccess;

impl FromStr for DoctorAccess {
    type Err = BadDoctorAccess;

    fn from_str(text: &str) -> Result<Self, BadDoctorAccess> {
        match text {
            "treating" => Ok(Self::Treating),
            "any" => Ok(Self::Any),
            _ => Err(BadDoctorAccess),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Denial::{
        NoRelationship, NotTheAuthor, NotThePatient, NotVerified, Role as WrongRole, Unknown,
    };
    use super::Operation::{Correct, Create, List, ManageGrants, Prescribe, Read, ReadAccessLog};
    use super::Rule::{AnyDoctor, Appointment, Author, BreakGlass, Grant, Oversight, OwnRecord};
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

    /// Every operation beside every kind of caller; a new operation or caller needs its cells here.
    #[test]
    fn the_whole_table() {
        let patient = Facts {
            role: Role::Patient,
            is_verified: false,
            ..NOBODY
        };
        let own = Facts {
            is_patient: true,
            ..patient
        };
        let unverified = Facts {
            is_verified: false,
            ..NOBODY
        };
        let everything = Facts {
            is_author: true,
            is_treating: Some(true),
            is_granted: true,
            breaks_glass: true,
            ..NOBODY
        };
        let callers: [(&str, Facts, [Result<Rule, Denial>; 7]); 16] = [
            // who                 facts        List  Read  Create  Prescribe  Correct  ManageGrants  ReadAccessLog
            (
                "the patient",
                own,
                [
                    Ok(OwnRecord),
                    Ok(OwnRecord),
                    Ok(OwnRecord),
                    Err(WrongRole),
                    Err(NotTheAuthor),
                    Ok(OwnRecord),
                    Ok(OwnRecord),
                ],
            ),
            (
                "the patient as author",
                Facts {
                    is_author: true,
                    ..own
                },
                [
                    Ok(OwnRecord),
                    Ok(OwnRecord),
                    Ok(OwnRecord),
                    Err(WrongRole),
                    Ok(Author),
                    Ok(OwnRecord),
                    Ok(OwnRecord),
                ],
            ),
            (
                "another patient",
                patient,
                [
                    Err(NotThePatient),
                    Err(NotThePatient),
                    Err(NotThePatient),
                    Err(WrongRole),
                    Err(NotThePatient),
                    Err(NotThePatient),
                    Err(NotThePatient),
                ],
            ),
            (
                "another patient with a header",
                Facts {
                    breaks_glass: true,
                    is_granted: true,
                    ..patient
                },
                [
                    Err(NotThePatient),
                    Err(NotThePatient),
                    Err(NotThePatient),
                    Err(WrongRole),
                    Err(NotThePatient),
                    Err(NotThePatient),
                    Err(NotThePatient),
                ],
            ),
            (
                "an admin",
                Facts {
                    role: Role::Admin,
                    ..everything
                },
                [
                    Err(WrongRole),
                    Err(WrongRole),
                    Err(WrongRole),
                    Err(WrongRole),
                    Err(WrongRole),
                    Err(WrongRole),
                    Ok(Oversight),
                ],
            ),
            (
                "a pending doctor",
                Facts {
                    is_verified: false,
                    ..everything
                },
                [
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "a pending doctor, any",
                Facts {
                    doctor_access: DoctorAccess::Any,
                    ..unverified
                },
                [
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(NotVerified),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "a stranger",
                NOBODY,
                [
                    Err(NoRelationship),
                    Err(NoRelationship),
                    Err(NoRelationship),
                    Err(NoRelationship),
                    Err(NoRelationship),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "the author",
                Facts {
                    is_author: true,
                    ..NOBODY
                },
                [
                    Ok(Author),
                    Ok(Author),
                    Err(NoRelationship),
                    Err(NoRelationship),
                    Ok(Author),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "treating",
                Facts {
                    is_treating: Some(true),
                    ..NOBODY
                },
                [
                    Ok(Appointment),
                    Ok(Appointment),
                    Ok(Appointment),
                    Ok(Appointment),
                    Err(NotTheAuthor),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "granted",
                Facts {
                    is_granted: true,
                    ..NOBODY
                },
                [
                    Ok(Grant),
                    Ok(Grant),
                    Ok(Grant),
                    Ok(Grant),
                    Err(NotTheAuthor),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "granted, visits unknown",
                Facts {
                    is_granted: true,
                    is_treating: None,
                    ..NOBODY
                },
                [
                    Ok(Grant),
                    Ok(Grant),
                    Ok(Grant),
                    Ok(Grant),
                    Err(NotTheAuthor),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "visits unknown",
                Facts {
                    is_treating: None,
                    ..NOBODY
                },
                [
                    Err(Unknown),
                    Err(Unknown),
                    Err(Unknown),
                    Err(Unknown),
                    Err(Unknown),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "the author, visits unknown",
                Facts {
                    is_author: true,
                    is_treating: None,
                    ..NOBODY
                },
                [
                    Err(Unknown),
                    Ok(Author),
                    Err(Unknown),
                    Err(Unknown),
                    Ok(Author),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "glass broken, visits unknown",
                Facts {
                    breaks_glass: true,
                    is_treating: None,
                    ..NOBODY
                },
                [
                    Ok(BreakGlass),
                    Ok(BreakGlass),
                    Err(Unknown),
                    Err(Unknown),
                    Err(Unknown),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
            (
                "any doctor",
                Facts {
                    doctor_access: DoctorAccess::Any,
                    breaks_glass: true,
                    ..NOBODY
                },
                [
                    Ok(AnyDoctor),
                    Ok(AnyDoctor),
                    Ok(AnyDoctor),
                    Ok(AnyDoctor),
                    Err(NotTheAuthor),
                    Err(WrongRole),
                    Err(WrongRole),
                ],
            ),
        ];
        for (who, facts, expected) in callers {
            let got = [
                List,
                Read,
                Create,
                Prescribe,
                Correct,
                ManageGrants,
                ReadAccessLog,
            ]
            .map(|op| decide(op, &facts));
            assert_eq!(got, expected, "{who}");
        }
    }

    #[test]
    fn the_most_ordinary_reason_is_the_one_recorded() {
        let all = Facts {
            is_treating: Some(true),
            is_granted: true,
            breaks_glass: true,
            ..NOBODY
        };
        assert_eq!(decide(List, &all), Ok(Appointment));
        assert_eq!(
            decide(
                List,
                &Facts {
                    is_treating: Some(false),
                    ..all
                }
            ),
            Ok(Grant)
        );
        assert_eq!(
            decide(
                List,
                &Facts {
                    is_treating: Some(false),
                    is_granted: false,
                    ..all
                }
            ),
            Ok(BreakGlass)
        );
    }
}
