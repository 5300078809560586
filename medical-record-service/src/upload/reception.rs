//! Receives a request that writes a record: its fields and its file, in whatever order they come.

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use common::auth::Caller;
use common::extract::{Json, media_type, unsupported_media_type};
use common::problem::Problem;
use http::{HeaderMap, StatusCode, header};

use super::Received;
use super::body::Limits;
use super::file::{Declared, Intake, Writer};
use super::form::{Amendment, Fields, NewRecord};
use super::slots::{Full, Slot};
use super::watch::{Watch, announced, unread, waits};
use crate::AppState;
use crate::access::{Attempt, precheck};
use crate::audit::Action;
use crate::config::RecordSettings;
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
    let headers = request.headers();
    if headers.contains_key(header::CONTENT_ENCODING) {
        let refused = unsupported_media_type("send the body as it is, without Content-Encoding");
        return Err(unread(request, refused.into()).await);
    }
    match media_type(headers).as_deref() {
        Some("application/json") => reception.json(request).await,
        Some("multipart/form-data") => reception.multipart(request).await,
        _ => {
            let refused =
                unsupported_media_type("send the record as multipart/form-data or application/json");
            Err(unread(request, refused.into()).await)
        }
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
        let settings = &self.app.settings.current().records;
        let limit = settings.max_file_bytes;
        let limits = Limits {
            bytes: limit + FORM_BYTES,
            idle: settings.upload_idle(),
            total: settings.upload_time(),
        };
        let _slot = match self.slot(settings, request.headers(), limits.bytes) {
            Ok(slot) => slot,
            Err(error) => return Err(unread(request, error).await),
        };
        let (request, watch) = Watch::over(request, limits, limit);
        let received = self.parts(request, &watch).await;
        if received.is_err() {
            watch.drain().await;
        }
        received
    }

    fn slot(&self, settings: &RecordSettings, headers: &HeaderMap, most: u64) -> Result<Slot, Error> {
        // Said beforehand to be too large, by a client that waits to be told.
        if waits(headers) && announced(headers).is_some_and(|length| length > most) {
            return Err(Error::FileTooLarge(settings.max_file_bytes));
        }
        let taken = self.app.slots.take(
            self.caller.id,
            settings.max_uploads,
            settings.max_uploads_per_user,
        );
        taken.map_err(|full| match full {
            Full::House => Error::Busy,
            Full::User => too_many_uploads().into(),
        })
    }

    async fn parts(&self, request: Request, watch: &Watch) -> Result<Parcel, Error> {
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::bad_request("the multipart boundary is missing"))?;
        let (mut fields, mut file) = (Fields::default(), None);
        while let Some(part) = form.next_field().await.map_err(|error| watch.refusal(&error))? {
            watch.content();
            if part.name() != Some("file") {
                field(part, &mut fields, self.amending, watch).await?;
            } else if let Some(received) = self.file(part, &fields, watch).await?
                && file.replace(received).is_some()
            {
                return Err(Error::invalid("/file", "is there twice"));
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
        watch: &Watch,
    ) -> Result<Option<Received>, Error> {
        let declared = Declared {
            name: part.file_name().unwrap_or_default().to_owned(),
            content_type: part.content_type().map(str::to_owned),
        };
        let mut piece = watch.chunk(&mut part).await?;
        // What a browser sends when no file was chosen.
        if declared.name.is_empty() && piece.as_ref().is_none_or(bytes::Bytes::is_empty) {
            return Ok(None);
        }
        self.check_early(fields).await?;
        let writer = match self.fresh {
            Some(fresh) => Some(Writer::open(self.app, fresh).await?),
            None => None,
        };
        let mut intake = Intake::new(declared, watch.limit(), writer);
        while let Some(bytes) = piece {
            intake.take(&bytes, self.app.clock.now()).await?;
            piece = watch.chunk(&mut part).await?;
        }
        intake.finish(self.app.clock.now()).await.map(Some)
    }

    /// When the form began with what decides, a caller who may not write is told before the file is taken. In
    /// any other order the file waits, linked to nothing, until the decision is made.
    async fn check_early(&self, fields: &Fields) -> Result<(), Error> {
        match (fields.patient(), fields.kind()) {
            (Some(patient), Some(kind)) if !self.amending && self.fresh.is_some() => {
                let attempt = Attempt::on_patient(self.caller, patient, Action::of_writing(kind));
                self.app.patience().with(precheck(self.app, attempt)).await
            }
            _ => Ok(()),
        }
    }
}

async fn field(mut part: Field<'_>, fields: &mut Fields, amending: bool, watch: &Watch) -> Result<(), Error> {
    let name = part.name().unwrap_or_default().to_owned();
    let pointer = format!("/{}", name.chars().take(64).collect::<String>());
    let Some((slot, most)) = fields.slot(&name, amending) else {
        return Err(Error::invalid(&pointer, "is not known here"));
    };
    if slot.is_some() {
        return Err(Error::invalid(&pointer, "is there twice"));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = watch.chunk(&mut part).await? {
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
