//! Receives a request that writes a record: its fields and its file, in whatever order they come.

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use common::auth::Caller;
use common::extract::{Json, too_large, unsupported_media_type};
use common::ids::UserId;
use common::problem::Problem;
use http::{HeaderMap, StatusCode, header};

use super::Received;
use super::body::{Cut, Limits, Shared, guard};
use super::file::{Declared, Intake, Writer};
use super::form::{Amendment, Fields, NewRecord};
use super::slots::Full;
use crate::AppState;
use crate::access::{Attempt, precheck};
use crate::audit::Action;
use crate::domain::record::RecordType;
use crate::error::Error;
use crate::vault::Fresh;

/// A record without its file: the longest notes and the largest data, with room around them.
const JSON_BYTES: usize = 256 * 1024;
/// Room for the form around the file.
const FORM_BYTES: u64 = 1024 * 1024;

/// What is being received, and for whom.
pub struct Reception<'a> {
    pub app: &'a AppState,
    pub caller: &'a Caller,
    /// The version that will hold it; `None` if the request is a repetition, whose file is only hashed.
    pub fresh: Option<&'a Fresh>,
    /// It amends a record (whose author the caller is known to be).
    pub amending: bool,
}

/// What was received.
pub struct Parcel {
    pub fields: Fields,
    pub file: Option<Received>,
    /// Equal for two requests that ask for the same.
    pub fingerprint: String,
}

/// Receive `request`.
pub async fn receive(reception: Reception<'_>, request: Request) -> Result<Parcel, Error> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|text| text.split(';').next())
        .map(|text| text.trim().to_ascii_lowercase());
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported_media_type("send the body as it is, without Content-Encoding").into());
    }
    match essence.as_deref() {
        Some("application/json") => reception.json(request).await,
        Some("multipart/form-data") => reception.multipart(request).await,
        _ => Err(unsupported_media_type("send the record as multipart/form-data or application/json").into()),
    }
}

impl Reception<'_> {
    async fn json(self, mut request: Request) -> Result<Parcel, Error> {
        DefaultBodyLimit::max(JSON_BYTES).apply(&mut request);
        let fields = if self.amending {
            Json::<Amendment>::from_request(request, &()).await?.0.into()
        } else {
            Json::<NewRecord>::from_request(request, &()).await?.0.into()
        };
        let fingerprint = fingerprint(&fields, None);
        Ok(Parcel {
            fields,
            file: None,
            fingerprint,
        })
    }

    async fn multipart(self, request: Request) -> Result<Parcel, Error> {
        let _slot = self.app.slots.take(self.caller.id).map_err(|full| match full {
            Full::House => Error::Busy,
            Full::User => too_many_uploads().into(),
        })?;
        let settings = self.app.settings.current();
        let limits = Limits {
            bytes: settings.records.max_file_bytes + FORM_BYTES,
            idle: settings.records.upload_idle(),
            total: settings.records.upload_time(),
        };
        refuse_announced_excess(request.headers(), limits.bytes, settings.records.max_file_bytes)?;
        let (parts, body) = request.into_parts();
        let (stream, shared) = guard(body, limits);
        let request = Request::from_parts(parts, Body::from_stream(stream));
        let received = self
            .parts(request, &shared, settings.records.max_file_bytes)
            .await;
        if received.is_err() && !matches!(shared.cut(), Some(Cut::Ended | Cut::TooSlow)) {
            shared.drain().await;
        }
        received
    }

    async fn parts(&self, request: Request, shared: &Shared, limit: u64) -> Result<Parcel, Error> {
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::bad_request("the multipart boundary is missing"))?;
        let (mut fields, mut file) = (Fields::default(), None);
        while let Some(part) = form
            .next_field()
            .await
            .map_err(|error| unreadable(&error, shared, limit))?
        {
            shared.content();
            let name = part.name().unwrap_or_default().to_owned();
            if name == "file" {
                let received = self.file(part, &fields, shared, limit).await?;
                match (received, &file) {
                    (Some(_), Some(_)) => return Err(Error::invalid("/file", "is there twice")),
                    (Some(received), None) => file = Some(received),
                    (None, _) => {}
                }
            } else {
                field(part, &name, &mut fields, (self.amending, shared, limit)).await?;
            }
        }
        let fingerprint = fingerprint(&fields, file.as_ref());
        Ok(Parcel {
            fields,
            file,
            fingerprint,
        })
    }

    async fn file(
        &self,
        mut part: Field<'_>,
        fields: &Fields,
        shared: &Shared,
        limit: u64,
    ) -> Result<Option<Received>, Error> {
        let declared = Declared {
            name: part.file_name().unwrap_or_default().to_owned(),
            content_type: part.content_type().map(str::to_owned),
        };
        let first = part
            .chunk()
            .await
            .map_err(|error| unreadable(&error, shared, limit))?;
        // What a browser sends when no file was chosen.
        if declared.name.is_empty() && first.as_ref().is_none_or(|piece| piece.is_empty()) {
            return Ok(None);
        }
        self.check_early(fields.patient(), fields.kind()).await?;
        let writer = match self.fresh {
            Some(fresh) => Some(Writer::open(self.app, fresh).await?),
            None => None,
        };
        let mut intake = Intake::new(declared, limit, writer);
        let mut piece = first;
        while let Some(bytes) = piece {
            shared.content();
            intake.take(&bytes, self.app.clock.now()).await?;
            piece = part
                .chunk()
                .await
                .map_err(|error| unreadable(&error, shared, limit))?;
        }
        intake.finish(self.app.clock.now()).await.map(Some)
    }

    /// When the form began with what decides, a caller who may not write is told before the file is taken. In
    /// any other order the file waits, linked to nothing, until the decision is made.
    async fn check_early(&self, patient: Option<UserId>, kind: Option<RecordType>) -> Result<(), Error> {
        match (patient, kind) {
            (Some(patient), Some(kind)) if !self.amending && self.fresh.is_some() => {
                precheck(
                    self.app,
                    Attempt::on_patient(self.caller, patient, Action::of_writing(kind)),
                )
                .await
            }
            _ => Ok(()),
        }
    }
}

async fn field(
    mut part: Field<'_>,
    name: &str,
    fields: &mut Fields,
    (amending, shared, limit): (bool, &Shared, u64),
) -> Result<(), Error> {
    let pointer = format!("/{}", name.chars().take(64).collect::<String>());
    let Some((slot, most)) = fields.slot(name, amending) else {
        return Err(Error::invalid(&pointer, "is not known here"));
    };
    if slot.is_some() {
        return Err(Error::invalid(&pointer, "is there twice"));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = part
        .chunk()
        .await
        .map_err(|error| unreadable(&error, shared, limit))?
    {
        shared.content();
        bytes.extend_from_slice(&piece);
        if bytes.len() > most {
            return Err(Error::invalid(
                &pointer,
                format!("must have at most {most} bytes"),
            ));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::invalid(&pointer, "is not UTF-8"))?;
    *slot = Some(text);
    Ok(())
}

/// A body that says it is too large is refused unread, if the client waits to be told.
fn refuse_announced_excess(headers: &HeaderMap, most: u64, limit: u64) -> Result<(), Error> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let waits = headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if waits && announced.is_some_and(|length| length > most) {
        Err(Error::FileTooLarge(limit))
    } else {
        Ok(())
    }
}

fn unreadable(error: &MultipartError, shared: &Shared, limit: u64) -> Error {
    match shared.cut() {
        Some(Cut::TooLarge) => Error::FileTooLarge(limit),
        Some(Cut::Overhead) => too_large("the form has more around its contents than any form needs").into(),
        Some(Cut::TooSlow) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "upload-too-slow",
            "The upload was too slow",
        )
        .detail("nothing came for too long, or it took too long in all")
        .into(),
        Some(Cut::Ended) | None => Problem::bad_request(format!("not a form: {}", error.body_text())).into(),
    }
}

fn too_many_uploads() -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-uploads",
        "Too many uploads at once",
    )
    .detail("wait until one of your uploads has ended")
    .retry_after(5)
}

/// The boundary of a form is random, so not the body but what it says is compared.
fn fingerprint(fields: &Fields, file: Option<&Received>) -> String {
    let file = file.map(|file| (&file.facts.name, &file.facts.content_type, &file.facts.sha256));
    let mut hash = Context::new(&SHA256);
    // Lists of texts always have a JSON form.
    hash.update(&serde_json::to_vec(&(fields.canonical(), file)).unwrap_or_default());
    hex::encode(hash.finish())
}
