//! Merged views: all sources as one JSON, YAML or properties document.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::extract::{Path, Query};
use http::header;

use super::environment::{NO_STORE, Options};
use super::lookup;
use crate::AppState;
use crate::domain::access::Reader;
use crate::domain::merged::{self, Format, ViewName};
use crate::error::Error;

/// The merged view `name-profiles.json`, `.yml`, `.yaml` or `.properties`.
#[utoipa::path(
    get,
    path = "/{file}",
    params(("file", description = "The last hyphen splits name and profiles")),
    responses((status = 200, body = String), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn default_label(
    State(state): State<AppState>,
    reader: Reader,
    Path(file): Path<String>,
    Query(options): Query<Options>,
) -> Result<Response, Error> {
    answer(&state, &reader, &file, None, &options).await
}

/// Is this the name of a file, and so no profile?
pub(super) fn is_file(name: &str) -> bool {
    [".json", ".yml", ".yaml", ".properties"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

pub(super) async fn answer(
    state: &AppState,
    reader: &Reader,
    file: &str,
    label: Option<&str>,
    options: &Options,
) -> Result<Response, Error> {
    let view = ViewName::parse(file).ok_or(Error::NotFound)?;
    let target = lookup::target(reader, view.application, view.profiles, label)?;
    let environment = lookup::environment(state, reader, target).await?;
    let resolve = options.resolve_placeholders.unwrap_or(true);
    let text = merged::render(&merged::flat(&environment.sources), view.format, resolve)?;
    let media_type = if view.format == Format::Json {
        "application/json"
    } else {
        "text/plain;charset=UTF-8"
    };
    Ok((([NO_STORE, (header::CONTENT_TYPE, media_type)]), text).into_response())
}
