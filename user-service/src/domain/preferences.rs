//! How somebody wants to be told: what may be stored.

use common::clients::users::{Preferences, QuietHours};
use common::problem::Checks;

use super::availability::minute;

const MAX_CATEGORIES: usize = 32;
const MAX_CATEGORY: usize = 40;
const MAX_LANGUAGE: usize = 35;

/// Note everything that is wrong with `preferences`, which stand at `pointer` of the request.
///
/// Which categories there are is the notification-service's to know; a name that it does not know changes nothing.
pub fn check(preferences: &Preferences, pointer: &str, checks: &mut Checks) {
    if preferences.categories.len() > MAX_CATEGORIES {
        checks.refuse(
            format!("{pointer}/categories"),
            format!("must be at most {MAX_CATEGORIES}"),
        );
    }
    if !preferences.categories.keys().all(|name| is_category(name)) {
        checks.refuse(
            format!("{pointer}/categories"),
            "must be names of categories, such as REMINDER",
        );
    }
    if let Some(hours) = &preferences.quiet_hours {
        check_quiet_hours(hours, &format!("{pointer}/quiet_hours"), checks);
    }
    if preferences
        .language
        .as_deref()
        .is_some_and(|tag| !is_language(tag))
    {
        checks.refuse(
            format!("{pointer}/language"),
            "must be a language tag such as en or de-CH",
        );
    }
}

fn check_quiet_hours(hours: &QuietHours, at: &str, checks: &mut Checks) {
    let start = checks.take(&format!("{at}/start"), minute(&hours.start));
    let end = checks.take(&format!("{at}/end"), minute(&hours.end));
    if start.is_some() && start == end {
        checks.refuse(format!("{at}/end"), "must differ from start");
    }
}

fn is_category(name: &str) -> bool {
    (1..=MAX_CATEGORY).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

/// The shape of a BCP 47 tag: a language, then subtags.
fn is_language(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let language = subtags.next().unwrap_or_default();
    tag.len() <= MAX_LANGUAGE
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && subtags.all(|s| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(preferences: Value) -> Vec<String> {
        let mut checks = Checks::default();
        check(
            &serde_json::from_value(preferences).unwrap(),
            "/notifications",
            &mut checks,
        );
        checks
            .into_problem()
            .document()
            .errors
            .into_iter()
            .map(|error| error.pointer)
            .collect()
    }

    #[test]
    fn only_sound_preferences_are_stored() {
        let good = json!({
            "categories": {"REMINDER": {"sms": false}},
            "quiet_hours": {"start": "22:00", "end": "07:00"},
            "language": "de-CH"
        });
        assert_eq!(refused(good), Vec::<String>::new());
        assert_eq!(refused(json!({})), Vec::<String>::new());
        for (bad, at) in [
            (json!({"categories": {"": {}}}), "/notifications/categories"),
            (json!({"categories": {"a\nb": {}}}), "/notifications/categories"),
            (
                json!({"quiet_hours": {"start": "22", "end": "07:00"}}),
                "/notifications/quiet_hours/start",
            ),
            (
                json!({"quiet_hours": {"start": "22:00", "end": "22:00"}}),
                "/notifications/quiet_hours/end",
            ),
            (json!({"language": "english please"}), "/notifications/language"),
            (json!({"language": ""}), "/notifications/language"),
        ] {
            assert_eq!(refused(bad.clone()), [at], "{bad}");
        }
    }
}
