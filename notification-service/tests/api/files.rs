use std::os::unix::fs::PermissionsExt;

use crate::helpers::{App, Visit};

#[tokio::test]
async fn hostile_names_reach_nobody_else_and_break_nothing() {
    let app = App::start().await;
    let names = [
        "Bob\r\nBcc: all@example.org",
        "Bob\nX-Evil: 1",
        "Bob\0",
        "\u{2028}\u{85}",
        "\u{202e}boB",
        "Bob, eve@example.org",
        "\"Bob\" <eve@example.org>",
        "<img src=//evil>",
        "{{7*7}}",
        "Zoë 😀",
        "",
        "   ",
    ];
    for name in names {
        let mut user = app.peers.patient();
        name.clone_into(&mut user.name);
        app.peers.put_user(user.clone());
        app.notify(user.id, "EMAIL", "x").await;
        app.send().await;
        assert_eq!(app.told(user.id).await, ["message/EMAIL/DELIVERED"], "{name:?}");
    }
    for mail in app.mails() {
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert!(
            !head
                .lines()
                .any(|line| line.starts_with("Bcc:") || line.starts_with("X-Evil:")),
            "{head}"
        );
        assert_eq!(head.lines().filter(|line| line.starts_with("To:")).count(), 1);
        assert!(!mail.contains("<img"));
    }
}

#[tokio::test]
async fn addresses_that_are_none_fail_and_hold_nobody_up() {
    let app = App::start().await;
    let (mut bad, good) = (app.peers.patient(), app.peers.patient());
    for address in ["x@y\r\nBcc: a@b", "nobody", "a@b, c@d"] {
        address.clone_into(&mut bad.email);
        app.peers.put_user(bad.clone());
        app.notify(bad.id, "EMAIL", "x").await;
        app.send().await;
    }
    app.notify(good.id, "EMAIL", "x").await;
    app.send().await;
    assert_eq!(app.told(bad.id).await, ["message/EMAIL/FAILED"; 3]);
    assert_eq!(app.told(good.id).await, ["message/EMAIL/DELIVERED"]);
}

#[tokio::test]
async fn messages_are_readable_by_their_owner_only_and_named_for_people() {
    let app = App::start().await;
    let (patient, doctor) = (app.peers.patient(), app.peers.doctor());
    let visit = Visit::booked(&app, &patient, &doctor, app.now() + chrono::TimeDelta::days(2));
    app.hear(&visit.as_booked()).await.unwrap();
    app.notify(patient.id, "SMS", "x").await;
    app.send().await;
    for folder in ["mail", "sms"] {
        let folder = app.folder.join(folder);
        assert_eq!(
            std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            let name = file.file_name().into_string().unwrap();
            assert!(name.starts_with("20270104T090000.000Z-"), "{name}");
            let kind = name.rsplit('.').next().unwrap().to_owned();
            assert!(matches!(kind.as_str(), "eml" | "json"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_mail_says_when_and_nothing_about_the_visit() {
    let app = App::start().await;
    let (mut patient, doctor) = (app.peers.patient(), app.peers.doctor());
    patient.time_zone = "America/Chicago".to_owned();
    app.peers.put_user(patient.clone());
    let visit = Visit::booked(&app, &patient, &doctor, app.now() + chrono::TimeDelta::days(2));
    app.hear(&visit.as_booked()).await.unwrap();
    app.send().await;
    let mails = app.mails();
    let mine = mails
        .iter()
        .find(|mail| mail.contains(&patient.email))
        .unwrap()
        .replace("=\r\n", "");
    assert!(
        mine.contains("Wednesday, 6 January 2027 at 03:00 (America/Chicago)"),
        "{mine}"
    );
    assert!(
        mine.contains("Wednesday, 6 January 2027 at 10:00 (Europe/Berlin)"),
        "{mine}"
    );
    for mail in &mails {
        for secret in ["Cardiology", doctor.phone.as_deref().unwrap(), "Test DOCTOR,"] {
            assert!(
                !mail.contains(secret) || mail.contains(&doctor.email),
                "{secret} in {mail}"
            );
        }
        assert!(!mail.contains(&visit.change.appointment_id.to_string()));
    }
}
