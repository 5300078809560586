//! `GET /records/{patient_id}/{record_id}/file`

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::auth::Caller;
use common::extract::Path;
use common::ids::{RecordId, UserId};
use common::problem::{Problem, ProblemDocument};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::records::readable;
use crate::audit::Action;
use crate::crypto::Broken;
use crate::domain::file_name;
use crate::domain::range::{self, Part};
use crate::domain::record::FileFacts;
use crate::download::{Stored, open};
use crate::error::Error;
use crate::{AppState, writing};

/// The file of a record, or one range of its bytes. Every byte is verified before it is sent.
#[utoipa::path(
    get, path = "/records/{patient_id}/{record_id}/file", tag = "records", security(("bearer" = [])),
    params(
        ("patient_id" = UserId, Path), ("record_id" = RecordId, Path),
        ("Range" = Option<String>, Header, description = "One range of bytes"),
        ("X-Break-Glass" = Option<String>, Header, description = "A doctor's reason to read in an emergency; the patient is told"),
    ),
    responses(
        (status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"),
        (status = 304), (status = 404, body = ProblemDocument), (status = 416, body = ProblemDocument),
    ),
)]
pub async fn download(
    State(app): State<AppState>,
    caller: Caller,
    Path((patient, id)): Path<(UserId, RecordId)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let record = readable(&app, &caller, (patient, id), Action::Download, &headers).await?;
    let version = writing::version(&record, id)?;
    let facts = app.vault.content(&record, version)?.file.ok_or(Error::NotFound)?;
    let file = version.file_id.ok_or(Broken)?;
    let etag = format!("\"{}\"", facts.sha256);
    if matches(headers.get(header::IF_NONE_MATCH), &etag) {
        return describe(
            (StatusCode::NOT_MODIFIED, Body::empty()).into_response(),
            &facts,
            &etag,
        );
    }
    let part = wanted(&headers, &etag, facts.size);
    let (status, first, last) = match part {
        Part::Unsatisfiable => return Ok(unsatisfiable(facts.size).into_response()),
        Part::Whole => (StatusCode::OK, 0, facts.size - 1),
        Part::Slice { first, last } => (StatusCode::PARTIAL_CONTENT, first, last),
    };
    let stored = Stored {
        file,
        cipher: app.vault.file(version, file)?,
        size: facts.size,
        sha256: facts.sha256.clone(),
        patience: app.patience(),
    };
    let body = open(app.db().await?, stored, first, last).await?;
    let mut response = describe((status, body).into_response(), &facts, &etag)?;
    let sent = response.headers_mut();
    sent.insert(header::CONTENT_LENGTH, HeaderValue::from(last - first + 1));
    if status == StatusCode::PARTIAL_CONTENT {
        sent.insert(
            header::CONTENT_RANGE,
            text(&format!("bytes {first}-{last}/{}", facts.size))?,
        );
    }
    Ok(response)
}

/// A range counts only for the very file that the client began with.
fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Part {
    let is_current = headers
        .get(header::IF_RANGE)
        .is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let mut ranges = headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (Some(one), None) if is_current => range::parse(one.to_str().ok(), size),
        _ => Part::Whole,
    }
}

fn matches(header: Option<&HeaderValue>, etag: &str) -> bool {
    let listed = |text: &str| {
        text.split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
    };
    header.and_then(|value| value.to_str().ok()).is_some_and(listed)
}

/// Headers that make a browser save the file and do nothing else with it.
fn describe(mut response: Response, facts: &FileFacts, etag: &str) -> Result<Response, Error> {
    let digest = hex::decode(&facts.sha256).map_err(|_| Broken)?;
    let sent = response.headers_mut();
    sent.insert(header::CONTENT_TYPE, text(&facts.content_type)?);
    sent.insert(
        header::CONTENT_DISPOSITION,
        text(&file_name::attachment(&facts.name))?,
    );
    sent.insert(header::ETAG, text(etag)?);
    sent.insert(
        HeaderName::from_static("repr-digest"),
        text(&format!("sha-256=:{}:", STANDARD.encode(digest)))?,
    );
    sent.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    sent.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    sent.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    sent.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    Ok(response)
}

fn text(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| Problem::internal().into())
}

fn unsatisfiable(size: u64) -> Problem {
    let size =
        HeaderValue::from_str(&format!("bytes */{size}")).unwrap_or(HeaderValue::from_static("bytes */*"));
    Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range-not-satisfiable",
        "No such range",
    )
    .detail("nothing of the range lies in the file")
    .header(header::CONTENT_RANGE, size)
}
