//! `POST /records/{patient_id}/{record_id}/amendments`

use axum::extract::{Request, State};
use axum::response::Response;
use common::auth::{Caller, Role};
use common::extract::Path;
use common::ids::{RecordId, UserId};
use common::problem::{Checks, ProblemDocument};
use http::HeaderMap;

use super::create::replay;
use super::view::RecordView;
use crate::access::{Attempt, admit, precheck};
use crate::audit::Action;
use crate::domain::access::Denial;
use crate::domain::record::{Immovable, RecordType, stored_instant};
use crate::domain::text;
use crate::error::{Error, Target};
use crate::idempotency::Turn;
use crate::store::records::{StoredRecord, StoredRequest, Written};
use crate::upload::form::Amendment;
use crate::upload::{Defaults, Draft, Fields, Parcel, Reception, receive, unread};
use crate::vault::Fresh;
use crate::writing::{self, Manuscript};
use crate::{AppState, store};

/// What is amended, and by whom.
struct Amending<'a> {
    app: &'a AppState,
    caller: &'a Caller,
    patient: UserId,
    head: RecordId,
    record: StoredRecord,
}

/// Replace the newest version of a record by a corrected one. The old version and its file stay.
#[utoipa::path(
    post, path = "/records/{patient_id}/{record_id}/amendments", tag = "records", security(("bearer" = [])),
    params(
        ("patient_id" = UserId, Path), ("record_id" = RecordId, Path, description = "The newest version"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes sending the same request again harmless"),
    ),
    request_body(content(
        (Amendment = "application/json"),
        (super::form::AmendmentForm = "multipart/form-data"),
    )),
    responses(
        (status = 201, body = RecordView),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument),
        (status = 415, body = ProblemDocument), (status = 422, body = ProblemDocument),
    ),
)]
pub async fn amend(
    State(app): State<AppState>,
    caller: Caller,
    Path((patient, head)): Path<(UserId, RecordId)>,
    request: Request,
) -> Result<Response, Error> {
    let (record, turn) = match app
        .patience()
        .with(begin(&app, &caller, (patient, head), request.headers()))
        .await
    {
        Ok(begun) => begun,
        Err(error) => return Err(unread(request, error).await),
    };
    let amending = Amending {
        app: &app,
        caller: &caller,
        patient,
        head,
        record,
    };
    let answer = amending.carry_out(&turn, request).await;
    turn.end(&app).await;
    answer
}

/// Only the author goes on, and learns only then what state the record is in.
async fn begin(
    app: &AppState,
    caller: &Caller,
    (patient, head): (UserId, RecordId),
    headers: &HeaderMap,
) -> Result<(StoredRecord, Turn), Error> {
    let record = store::records::find(app.db().await?, patient, head).await?;
    let outline = record.as_ref().map(StoredRecord::outline);
    precheck(
        app,
        Attempt::on_record(caller, patient, Action::Amend, (head, outline.as_ref())),
    )
    .await?;
    let route = format!("POST /records/{patient}/{head}/amendments");
    Ok((
        record.ok_or(Error::NotFound)?,
        Turn::take(app, caller, &route, headers).await?,
    ))
}

impl Amending<'_> {
    async fn carry_out(self, turn: &Turn, request: Request) -> Result<Response, Error> {
        let (app, caller) = (self.app, self.caller);
        let fresh = app.vault.begin()?;
        let receiver = turn.earlier.is_none().then_some(&fresh);
        let parcel = receive(
            Reception {
                app,
                caller,
                fresh: receiver,
                amending: true,
            },
            request,
        )
        .await?;
        let request = turn.request(parcel.fingerprint.clone());
        match (&turn.earlier, request) {
            (Some(earlier), Some(request)) => {
                app.patience().with(replay(app, caller, earlier, &request)).await
            }
            (_, request) => app.patience().with(self.write(fresh, parcel, request)).await,
        }
    }

    async fn write(
        self,
        fresh: Fresh,
        parcel: Parcel,
        request: Option<StoredRequest>,
    ) -> Result<Response, Error> {
        let Self {
            app,
            caller,
            patient,
            head,
            ref record,
        } = self;
        let now = stored_instant(app.clock.now());
        let draft = self.draft(parcel.fields, now)?;
        writing::check_appointment(app, caller, patient, draft.appointment_id).await?;
        writing::check_quota(app, caller, parcel.file.as_ref()).await?;
        let outline = record.outline();
        admit(
            app,
            Attempt::on_record(caller, patient, Action::Amend, (head, Some(&outline))),
        )
        .await?;
        outline.check_amendable(head)?;

        let id = fresh.id;
        let again = request.clone();
        let number = u32::try_from(outline.versions.len() + 1).unwrap_or(u32::MAX);
        let manuscript = Manuscript {
            caller,
            patient,
            fresh,
            draft,
            file: parcel.file,
            request,
            at: now,
        };
        let (new, pending) = manuscript.seal(number)?;
        let claimed = writing::claim(app, pending).await?;
        let db = app.db().await?;
        let written = store::records::amend(db, head, new).await?;
        writing::settle(app, claimed, written).await?;
        match (written, again) {
            (Written::Done, _) => {
                let record = store::records::find(db, patient, id)
                    .await?
                    .ok_or(Error::NotFound)?;
                Ok(RecordView::open(&app.vault, &record, writing::version(&record, id)?)?.created())
            }
            (Written::Repeated, Some(request)) => {
                let earlier = store::records::find_by_request(db, &request.key)
                    .await?
                    .ok_or(Error::NotFound)?;
                replay(app, caller, &earlier, &request).await
            }
            _ => Err(Immovable::NotTheHead.into()),
        }
    }

    fn draft(&self, mut fields: Fields, now: chrono::DateTime<chrono::Utc>) -> Result<Draft, Error> {
        let amended = writing::version(&self.record, self.head)?;
        let mut checks = Checks::default();
        if fields.patient_id.is_some() && fields.patient() != Some(self.patient) {
            checks.refuse("/patient_id", "is not the patient in the path");
        }
        let reason = checks.take(
            "/amendment_reason",
            text::reason(fields.amendment_reason.take().as_deref().unwrap_or_default()),
        );
        let defaults = Defaults {
            record_type: Some(amended.record_type),
            occurred_at: Some(amended.occurred_at),
        };
        let draft = fields.draft(&mut checks, defaults, now);
        let (Some(mut draft), Some(reason), true) = (draft, reason, checks.is_clean()) else {
            return Err(checks.into_problem().into());
        };
        if self.caller.role == Role::Patient && draft.record_type == RecordType::Prescription {
            return Err(Error::Denied(Denial::Role, Target::Record));
        }
        draft.amendment_reason = Some(reason);
        Ok(draft)
    }
}
