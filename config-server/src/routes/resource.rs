//! Plain-text files, with their placeholders resolved for the application that asks.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use common::extract::{Path, Query};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::environment::{NO_STORE, Options};
use super::lookup;
use crate::AppState;
use crate::domain::access::Reader;
use crate::domain::names::{Target, resource_path};
use crate::domain::tree::{File, Tree};
use crate::domain::{merged, placeholder};
use crate::error::Error;

const BINARY: &str = "application/octet-stream";

/// A file; `file-profile.ext` is preferred to `file.ext`.
#[utoipa::path(
    get,
    path = "/{name}/{profiles}/{label}/{path}",
    params(("name",), ("profiles",), ("label",), ("path", description = "May have several segments")),
    responses((status = 200, body = String), (status = 304), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn labelled(
    State(state): State<AppState>,
    reader: Reader,
    Path((name, profiles, label, path)): Path<(String, String, String, String)>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (label, path) = match options.use_default_label {
        Some(_) => (None, format!("{label}/{path}")),
        None => (Some(label), path),
    };
    let target = lookup::target(&reader, &name, &profiles, label.as_deref())?;
    answer(&state, &reader, (target, &path), &options, &headers).await
}

pub(super) async fn answer(
    state: &AppState,
    reader: &Reader,
    (target, path): (Target, &str),
    options: &Options,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let path = resource_path(path)?;
    let (tree, found) = find(state, &target, &path).await?.ok_or(Error::NotFound)?;
    if !state.credentials.may_read_text(reader, &found) {
        return Err(lookup::refused(reader, &found));
    }
    let file = tree.file(&found).ok_or(Error::NotFound)?;
    let wants_bytes = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes() == BINARY.as_bytes());
    let text = std::str::from_utf8(&file.bytes).ok().filter(|_| !wants_bytes);
    let resolved = match text {
        Some(text) if options.resolve_placeholders.unwrap_or(true) && text.contains("${") => {
            let environment = lookup::environment(state, reader, target).await?;
            Some(Bytes::from(placeholder::resolve(
                text,
                &merged::flat(&environment.sources),
            )?))
        }
        _ => None,
    };
    let media_type = if text.is_some() {
        "text/plain;charset=UTF-8"
    } else {
        BINARY
    };
    Ok(conditional(file, resolved, media_type, headers))
}

/// The strongest file under one of the names that the path stands for.
async fn find(state: &AppState, target: &Target, path: &str) -> Result<Option<(Arc<Tree>, String)>, Error> {
    let places = lookup::places(state, target);
    for (label, folders) in places.iter().rev() {
        let tree = state.repository.tree(*label).await?;
        for folder in folders.iter().rev() {
            for variant in variants(&target.profiles, path) {
                let candidate = format!("{folder}{variant}");
                if tree.file(&candidate).is_some() {
                    return Ok(Some((tree, candidate)));
                }
            }
        }
    }
    Ok(None)
}

/// `nginx-dev.conf` for each profile, then `nginx.conf`.
fn variants(profiles: &[String], path: &str) -> Vec<String> {
    let name_start = path.rfind('/').map_or(0, |at| at + 1);
    let (stem, ending) = match path[name_start..].rfind('.') {
        Some(at) => path.split_at(name_start + at),
        None => (path, ""),
    };
    let named = profiles
        .iter()
        .filter(|profile| *profile != "default")
        .map(|profile| format!("{stem}-{profile}{ending}"));
    named.chain([path.to_owned()]).collect()
}

fn conditional(
    file: &File,
    resolved: Option<Bytes>,
    media_type: &'static str,
    headers: &HeaderMap,
) -> Response {
    // A resolved file also changes with the values in it, which no date of the file tells.
    let modified = file.modified.filter(|_| resolved.is_none());
    let body = resolved.unwrap_or_else(|| file.bytes.clone());
    let tag = format!("\"{}\"", hex::encode(&digest(&SHA256, &body).as_ref()[..16]));
    let mut response = if is_current(headers, &tag, modified) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let nosniff = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        (([NO_STORE, nosniff, (header::CONTENT_TYPE, media_type)]), body).into_response()
    };
    let answered = response.headers_mut();
    let date = modified.map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    answered.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    answered.extend(
        date.and_then(|date| HeaderValue::from_str(&date).ok())
            .map(|date| (header::LAST_MODIFIED, date)),
    );
    response
}

/// Does the client have this already? A tag decides if it sends one, else the date.
fn is_current(headers: &HeaderMap, tag: &str, modified: Option<DateTime<Utc>>) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        return tags
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag);
    }
    let since = text(header::IF_MODIFIED_SINCE).and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    since
        .zip(modified)
        .is_some_and(|(since, modified)| modified.timestamp() <= since.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_goes_before_the_ending() {
        let profiles = ["dev".to_owned(), "default".to_owned()];
        assert_eq!(
            variants(&profiles, "a.b/nginx.conf"),
            ["a.b/nginx-dev.conf", "a.b/nginx.conf"]
        );
        assert_eq!(
            variants(&profiles, "a.b/Makefile"),
            ["a.b/Makefile-dev", "a.b/Makefile"]
        );
    }
}
