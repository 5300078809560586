//! E-mail addresses, and which spellings of one are the same account.

use unicode_normalization::UnicodeNormalization;

/// Longest address that mail servers carry (RFC 5321).
const MAX_LENGTH: usize = 254;
const MAX_LOCAL: usize = 64;
const MAX_LABEL: usize = 63;

/// An address with its canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    shown: String,
    key: String,
}

/// The text is not an address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as name@example.org")]
pub struct InvalidEmail;

impl Email {
    /// Read an address: compatibility forms folded, spaces around it dropped, ASCII only.
    ///
    /// Letters with accents are refused rather than folded: two mailboxes must never become one account.
    pub fn parse(raw: &str) -> Result<Self, InvalidEmail> {
        if raw.len() > 4 * MAX_LENGTH {
            return Err(InvalidEmail);
        }
        let shown: String = raw.trim_matches(' ').nfkc().collect();
        let (local, domain) = shown.rsplit_once('@').ok_or(InvalidEmail)?;
        if shown.len() > MAX_LENGTH || !is_local(local) || !is_domain(domain) {
            return Err(InvalidEmail);
        }
        let key = shown.to_ascii_lowercase();
        Ok(Self { shown, key })
    }

    /// As its owner wrote it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Equal for all spellings of one account.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What a password must not be made of.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.key.split(['@', '.', '+', '-', '_'])
    }
}

/// Dot-atoms without quoting: what every provider hands out.
fn is_local(local: &str) -> bool {
    local.len() <= MAX_LOCAL
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

fn is_domain(domain: &str) -> bool {
    let mut labels = domain.split('.').peekable();
    let mut count = 0;
    while let Some(label) = labels.next() {
        let last = labels.peek().is_none();
        count += 1;
        if !is_label(label) || (last && label.bytes().all(|b| b.is_ascii_digit())) {
            return false;
        }
    }
    count >= 2
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_share_a_key() {
        for spelling in [
            "ann@x.org",
            "ANN@X.ORG",
            "Ann@x.org ",
            " ann@x.org",
            "ａｎｎ@x.org",
            "ann＠x.org",
        ] {
            assert_eq!(Email::parse(spelling).unwrap().key(), "ann@x.org", "{spelling:?}");
        }
        assert_eq!(Email::parse("Ann@X.org").unwrap().shown(), "Ann@X.org");
        assert!(Email::parse("o'neil+clinic@mail.example.co").is_ok());
        assert!(Email::parse("a@xn--bcher-kva.example").is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (bad, why) in [
            ("", "empty"),
            ("ann", "no @"),
            ("@x.org", "no local part"),
            ("ann@", "no domain"),
            ("ann@localhost", "one label"),
            ("a@b@x.org", "two @"),
            ("a b@x.org", "space inside"),
            ("a\r\nBcc:b@x.org", "line break"),
            ("a\u{0}@x.org", "NUL"),
            ("ann@x..org", "empty label"),
            (".ann@x.org", "leading dot"),
            ("ann@-x.org", "leading hyphen"),
            ("ann@10.0.0.1", "address instead of a name"),
            ("\"a\"@x.org", "quoted"),
            ("ánn@x.org", "accent"),
            ("аnn@x.org", "Cyrillic letter"),
            ("ann@[::1]", "literal"),
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{why}");
        }
        assert_eq!(
            Email::parse(&format!("{}@x.org", "a".repeat(65))),
            Err(InvalidEmail)
        );
        assert_eq!(
            Email::parse(&format!("a@{}.org", "a.".repeat(130))),
            Err(InvalidEmail)
        );
        assert_eq!(Email::parse(&"a".repeat(1_000_000)), Err(InvalidEmail));
    }
}
