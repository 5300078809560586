//! What messages say: that something happened and when, never what it is about. No names but the reader's own,
//! no doctor, no specialty, no content of records. The words are settings; what may be filled into them is not.

use askama::Template as _;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::audience::Facts;
use super::template::Template;
use super::text::clean_name;
use super::texts::{Messages, fill};

/// A finished message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who writes.
    pub sender: String,
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
    pub messages: &'a Messages,
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
            name if name.is_empty() => self.messages.greeting_without_name.clone(),
            name => fill(&self.messages.greeting, |_| name.clone()),
        };
        let (paragraphs, clinic) = (self.paragraphs(), self.messages.clinic.as_str());
        let (action, link) = match self.reset_link {
            Some(link) => (self.messages.choose_password.as_str(), link),
            None => (self.messages.log_in.as_str(), self.home),
        };
        let page = MailPage {
            subject: &subject,
            greeting: &greeting,
            paragraphs: &paragraphs,
            link,
            action,
            clinic,
        };
        let html = page.render()?;
        let body = paragraphs.join("\n\n");
        let text = format!("{greeting}\n\n{body}\n\n{action}: {link}\n\n{clinic}\n");
        Ok(Mail {
            sender: clinic.to_owned(),
            subject,
            text,
            html,
        })
    }

    /// The message as SMS. An administrator's words are sent as they are: they may be as long as an SMS can be.
    pub fn sms(&self) -> String {
        match self.messages.of(self.template) {
            Some(texts) => self.fill(&texts.sms),
            None => self.facts.message.clone().unwrap_or_default(),
        }
    }

    fn subject(&self) -> String {
        match (self.messages.of(self.template), &self.facts.subject) {
            (Some(texts), _) => self.fill(&texts.subject),
            (None, Some(subject)) => subject.clone(),
            (None, None) => self.messages.without_subject.clone(),
        }
    }

    fn paragraphs(&self) -> Vec<String> {
        let Some(texts) = self.messages.of(self.template) else {
            let message = self.facts.message.as_deref().unwrap_or_default();
            return message.split("\n\n").map(str::to_owned).collect();
        };
        let says_nothing =
            |text: &&str| text.contains("{previous_start}") && self.facts.previous_start_at.is_none();
        let paragraphs = texts.text.trim().split("\n\n");
        paragraphs
            .filter(|text| !says_nothing(text))
            .map(|text| self.fill(text))
            .collect()
    }

    fn fill(&self, text: &str) -> String {
        fill(text, |field| match field {
            "clinic" => self.messages.clinic.clone(),
            "previous_start" => self.moment(self.facts.previous_start_at),
            "at" => self.moment(self.facts.at),
            _ => self.moment(self.facts.start_at),
        })
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

    fn messages() -> Messages {
        let needed = "mysql: {url: 'mysql://x@localhost/x'}";
        let live = common::config::from_yaml::<crate::config::Settings>(
            "notification-service",
            &[crate::config::DEFAULTS, needed],
        );
        live.unwrap().current().messages.clone()
    }

    fn wording<'a>(
        template: Template,
        facts: &'a Facts,
        (messages, name): (&'a Messages, &'a str),
    ) -> Wording<'a> {
        Wording {
            template,
            facts,
            name,
            zone: Tz::Europe__Berlin,
            clinic_zone: None,
            messages,
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
        let (facts, messages) = (facts(), messages());
        let mut wording = wording(Template::AppointmentReminder, &facts, (&messages, "Ada"));
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
        let (facts, messages) = (facts(), messages());
        let name = "<img src=//evil>\r\nBcc: x";
        let mail = wording(Template::AppointmentBooked, &facts, (&messages, name));
        let mail = mail.mail().unwrap();
        assert!(!mail.html.contains("<img"), "{}", mail.html);
        assert!(mail.text.starts_with("Hello img src=//evil Bcc: x,\n"));
        let message = Facts {
            message: Some("<script>alert(1)</script>".to_owned()),
            subject: Some("a & b".to_owned()),
            ..Facts::default()
        };
        let mail = wording(Template::Message, &message, (&messages, ""));
        let mail = mail.mail().unwrap();
        assert!(!mail.html.contains("<script"));
        assert!(
            mail.html.contains("a &#38; b") && mail.subject == "a & b" && mail.text.starts_with("Hello,\n")
        );
    }

    #[test]
    fn every_template_reads_in_both_channels_and_shows_nothing_from_outside() {
        let (facts, messages) = (facts(), messages());
        for template in Template::ALL {
            let wording = wording(template, &facts, (&messages, "Ada"));
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
        let (facts, messages) = (Facts::default(), messages());
        let link = "http://localhost:8080/password/reset#token=abc";
        let wording = Wording {
            reset_link: Some(link),
            ..wording(Template::PasswordReset, &facts, (&messages, "Ada"))
        };
        let mail = wording.mail().unwrap();
        assert!(mail.text.contains(link) && mail.html.contains("token=abc"));
    }

    #[test]
    fn a_move_names_the_former_time_if_it_is_known() {
        let messages = messages();
        let before = facts().start_at.map(|at| at + chrono::TimeDelta::days(1));
        for previous_start_at in [None, before] {
            let facts = Facts {
                previous_start_at,
                ..facts()
            };
            let mail = wording(Template::AppointmentRescheduled, &facts, (&messages, "Ada"));
            let text = mail.mail().unwrap().text;
            assert!(text.contains("moved to Wednesday, 25 November 2026"), "{text}");
            assert_eq!(
                text.contains("no longer takes place on Thursday, 26 November"),
                before.is_some() && previous_start_at.is_some()
            );
            assert!(!text.contains('{') && !text.contains("another day"), "{text}");
        }
    }

    /// Words from the settings are words, in HTML as well.
    #[test]
    fn a_template_is_text_and_no_page() {
        let (facts, mut messages) = (facts(), messages());
        messages.templates.get_mut("appointment_booked").unwrap().text =
            "<b>{start}</b>\n\nsee <i>us".to_owned();
        let mail = wording(Template::AppointmentBooked, &facts, (&messages, "Ada"));
        let mail = mail.mail().unwrap();
        assert!(
            !mail.html.contains("<b>") && !mail.html.contains("<i>"),
            "{}",
            mail.html
        );
        assert!(mail.html.contains("see &#60;i&#62;us") && mail.text.contains("<b>Wednesday"));
    }
}
