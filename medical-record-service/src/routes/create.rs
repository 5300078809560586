//! `POST /records`

use axum::extract::{Request, State};
use axum::response::Response;
use common::auth::{Caller, Role};
use common::ids::UserId;
use common::problem::{Checks, ProblemDocument};
use http::HeaderMap;

use super::view::RecordView;
use crate::access::{Attempt, admit};
use crate::audit::Action;
use crate::domain::access::Denial;
use crate::domain::record::stored_instant;
use crate::error::{Error, Target};
use crate::idempotency::Turn;
use crate::store::records::{StoredRecord, StoredRequest, Written};
use crate::upload::form::NewRecord;
use crate::upload::{Defaults, Parcel, Reception, receive, unread};
use crate::vault::Fresh;
use crate::writing::{self, Manuscript};
use crate::{AppState, store};

/// Add a record to a patient's records, with or without a file.
///
/// As `multipart/form-data` (the members as parts in any order, and `file`), or without a file as JSON.
#[utoipa::path(
    post, path = "/records", tag = "records", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes sending the same request again harmless")),
    request_body(content(
        (NewRecord = "application/json"),
        (super::form::RecordForm = "multipart/form-data"),
    )),
    responses(
        (status = 201, body = RecordView),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    ),
)]
pub async fn create(
    State(app): State<AppState>,
    caller: Caller,
    request: Request,
) -> Result<Response, Error> {
    let turn = match app.patience().with(begin(&app, &caller, request.headers())).await {
        Ok(turn) => turn,
        Err(error) => return Err(unread(request, error).await),
    };
    let answer = carry_out(&app, &caller, &turn, request).await;
    turn.end(&app).await;
    answer
}

async fn begin(app: &AppState, caller: &Caller, headers: &HeaderMap) -> Result<Turn, Error> {
    if caller.role == Role::Admin {
        return Err(Error::Denied(Denial::Role, Target::Patient));
    }
    Turn::take(app, caller, "POST /records", headers).await
}

async fn carry_out(
    app: &AppState,
    caller: &Caller,
    turn: &Turn,
    request: Request,
) -> Result<Response, Error> {
    let fresh = app.vault.begin()?;
    let receiver = turn.earlier.is_none().then_some(&fresh);
    let parcel = receive(
        Reception {
            app,
            caller,
            fresh: receiver,
            amending: false,
        },
        request,
    )
    .await?;
    let request = turn.request(parcel.fingerprint.clone());
    match (&turn.earlier, request) {
        (Some(earlier), Some(request)) => app.patience().with(replay(app, caller, earlier, &request)).await,
        (_, request) => {
            app.patience()
                .with(write(app, caller, fresh, parcel, request))
                .await
        }
    }
}

async fn write(
    app: &AppState,
    caller: &Caller,
    fresh: Fresh,
    parcel: Parcel,
    request: Option<StoredRequest>,
) -> Result<Response, Error> {
    let now = stored_instant(app.clock.now());
    let mut checks = Checks::default();
    let patient: Option<UserId> = match &parcel.fields.patient_id {
        Some(text) => checks.take("/patient_id", text.parse()),
        None => checks.take("/patient_id", Err("is required")),
    };
    let defaults = Defaults {
        record_type: None,
        occurred_at: Some(now),
    };
    let draft = parcel.fields.draft(&mut checks, defaults, now);
    let (Some(patient), Some(draft)) = (patient, draft) else {
        return Err(checks.into_problem().into());
    };
    writing::check_appointment(app, caller, patient, draft.appointment_id).await?;
    writing::check_quota(app, caller, parcel.file.as_ref()).await?;
    let rule = admit(
        app,
        Attempt::on_patient(caller, patient, Action::of_writing(draft.record_type)),
    )
    .await?;
    writing::check_patient(app, patient, rule).await?;

    let id = fresh.id;
    let again = request.clone();
    let manuscript = Manuscript {
        caller,
        patient,
        fresh,
        draft,
        file: parcel.file,
        request,
        at: now,
    };
    let (new, pending) = manuscript.seal(1)?;
    let claimed = writing::claim(app, pending).await?;
    let db = app.db().await?;
    let written = store::records::insert(db, patient, caller.id, new).await?;
    writing::settle(app, claimed, written).await?;
    if let (Written::Repeated, Some(request)) = (written, again) {
        let earlier = store::records::find_by_request(db, &request.key)
            .await?
            .ok_or(Error::NotFound)?;
        return replay(app, caller, &earlier, &request).await;
    }
    let record = store::records::find(db, patient, id)
        .await?
        .ok_or(Error::NotFound)?;
    Ok(RecordView::open(&app.vault, &record, writing::version(&record, id)?)?.created())
}

/// Answer a request that was carried out before. That shows the record, so it is a read.
pub async fn replay(
    app: &AppState,
    caller: &Caller,
    earlier: &StoredRecord,
    request: &StoredRequest,
) -> Result<Response, Error> {
    let version = writing::written_by(earlier, request)?;
    let outline = earlier.outline();
    let attempt = Attempt::on_record(
        caller,
        outline.patient_id,
        Action::Read,
        (version.id, Some(&outline)),
    );
    admit(app, attempt).await?;
    Ok(RecordView::open(&app.vault, earlier, version)?.replayed())
}
