//! `GET /records/{patient_id}`, one record, and its versions.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::auth::{Caller, Role};
use common::extract::{Json, Path, Query};
use common::ids::{RecordId, UserId};
use common::page::List;
use common::period::Moment;
use common::problem::{Checks, Problem, ProblemDocument};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

use super::grants::Paging;
use super::view::RecordView;
use crate::access::{Attempt, admit};
use crate::audit::Action;
use crate::domain::access::Rule;
use crate::domain::record::RecordType;
use crate::error::Error;
use crate::store::records::{Filter, ListKey, StoredRecord};
use crate::{AppState, store, writing};

/// Which records to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only of this type.
    #[param(value_type = Option<RecordType>)]
    record_type: Option<String>,
    /// Only what happened on this date (UTC) or at this instant, or later.
    #[param(example = "2026-01-01")]
    from: Option<String>,
    /// Only what happened up to this date (UTC), included, or this instant, not included.
    #[param(example = "2026-12-31")]
    to: Option<String>,
    /// Records on a page, 1 to 100; 20 if absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A patient's records in their newest versions, newest first by `occurred_at`.
///
/// A doctor whom nothing but own records connects with the patient sees those.
#[utoipa::path(
    get, path = "/records/{patient_id}", tag = "records", security(("bearer" = [])),
    params(
        ("patient_id" = UserId, Path), Wanted,
        ("X-Break-Glass" = Option<String>, Header, description = "A doctor's reason to read in an emergency; the patient is told"),
    ),
    responses((status = 200, body = List<RecordView>), (status = 403, body = ProblemDocument), (status = 422, body = ProblemDocument)),
)]
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(patient): Path<UserId>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Json<List<RecordView>>, Error> {
    let page = app
        .cursors
        .page::<ListKey>(caller.id, "records", wanted.limit, wanted.cursor.as_deref())?;
    let period = wanted.read()?;
    let attempt = Attempt::on_patient(&caller, patient, Action::List).breaking_glass(&headers)?;
    let rule = admit(&app, attempt).await?;
    let filter = Filter {
        patient,
        author: (rule == Rule::Author).then_some(caller.id),
        with_withdrawn: caller.role == Role::Patient,
        record_type: period.record_type,
        from: period.from,
        until: period.until,
        after: page.after,
    };
    let found = store::records::list(app.db().await?, &filter, page.fetch()).await?;
    let views = found
        .iter()
        .map(|record| newest(&app, record))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.list(views, |view| ListKey {
        occurred_at: view.occurred_at,
        id: view.id,
    })))
}

/// One version of a record.
#[utoipa::path(
    get, path = "/records/{patient_id}/{record_id}", tag = "records", security(("bearer" = [])),
    params(
        ("patient_id" = UserId, Path), ("record_id" = RecordId, Path),
        ("X-Break-Glass" = Option<String>, Header, description = "A doctor's reason to read in an emergency; the patient is told"),
    ),
    responses((status = 200, body = RecordView), (status = 404, body = ProblemDocument)),
)]
pub async fn find(
    State(app): State<AppState>,
    caller: Caller,
    Path((patient, id)): Path<(UserId, RecordId)>,
    headers: HeaderMap,
) -> Result<Json<RecordView>, Error> {
    let record = readable(&app, &caller, (patient, id), Action::Read, &headers).await?;
    Ok(Json(RecordView::open(
        &app.vault,
        &record,
        writing::version(&record, id)?,
    )?))
}

/// All versions of a record, newest first.
#[utoipa::path(
    get, path = "/records/{patient_id}/{record_id}/versions", tag = "records", security(("bearer" = [])),
    params(
        ("patient_id" = UserId, Path), ("record_id" = RecordId, Path, description = "Any version"), Paging,
        ("X-Break-Glass" = Option<String>, Header, description = "A doctor's reason to read in an emergency; the patient is told"),
    ),
    responses((status = 200, body = List<RecordView>), (status = 404, body = ProblemDocument)),
)]
pub async fn versions(
    State(app): State<AppState>,
    caller: Caller,
    Path((patient, id)): Path<(UserId, RecordId)>,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Json<List<RecordView>>, Error> {
    let page = app
        .cursors
        .page::<u32>(caller.id, "versions", paging.limit, paging.cursor.as_deref())?;
    let record = readable(&app, &caller, (patient, id), Action::ReadVersions, &headers).await?;
    let earlier = |number: u32| page.after.is_none_or(|after| number < after);
    let views = record
        .versions
        .iter()
        .rev()
        .filter(|version| earlier(version.version))
        .take(page.fetch() as usize)
        .map(|version| RecordView::open(&app.vault, &record, version));
    Ok(Json(
        page.list(views.collect::<Result<_, _>>()?, |view| view.version),
    ))
}

/// The record, if the caller may read it; the log already says so.
pub(super) async fn readable(
    app: &AppState,
    caller: &Caller,
    (patient, id): (UserId, RecordId),
    action: Action,
    headers: &HeaderMap,
) -> Result<StoredRecord, Error> {
    let record = store::records::find(app.db().await?, patient, id).await?;
    let outline = record.as_ref().map(StoredRecord::outline);
    let attempt =
        Attempt::on_record(caller, patient, action, (id, outline.as_ref())).breaking_glass(headers)?;
    admit(app, attempt).await?;
    record.ok_or(Error::NotFound)
}

fn newest(app: &AppState, record: &StoredRecord) -> Result<RecordView, Error> {
    let head = record.versions.last().ok_or(Error::NotFound)?;
    RecordView::open(&app.vault, record, head)
}

struct Period {
    record_type: Option<RecordType>,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Wanted {
    fn read(&self) -> Result<Period, Problem> {
        let mut checks = Checks::default();
        let record_type = self
            .record_type
            .as_deref()
            .and_then(|text| checks.take("/record_type", text.parse()));
        let (from, to) = Moment::period((self.from.as_deref(), self.to.as_deref()), &mut checks);
        let (from, until) = (from.map(Moment::begin), to.map(Moment::end));
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            checks.refuse("/to", "must not be before from");
        }
        checks.finish()?;
        Ok(Period {
            record_type,
            from,
            until,
        })
    }
}
