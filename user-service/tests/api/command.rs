//! `user-service verify-audit`, and arguments that mean nothing.

use std::process::Output;

use common::clock::Clock;

use crate::helpers::TestApp;
use crate::process::Site;

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn mark(site: &Site, seq: i64) -> String {
    let mac: String = sqlx::query_scalar("select lower(hex(mac)) from audit where seq = ?")
        .bind(seq)
        .fetch_one(&site.db)
        .await
        .unwrap();
    format!("{seq}:{mac}")
}

#[tokio::test]
async fn the_audit_is_verified_by_the_program_and_against_a_mark_kept_elsewhere() {
    let site = Site::new().await;
    let app = TestApp::start_on(site.db.clone(), "", Clock::System).await;
    for n in 0..6 {
        app.login_as(&format!("u{n}@x.example"), "wrong-horse-battery-11")
            .await
            .expect(401);
    }
    let newest: i64 = sqlx::query_scalar("select max(seq) from audit")
        .fetch_one(&site.db)
        .await
        .unwrap();
    let (early, late) = (mark(&site, 2).await, mark(&site, newest).await);
    let whole = site.run(&["verify-audit"]).await;
    assert!(whole.status.success(), "{}", said(&whole));
    assert!(said(&whole).contains(&format!("the audit is whole: {newest} entries")));
    for mark in [&early, &late] {
        let whole = site.run(&["verify-audit", "--expect", mark]).await;
        assert!(whole.status.success(), "{mark}: {}", said(&whole));
    }

    // Somebody with the database cuts off the end, and sets back the head that stands beside it.
    let kept = newest - 3;
    for step in [
        "delete from audit where seq > ?",
        "update guards set mark = (select mac from audit where seq = ?) where name = 'audit'",
        "update guards set value = ? where name = 'audit'",
    ] {
        sqlx::query(step).bind(kept).execute(&site.db).await.unwrap();
    }
    let cut = site.run(&["verify-audit"]).await;
    assert!(cut.status.success(), "alone it cannot tell: {}", said(&cut));
    let cut = site.run(&["verify-audit", "--expect", &late]).await;
    assert!(!cut.status.success(), "{}", said(&cut));
    assert!(
        said(&cut).contains(&format!("entries after {kept} are missing")),
        "{}",
        said(&cut)
    );

    sqlx::query("update audit set outcome = 'SUCCESS' where seq = 3")
        .execute(&site.db)
        .await
        .unwrap();
    let altered = site.run(&["verify-audit"]).await;
    assert!(!altered.status.success() && said(&altered).contains("entry 3 was altered"));
}

#[tokio::test]
async fn a_typo_starts_no_server() {
    let site = Site::new().await;
    for arguments in [
        &["verify-adit"][..],
        &["--verify-audit"],
        &["verify-audit", "now"],
    ] {
        let refused = site.run(arguments).await;
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(
            said(&refused).contains("usage: user-service"),
            "{}",
            said(&refused)
        );
    }
}
