//! The answer that Spring's clients read: all property sources, the strongest first.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::extract::{Path, Query};
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{lookup, resource, view};
use crate::AppState;
use crate::domain::access::Reader;
use crate::domain::environment::{Environment, PropertySource};
use crate::domain::{merged, placeholder};
use crate::error::Error;

/// Asks for the form in which every value tells where it comes from.
const WITH_ORIGINS: &str = "application/vnd.spring-cloud.config-server.v2+json";
/// Answers may hold secrets.
pub(super) const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// What may stand behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    /// Present: the third part of the path is a file of the default label.
    pub(super) use_default_label: Option<String>,
    /// `true` or `false`.
    pub(super) resolve_placeholders: Option<bool>,
}

/// Spring's `Environment`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvironmentBody {
    name: String,
    profiles: Vec<String>,
    label: Option<String>,
    version: Option<String>,
    state: Option<String>,
    property_sources: Vec<SourceBody>,
}

/// Spring's `PropertySource`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceBody {
    name: String,
    /// Flat keys with their values.
    #[schema(value_type = Object)]
    source: Map<String, Value>,
}

/// The configuration of an application on profiles; a file name is a merged view of a label.
#[utoipa::path(
    get,
    path = "/{name}/{profiles}",
    params(("name", description = "One application or several, separated by commas"), ("profiles", description = "As the name")),
    responses((status = 200, body = EnvironmentBody), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn default_label(
    State(state): State<AppState>,
    reader: Reader,
    Path((name, profiles)): Path<(String, String)>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if view::is_file(&profiles) {
        return view::answer(&state, &reader, &profiles, Some(&name), &options).await;
    }
    let target = lookup::target(&reader, &name, &profiles, None)?;
    let environment = lookup::environment(&state, &reader, target).await?;
    body(environment, &options, &headers)
}

/// The same at a label; with `useDefaultLabel` a plain-text file instead.
#[utoipa::path(
    get,
    path = "/{name}/{profiles}/{label}",
    params(("name",), ("profiles",), ("label", description = "Branch, tag, commit or folder; `(_)` stands for a slash")),
    responses((status = 200, body = EnvironmentBody), (status = 400), (status = 401), (status = 403), (status = 404))
)]
pub(super) async fn labelled(
    State(state): State<AppState>,
    reader: Reader,
    Path((name, profiles, label)): Path<(String, String, String)>,
    Query(options): Query<Options>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if options.use_default_label.is_some() {
        let target = lookup::target(&reader, &name, &profiles, None)?;
        return resource::answer(&state, &reader, (target, &label), &options, &headers).await;
    }
    let target = lookup::target(&reader, &name, &profiles, Some(&label))?;
    let environment = lookup::environment(&state, &reader, target).await?;
    body(environment, &options, &headers)
}

fn body(environment: Environment, options: &Options, headers: &HeaderMap) -> Result<Response, Error> {
    let origins = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|v| v.to_str().is_ok_and(|v| v.contains(WITH_ORIGINS)));
    let mut sources: Vec<SourceBody> = environment
        .sources
        .iter()
        .map(|source| written(source, origins))
        .collect();
    // Spring leaves placeholders to its clients; those that cannot resolve them may ask for it.
    if options.resolve_placeholders == Some(true) {
        let properties = merged::flat(&environment.sources);
        for source in &mut sources {
            let values = std::mem::take(&mut source.source).into_iter();
            let resolved =
                values.map(|(key, value)| Ok((key, placeholder::resolve_value(value, &properties)?)));
            source.source = resolved.collect::<Result<_, Error>>()?;
        }
    }
    let body = EnvironmentBody {
        name: environment.target.name,
        profiles: environment.target.profiles,
        label: environment.target.label,
        version: environment.version,
        state: None,
        property_sources: sources,
    };
    let media_type = if origins { WITH_ORIGINS } else { "application/json" };
    Ok((
        ([NO_STORE, (header::CONTENT_TYPE, media_type)]),
        serde_json::to_vec(&body).unwrap_or_default(),
    )
        .into_response())
}

fn written(source: &PropertySource, origins: bool) -> SourceBody {
    let value = |property: &crate::domain::document::Property| match property.position {
        _ if !origins => property.value.clone(),
        (0, _) => json!({ "value": property.value, "origin": "Config server overrides" }),
        (line, column) => {
            json!({ "value": property.value, "origin": format!("{}:{line}:{column}", source.name) })
        }
    };
    let flat = source
        .properties
        .iter()
        .map(|property| (property.key.clone(), value(property)));
    SourceBody {
        name: source.name.clone(),
        source: flat.collect(),
    }
}
