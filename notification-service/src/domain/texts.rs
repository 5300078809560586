//! The words of messages as the settings have them, with fields that are filled in for each recipient.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::template::Template;
use super::text::{check_message, check_subject};

const LONGEST_SUBJECT: usize = 150;
const LONGEST_TEXT: usize = 5_000;
const LONGEST_SMS: usize = 300;
const LONGEST_LABEL: usize = 80;

/// Section `messages`.
#[derive(Debug, Clone, Deserialize)]
pub struct Messages {
    /// Who writes.
    pub clinic: String,
    /// What the link in a password mail is made of.
    pub reset_link: String,
    pub greeting: String,
    pub greeting_without_name: String,
    pub log_in: String,
    pub choose_password: String,
    /// Stands over what an administrator has written without one.
    pub without_subject: String,
    /// One for every [`Template`] but `message`, which an administrator writes.
    pub templates: BTreeMap<String, Texts>,
}

/// What one template says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    pub subject: String,
    /// Paragraphs with an empty line between them.
    pub text: String,
    pub sms: String,
}

impl Messages {
    /// Refuse what could not be sent; the text names the key.
    ///
    /// # Errors
    /// What is missing, unknown or too long.
    pub fn check(&self) -> Result<(), String> {
        if !self.reset_link.contains("{token}") {
            return Err("messages.reset_link must hold {token}".to_owned());
        }
        for (key, label, fields) in [
            ("clinic", &self.clinic, &[][..]),
            ("greeting", &self.greeting, &["name"]),
            ("greeting_without_name", &self.greeting_without_name, &[]),
            ("log_in", &self.log_in, &[]),
            ("choose_password", &self.choose_password, &[]),
            ("without_subject", &self.without_subject, &[]),
        ] {
            check_subject(label, LONGEST_LABEL)
                .and_then(|_| check_fields(label, fields))
                .map_err(|problem| format!("messages.{key}: {problem}"))?;
        }
        let known = || Template::ALL.into_iter().filter(|one| *one != Template::Message);
        if let Some(unknown) = self
            .templates
            .keys()
            .find(|name| known().all(|one| setting(one) != **name))
        {
            return Err(format!("messages.templates: there is no `{unknown}`"));
        }
        known().try_for_each(|template| {
            let name = setting(template);
            let texts = self.templates.get(&name).ok_or("is missing".to_owned());
            let checked = texts.and_then(|texts| texts.check(template.fields()));
            checked.map_err(|problem| format!("messages.templates.{name}: {problem}"))
        })
    }

    /// What `template` says. `None` for what an administrator writes.
    pub fn of(&self, template: Template) -> Option<&Texts> {
        self.templates.get(&setting(template))
    }
}

/// A template's key among the settings, where a dot would end the key.
fn setting(template: Template) -> String {
    template.as_str().replace('.', "_")
}

impl Texts {
    fn check(&self, fields: &[&str]) -> Result<(), String> {
        let named = |key: &'static str| move |problem: String| format!("{key} {problem}");
        check_subject(&self.subject, LONGEST_SUBJECT).map_err(named("subject"))?;
        check_message(&self.text, LONGEST_TEXT).map_err(named("text"))?;
        check_subject(&self.sms, LONGEST_SMS).map_err(named("sms"))?;
        [&self.subject, &self.text, &self.sms]
            .into_iter()
            .try_for_each(|text| check_fields(text, fields))
    }
}

enum Piece<'a> {
    Text(&'a str),
    Field(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('{') {
        let (field, after) = behind.split_once('}').ok_or("a brace is not closed")?;
        pieces.extend([Piece::Text(before), Piece::Field(field)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn check_fields(text: &str, known: &[&str]) -> Result<(), String> {
    let unknown = pieces(text)?.into_iter().find_map(|piece| match piece {
        Piece::Field(field) if !known.contains(&field) => Some(field.to_owned()),
        _ => None,
    });
    match unknown {
        Some(field) => Err(format!("{{{field}}} cannot be filled in here")),
        None => Ok(()),
    }
}

/// `text` with its fields filled in, once: braces in a value are not looked at again.
pub fn fill(text: &str, value: impl Fn(&str) -> String) -> String {
    // Texts with an open brace were refused before they came here.
    let pieces = pieces(text).unwrap_or_default();
    let filled = pieces.into_iter().map(|piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Field(field) => value(field),
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_filled_in_once() {
        let value = |field: &str| match field {
            "name" => "{clinic} } {".to_owned(),
            _ => "CLINIC".to_owned(),
        };
        assert_eq!(
            fill("Hello {name}, {clinic}}", value),
            "Hello {clinic} } {, CLINIC}"
        );
        assert_eq!(fill("", value), "");
    }

    #[test]
    fn only_known_fields_pass() {
        assert_eq!(
            check_fields("on {start} at {clinic} }", &["start", "clinic"]),
            Ok(())
        );
        for bad in ["{diagnosis}", "{}", "{ start }", "{start", "{{start}}"] {
            assert!(check_fields(bad, &["start"]).is_err(), "{bad}");
        }
    }
}
