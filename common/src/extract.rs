//! Extractors whose refusals are problem documents.

mod strict;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};

use crate::problem::{FieldError, Problem};
use strict::Strict;

/// A JSON body, in or out. 415 for another media type, 400 for no JSON, 422 for JSON that does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read_json(request, state, |media_type| media_type == "application/json")
            .await
            .map(Json)
    }
}

/// A JSON body whose media type may also be one of those that are written as JSON: `application/…+json`.
#[derive(Debug, Clone, Copy)]
pub struct AnyJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for AnyJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = |media_type: &str| {
            media_type
                .strip_prefix("application/")
                .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
        };
        read_json(request, state, is_json).await.map(AnyJson)
    }
}

async fn read_json<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
    accepts: impl Fn(&str) -> bool,
) -> Result<T, Problem> {
    if !media_type(request.headers()).is_some_and(|media_type| accepts(&media_type)) {
        return Err(unsupported_media_type("send the body as application/json"));
    }
    let bytes = Bytes::from_request(request, state)
        .await
        .map_err(|e| refused_body(&e))?;
    parse_json(&bytes)
}

/// What `Content-Type` says, without parameters and in small letters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next()?;
    Some(essence.trim().to_ascii_lowercase())
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => (
                [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
                body,
            )
                .into_response(),
            Err(error) => {
                tracing::error!(%error, "response cannot be written as JSON");
                Problem::internal().into_response()
            }
        }
    }
}

/// 415 with what is expected instead.
pub fn unsupported_media_type(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "Unsupported media type",
    )
    .detail(detail)
}

/// 413 with the limit in words.
pub fn too_large(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "The request is too large",
    )
    .detail(detail)
}

fn refused_body(rejection: &BytesRejection) -> Problem {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            too_large("the body is larger than this endpoint takes")
        }
        _ => Problem::bad_request("the body ended early or cannot be read"),
    }
}

/// Read JSON strictly: 400 if it is not JSON, 422 with a pointer if it does not fit `T`.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Strict(&mut reader)).map_err(|error| {
        let pointer = pointer_of(error.path());
        let inner = error.into_inner();
        // Asked of the whole text: an unknown member may stand before the place where it stops being JSON, and
        // serde_json calls it a syntax error when a number stands where the name of an enum's variant should.
        let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom);
        match text.and_then(serde_json::from_str::<IgnoredAny>) {
            Ok(_) => Problem::invalid(vec![field_error(pointer, strip_position(&inner.to_string()))]),
            Err(error) => Problem::bad_request(format!("not JSON: {error}")),
        }
    })?;
    reader
        .end()
        .map_err(|_| Problem::bad_request("not JSON: something follows the value"))?;
    Ok(value)
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => step(key),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What is missing has no place of its own: `pointer` is then that of the object that lacks it.
fn field_error(pointer: String, detail: String) -> FieldError {
    let missing = detail
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
        .map(|(name, _)| step(name));
    FieldError {
        pointer: pointer + &missing.unwrap_or_default(),
        // serde names our type, which is nothing to a client.
        detail: if detail.contains(", expected struct ") {
            "must be an object".to_owned()
        } else {
            detail
        },
    }
}

fn strip_position(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// Path parameters. One that does not parse names a thing that does not exist: 404.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[expect(clippy::disallowed_types, reason = "wrapped here, once")]
        type Raw<T> = axum::extract::Path<T>;
        // A parameter that is not UTF-8 after decoding is also just a name that nothing has.
        RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        Raw::<T>::from_request_parts(parts, state)
            .await
            .map(|raw| Self(raw.0))
            .map_err(|_| Problem::not_found())
    }
}

/// Query parameters. Unknown, repeated or ill-typed ones: 422 (the type decides, `deny_unknown_fields`).
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let reader = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader)
            .map(Self)
            .map_err(|error| {
                let pointer = pointer_of(error.path());
                Problem::invalid(vec![field_error(pointer, error.into_inner().to_string())])
            })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Booking {
        #[expect(dead_code, reason = "only parsed")]
        doctor: Doctor,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Doctor {
        #[expect(dead_code, reason = "only parsed")]
        name: String,
        #[expect(dead_code, reason = "only parsed")]
        role: Option<crate::auth::Role>,
    }

    #[test]
    fn what_is_no_json_is_400_and_what_does_not_fit_is_422() {
        let deep = "[".repeat(100_000);
        let cases: &[(&str, u16)] = &[
            ("", 400),
            ("{", 400),
            ("{\"doctor\":{\"name\":\"a\"}} x", 400),
            ("\u{feff}{}", 400),
            ("{\"doctor\":{\"name\":NaN}}", 400),
            (&deep, 400),
            ("{\"unknown\":", 400),
            ("{}", 422),
            ("[]", 422),
            ("[{\"name\":\"a\"}]", 422),
            ("{\"doctor\":[\"a\",null]}", 422),
            ("null", 422),
            ("{\"doctor\":{\"name\":1}}", 422),
            ("{\"doctor\":{\"name\":\"a\",\"role\":7}}", 422),
            ("{\"doctor\":{\"name\":\"a\",\"nme\":\"b\"}}", 422),
            ("{\"doctor\":{\"name\":\"a\",\"name\":\"b\"}}", 422),
        ];
        for (body, status) in cases {
            let problem = parse_json::<Booking>(body.as_bytes()).unwrap_err();
            assert_eq!(
                problem.status().as_u16(),
                *status,
                "{}",
                &body[..body.len().min(60)]
            );
        }
        assert_eq!(
            parse_json::<Booking>(b"{\"doctor\":{\"name\":\"\xff\"}}")
                .unwrap_err()
                .status(),
            400
        );
    }

    #[test]
    fn every_kind_of_value_is_read_as_by_serde_itself() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct All {
            list: Vec<Option<Part>>,
            map: std::collections::BTreeMap<String, Wrapped>,
            pair: (i64, f64),
            kind: Kind,
            any: serde_json::Value,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Part {
            text: String,
            small: Option<u8>,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Wrapped(bool);
        #[derive(Debug, PartialEq, Deserialize)]
        enum Kind {
            Unit,
            One(Part),
            Two(u8, u8),
            Named { part: Part },
        }
        let kinds = [
            r#""Unit""#,
            r#"{"One": {"text": "ä"}}"#,
            r#"{"Two": [1, 2]}"#,
            r#"{"Named": {"part": {"text": "c", "small": 3}}}"#,
        ];
        for kind in kinds {
            let text = format!(
                r#"{{"list": [null, {{"text": "a\n", "small": 7}}], "map": {{"x": true}}, "pair": [-1, 2.5],
                    "kind": {kind}, "any": [1, {{"a": [null, "b"]}}]}}"#
            );
            let read: All = parse_json(text.as_bytes()).unwrap();
            assert_eq!(read, serde_json::from_str(&text).unwrap());
        }
        let listed = r#"{"One": ["c", 3]}"#;
        assert!(
            serde_json::from_str::<Kind>(listed).is_ok() && parse_json::<Kind>(listed.as_bytes()).is_err()
        );
    }

    #[test]
    fn the_pointer_names_the_member() {
        let problem = parse_json::<Booking>(br#"{"doctor":{"name":7}}"#).unwrap_err();
        assert_eq!(problem.document().errors[0].pointer, "/doctor/name");
        for (body, at) in [("[]", ""), (r#"{"doctor":7}"#, "/doctor")] {
            let problem = parse_json::<Booking>(body.as_bytes()).unwrap_err();
            let error = &problem.document().errors[0];
            assert_eq!(
                (&*error.pointer, &*error.detail),
                (at, "must be an object"),
                "{body}"
            );
        }
        for (body, missing) in [
            ("{}", "/doctor"),
            (r#"{"doctor":{"role":"ADMIN"}}"#, "/doctor/name"),
        ] {
            let problem = parse_json::<Booking>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.document().errors[0].pointer, missing, "{body}");
        }
    }
}
