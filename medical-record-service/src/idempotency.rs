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
use crate::upload::sweeper::Sweeper;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;

/// A request that carries a key, while it runs.
pub struct Running {
    key: String,
    sweeper: Sweeper,
}

impl Running {
    /// Note that the request runs; `None` if it carries no key. 409 while another copy runs.
    pub async fn begin(
        app: &AppState,
        caller: &Caller,
        route: &str,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Error> {
        let Some(sent) = read(headers)? else {
            return Ok(None);
        };
        let key = hex::encode(digest(
            &SHA256,
            format!("{} {route} {sent}", caller.id).as_bytes(),
        ));
        let now = app.clock.now();
        let longest = i64::try_from(app.settings.current().records.upload_s).unwrap_or(i64::MAX / 1000);
        let stale = now - TimeDelta::seconds(longest) - TimeDelta::minutes(1);
        if !store::running::begin(app.db().await?, &key, now, stale).await? {
            return Err(still_running().into());
        }
        Ok(Some(Self {
            key,
            sweeper: app.sweeper.clone(),
        }))
    }

    /// The key, hashed together with user and route.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.sweeper.end_request(std::mem::take(&mut self.key));
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
