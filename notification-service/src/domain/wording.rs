//! What messages say: that something happened and when, never what it is about. No names but the reader's own,
//! no doctor, no specialty, no content of records.

use askama::Template as _;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::audience::Facts;
use super::template::Template;
use super::text::clean_name;

/// A finished message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Everything that may stand in a message.
#[derive(Debug, Clone)]
pub struct Wording<'a> {
    pub template: Template,
    pub facts: &'a Facts,
    /// The reader's.
    pub name: &'a str,
    pub zone: Tz,
    /// Where the visit takes place, when that is known and not the reader's own.
    pub clinic_zone: Option<Tz>,
    pub clinic: &'a str,
    /// Where people log in.
    pub home: &'a str,
    /// The link that resets a password.
    pub reset_link: Option<&'a str>,
}

#[derive(askama::Template)]
#[template(path = "mail.html")]
struct MailPage<'a> {
    subject: &'a str,
    greeting: &'a str,
    paragraphs: &'a [String],
    link: &'a str,
    action: &'a str,
    clinic: &'a str,
}

impl Wording<'_> {
    /// The message as e-mail, in plain text and in HTML with everything escaped.
    ///
    /// # Errors
    /// When the page cannot be written.
    pub fn mail(&self) -> Result<Mail, askama::Error> {
        let subject = self.subject();
        let greeting = match clean_name(self.name) {
            name if name.is_empty() => "Hello,".to_owned(),
            name => format!("Hello {name},"),
        };
        let paragraphs = self.paragraphs();
        let (action, link) = match self.reset_link {
            Some(link) => ("Choose a new password", link),
            None => ("Log in", self.home),
        };
        let page = MailPage {
            subject: &subject,
            greeting: &greeting,
            paragraphs: &paragraphs,
            link,
            action,
            clinic: self.clinic,
        };
        let html = page.render()?;
        let body = paragraphs.join("\n\n");
        let text = format!("{greeting}\n\n{body}\n\n{action}: {link}\n\n{}\n", self.clinic);
        Ok(Mail { subject, text, html })
    }

    /// The message as SMS.
    pub fn sms(&self) -> String {
        let sentence = match self.template {
            Template::AppointmentBooked => format!("You have an appointment on {}.", self.start()),
            Template::AppointmentRescheduled => {
                format!("Your appointment has been moved to {}.", self.start())
            }
            Template::AppointmentConfirmed => format!("Your appointment on {} is confirmed.", self.start()),
            Template::AppointmentCancelled => {
                format!("Your appointment on {} has been cancelled.", self.start())
            }
            Template::AppointmentReminder => {
                format!("Reminder: you have an appointment on {}.", self.start())
            }
            // Exactly what was written, which may be as long as an SMS can be.
            Template::Message => return self.facts.message.clone().unwrap_or_default(),
            _ => format!("{}. Log in to see more.", self.subject()),
        };
        format!("{}: {sentence}", self.clinic)
    }

    fn subject(&self) -> String {
        match self.template {
            Template::AppointmentBooked => "Your appointment is booked",
            Template::AppointmentRescheduled => "Your appointment has been moved",
            Template::AppointmentConfirmed => "Your appointment is confirmed",
            Template::AppointmentCancelled => "Your appointment has been cancelled",
            Template::AppointmentReminder => "Reminder of your appointment",
            Template::RecordCreated => "A new document is available",
            Template::RecordAmended => "A document has been corrected",
            Template::GlassBroken => "Your records were opened in an emergency",
            Template::DoctorVerified => "Your account has been verified",
            Template::PasswordReset => "Reset your password",
            Template::PasswordChanged => "Your password has been changed",
            Template::SecondFactorChanged => "Your second factor has been changed",
            Template::TokenReused => "Somebody else may have used your login",
            Template::Message => {
                return self
                    .facts
                    .subject
                    .clone()
                    .unwrap_or_else(|| "A message for you".to_owned());
            }
        }
        .to_owned()
    }

    fn paragraphs(&self) -> Vec<String> {
        match self.template {
            Template::AppointmentBooked => vec![format!("You have an appointment on {}.", self.start())],
            Template::AppointmentRescheduled => self.moved(),
            Template::AppointmentConfirmed => vec![format!("Your appointment on {} is confirmed.", self.start())],
            Template::AppointmentCancelled => {
                vec![format!("Your appointment on {} has been cancelled.", self.start())]
            }
            Template::AppointmentReminder => {
                vec![format!("This is a reminder: you have an appointment on {}.", self.start())]
            }
            Template::RecordCreated => vec!["A new document is available. Log in to read it.".to_owned()],
            Template::RecordAmended => {
                vec!["A document has been corrected. The earlier version is kept. Log in to read both.".to_owned()]
            }
            Template::GlassBroken => vec![
                format!("Your records were opened by emergency access on {}.", self.moment(self.facts.at)),
                "Log in to see by whom and with what reason. If you have questions, please contact us.".to_owned(),
            ],
            Template::DoctorVerified => {
                vec!["Your account has been verified. Patients can find and book you now.".to_owned()]
            }
            Template::PasswordReset => vec![
                "Somebody asked to reset the password of your account. The link works once and only for a short time."
                    .to_owned(),
                "If it was not you, do nothing: your password stays as it is.".to_owned(),
            ],
            Template::PasswordChanged => vec![
                "The password of your account has been changed, and your other devices have been logged out.".to_owned(),
                "If it was not you, reset your password at once and contact us.".to_owned(),
            ],
            Template::SecondFactorChanged => vec![
                "The second factor of your account has been set up or taken away, and your other devices have been logged out."
                    .to_owned(),
                "If it was not you, reset your password at once and contact us.".to_owned(),
            ],
            Template::TokenReused => vec![
                "The login of one of your devices was used in two places, so that somebody may have a copy of it. It has been ended in both."
                    .to_owned(),
                "Log in again. If you do not know how this came about, change your password.".to_owned(),
            ],
            Template::Message => {
                let message = self.facts.message.as_deref().unwrap_or_default();
                message.split("\n\n").map(str::to_owned).collect()
            }
        }
    }

    fn moved(&self) -> Vec<String> {
        let news = format!("Your appointment has been moved to {}.", self.start());
        match self.facts.previous_start_at {
            Some(before) => vec![
                news,
                format!("It no longer takes place on {}.", self.moment(Some(before))),
            ],
            None => vec![news],
        }
    }

    fn start(&self) -> String {
        self.moment(self.facts.start_at)
    }

    /// On the reader's clock, and on the clinic's where the two differ.
    fn moment(&self, at: Option<DateTime<Utc>>) -> String {
        let Some(at) = at else {
            return "another day".to_owned();
        };
        let own = in_zone(at, self.zone);
        match self.clinic_zone.filter(|clinic| differ(at, self.zone, *clinic)) {
            Some(clinic) => format!("{own}; that is {}", in_zone(at, clinic)),
            None => own,
        }
    }
}

fn in_zone(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    format!("{} ({})", local.format("%A, %-d %B %Y at %H:%M"), zone.name())
}

fn differ(at: DateTime<Utc>, one: Tz, other: Tz) -> bool {
    at.with_timezone(&one).naive_local() != at.with_timezone(&other).naive_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording<'a>(template: Template, facts: &'a Facts, name: &'a str) -> Wording<'a> {
        Wording {
            template,
            facts,
            name,
            zone: Tz::Europe__Berlin,
            clinic_zone: None,
            clinic: "Healthcare",
            home: "http://localhost:8080",
            reset_link: None,
        }
    }

    fn facts() -> Facts {
        let start_at = DateTime::parse_from_rfc3339("2026-11-25T09:30:00Z")
            .unwrap()
            .to_utc();
        Facts {
            start_at: Some(start_at),
            ..Facts::default()
        }
    }

    #[test]
    fn times_are_told_on_the_readers_clock_and_on_the_clinics_where_they_differ() {
        let facts = facts();
        let mut wording = wording(Template::AppointmentReminder, &facts, "Ada");
        let own = "Wednesday, 25 November 2026 at 10:30 (Europe/Berlin)";
        assert!(wording.mail().unwrap().text.contains(&format!("on {own}.")));
        wording.clinic_zone = Some(Tz::Europe__Paris);
        assert!(wording.sms().ends_with(&format!("on {own}.")));
        wording.clinic_zone = Some(Tz::America__Chicago);
        assert!(
            wording
                .sms()
                .contains("that is Wednesday, 25 November 2026 at 03:30 (America/Chicago)")
        );
    }

    #[test]
    fn a_name_cannot_break_out_of_the_page_or_the_line() {
        let facts = facts();
        let mail = wording(Template::AppointmentBooked, &facts, "<img src=//evil>\r\nBcc: x")
            .mail()
            .unwrap();
        assert!(!mail.html.contains("<img"), "{}", mail.html);
        assert!(mail.text.starts_with("Hello img src=//evil Bcc: x,\n"));
        let message = Facts {
            message: Some("<script>alert(1)</script>".to_owned()),
            subject: Some("a & b".to_owned()),
            ..Facts::default()
        };
        let mail = wording(Template::Message, &message, "").mail().unwrap();
        assert!(!mail.html.contains("<script"));
        assert!(
            mail.html.contains("a &#38; b") && mail.subject == "a & b" && mail.text.starts_with("Hello,\n")
        );
    }

    #[test]
    fn every_template_reads_in_both_channels_and_shows_nothing_from_outside() {
        let facts = facts();
        for template in Template::ALL {
            let wording = wording(template, &facts, "Ada");
            let mail = wording.mail().unwrap();
            assert!(!mail.subject.is_empty() && mail.text.len() > 40);
            assert!(!mail.html.contains("src=") && !mail.html.contains("url("));
            if template != Template::Message {
                assert!(
                    wording.sms().len() <= 160,
                    "{} is long: {}",
                    template.as_str(),
                    wording.sms()
                );
            }
        }
    }

    #[test]
    fn a_reset_mail_carries_its_link() {
        let facts = Facts::default();
        let link = "http://localhost:8080/password/reset#token=abc";
        let wording = Wording {
            reset_link: Some(link),
            ..wording(Template::PasswordReset, &facts, "Ada")
        };
        let mail = wording.mail().unwrap();
        assert!(mail.text.contains(link) && mail.html.contains("token=abc"));
    }
}
