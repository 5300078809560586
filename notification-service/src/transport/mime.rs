//! E-mail as bytes.

use std::panic::catch_unwind;
use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::Ticket;
use crate::domain::text::clean_name;
use crate::domain::wording::Mail;

/// RFC 5322, 2.1.1.
const LONGEST_LINE: usize = 998;

/// Who a mail says it is from.
pub(super) fn sender(address: &Address, name: &str) -> Mailbox {
    // Providers take only ASCII in the sender's name.
    let name: String = clean_name(name).chars().filter(char::is_ascii).collect();
    Mailbox::new((!name.is_empty()).then_some(name), address.clone())
}

/// The finished mail. `None`: it cannot be written for this recipient, now or later.
pub(super) fn build(from: &Address, ticket: Ticket, to: (&str, &str), mail: &Mail) -> Option<Message> {
    // lettre 0.11 panics on some display names; cleaned ones are not known to, and a panic must not be retried
    // for ever.
    catch_unwind(|| write(from, ticket, to, mail)).ok().flatten()
}

fn write(from: &Address, ticket: Ticket, (address, name): (&str, &str), mail: &Mail) -> Option<Message> {
    let address: Address = address.parse().ok()?;
    let name = clean_name(name);
    let to = Mailbox::new((!name.is_empty()).then_some(name), address);
    // The same for every try: many receivers drop a second copy by it.
    let message_id = format!("<{}@{}>", ticket.id, from.domain());
    Message::builder()
        .from(sender(from, &mail.sender))
        .to(to)
        .subject(mail.subject.clone())
        .message_id(Some(message_id))
        .date(SystemTime::from(ticket.now))
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
                .singlepart(part(ContentType::TEXT_HTML, &mail.html)),
        )
        .ok()
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(kind).body(body(text))
}

/// As it is where mail servers allow that: links and tokens stay readable in the raw message.
fn body(text: &str) -> Body {
    let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
    if lines.is_ascii() && lines.split("\r\n").all(|line| line.len() <= LONGEST_LINE) {
        return Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use common::ids::NotificationId;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            id: NotificationId::generate(),
            attempt: 1,
            template: "message",
            now: DateTime::UNIX_EPOCH,
            expires_at: None,
        }
    }

    fn mail() -> Mail {
        Mail {
            sender: "Healthcare".to_owned(),
            subject: "Grüße".to_owned(),
            text: "text".to_owned(),
            html: "<p>html</p>".to_owned(),
        }
    }

    fn headers(name: &str) -> String {
        let from = "no-reply@healthcare.local".parse().unwrap();
        let bytes = build(&from, ticket(), ("ada@example.org", name), &mail())
            .unwrap()
            .formatted();
        let text = String::from_utf8(bytes).unwrap();
        text.split("\r\n\r\n").next().unwrap().to_owned()
    }

    #[test]
    fn no_name_adds_a_header_or_a_recipient() {
        let hostile = [
            "Bob\r\nBcc: all@example.org",
            "Bob\nX-Evil: 1",
            "Bob\0",
            "\u{85}\u{2028}",
            "Bob, eve@example.org",
            "\"Bob\" <eve@example.org>",
            "\u{202e}boB",
            "a\rb",
            "",
            "=?utf-8?q?x?=",
            "Zoë",
            "\u{1f600}",
            "(comment",
        ];
        let plain: Vec<String> = names_of(&headers("Ada"));
        for name in hostile {
            let head = headers(name);
            assert_eq!(names_of(&head), plain, "{name:?}: {head}");
            assert_eq!(head.matches('@').count(), 3, "{name:?}: {head}");
        }
    }

    fn names_of(head: &str) -> Vec<String> {
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn plain_text_stays_readable_and_everything_else_is_encoded() {
        assert_eq!(body("a=b\nc").encoding(), ContentTransferEncoding::SevenBit);
        assert_eq!(body("a=b\nc").as_ref(), b"a=b\r\nc");
        for other in ["é", &"x".repeat(999)] {
            assert_ne!(body(other).encoding(), ContentTransferEncoding::SevenBit);
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let from = "no-reply@healthcare.local".parse().unwrap();
        for bad in ["", "ada", "ada@", "a@b\r\nBcc: c@d", "a@b, c@d", "a b@c"] {
            assert!(build(&from, ticket(), (bad, "Ada"), &mail()).is_none(), "{bad:?}");
        }
    }
}
