//! `Idempotency-Key`: a request that is sent again is answered again, not carried out again.
//!
//! The key stands in the record that the request wrote, so it lives exactly as long, and the database's unique
//! index decides when two copies meet. Before that, a note in `running` tells the second copy to wait.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::TimeDelta;
use common::auth::Caller;
use common::problem::Problem;
use http::HeaderMap;

use crate::AppState;
use crate::error::Error;
use crate::store;
use crate::store::records::{StoredRecord, StoredRequest};
use crate::upload::sweeper::Sweeper;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;

/// One request's turn: what an earlier copy of it wrote, or the right to be the one that writes.
pub struct Turn {
    key: Option<String>,
    /// The record that an earlier copy wrote.
    pub earlier: Option<StoredRecord>,
    note: Option<Note>,
}

/// The note that this request runs. Removed when dropped, so that a client that was cut off may try again.
struct Note {
    key: String,
    sweeper: Sweeper,
}

impl Turn {
    /// Take a turn; 409 while another copy has it. A request without a key always has its turn.
    pub async fn take(
        app: &AppState,
        caller: &Caller,
        route: &str,
        headers: &HeaderMap,
    ) -> Result<Self, Error> {
        let Some(sent) = read(headers)? else {
            return Ok(Self {
                key: None,
                earlier: None,
                note: None,
            });
        };
        let key = hex::encode(digest(
            &SHA256,
            format!("{} {route} {sent}", caller.id).as_bytes(),
        ));
        let db = app.db().await?;
        let mut earlier = store::records::find_by_request(db, &key).await?;
        let mut note = None;
        if earlier.is_none() {
            note = Some(Note::write(app, &key).await?);
            // A copy may have come to its end in between.
            earlier = store::records::find_by_request(db, &key).await?;
        }
        Ok(Self {
            key: Some(key),
            earlier,
            note,
        })
    }

    /// What is kept of this request in the record that it writes.
    pub fn request(&self, fingerprint: String) -> Option<StoredRequest> {
        self.key.clone().map(|key| StoredRequest { key, fingerprint })
    }

    /// The request has been carried out or refused: the next copy may come.
    pub async fn end(self, app: &AppState) {
        if let Some(mut note) = self.note
            && app
                .patience()
                .with(store::running::end(&app.db, &note.key))
                .await
                .is_ok()
        {
            note.key.clear();
        }
    }
}

impl Note {
    async fn write(app: &AppState, key: &str) -> Result<Self, Error> {
        let now = app.clock.now();
        let longest = i64::try_from(app.settings.current().records.upload_s).unwrap_or(i64::MAX / 1000);
        let stale = now - TimeDelta::seconds(longest) - TimeDelta::minutes(1);
        if !store::running::begin(app.db().await?, key, now, stale).await? {
            return Err(still_running().into());
        }
        Ok(Self {
            key: key.to_owned(),
            sweeper: app.sweeper.clone(),
        })
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if !self.key.is_empty() {
            self.sweeper.end_request(std::mem::take(&mut self.key));
        }
    }
}

fn read(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| (1..=LONGEST).contains(&text.trim().len()));
    match (text, values.next()) {
        (Some(text), None) => Ok(Some(text.trim())),
        _ => Err(Error::invalid(
            "/Idempotency-Key",
            format!("must be one text of 1 to {LONGEST} visible characters"),
        )),
    }
}

fn still_running() -> Problem {
    Problem::conflict("request-still-running", "The same request is still running")
        .detail("the first request with this Idempotency-Key has not been answered yet")
        .retry_after(1)
}

/// 422: the key was used for something else.
pub fn other_request() -> Problem {
    Problem::new(
        http::StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "The Idempotency-Key was used before",
    )
    .detail("this Idempotency-Key belongs to another request; take a fresh one")
}
