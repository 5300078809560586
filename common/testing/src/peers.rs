use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use common::auth::Role;
use common::clients::appointments::{AppointmentCard, Relationship};
use common::clients::users::{
    Availability, Day, DoctorCard, Found, Lookup, Preferences, ResetToken, UserCard, Verification,
    WeeklyWindow,
};
use common::discovery::Discovery;
use common::extract::{Json, Path, Query};
use common::ids::{AppointmentId, UserId};
use common::problem::Problem;
use serde::Deserialize;
use uuid::Uuid;

/// Stand-ins for user-service's and appointment-service's internal APIs: one listener, real HTTP, the wire types of
/// their clients. What they answer is what the test put in.
#[derive(Clone)]
pub struct Peers {
    address: SocketAddr,
    state: Arc<Known>,
}

#[derive(Default)]
struct Known {
    away: AtomicBool,
    users: Mutex<HashMap<UserId, UserCard>>,
    appointments: Mutex<HashMap<AppointmentId, AppointmentCard>>,
    relationships: Mutex<HashMap<(UserId, UserId), Relationship>>,
    resets: Mutex<HashMap<Uuid, ResetToken>>,
}

impl Peers {
    /// Listen on a free port.
    pub async fn start() -> Self {
        let state = Arc::new(Known::default());
        let router = Router::new()
            .route("/internal/users/{id}", get(user))
            .route("/internal/users/lookup", post(lookup))
            .route("/internal/password-resets/{id}", get(reset))
            .route("/internal/appointments/{id}", get(appointment))
            .route("/internal/relationships", get(relationship))
            .layer(middleware::from_fn_with_state(Arc::clone(&state), present))
            .with_state(Arc::clone(&state));
        let address = crate::serve(router).await;
        Self { address, state }
    }

    /// A registry in which both services stand at this listener.
    pub fn discovery(&self) -> Discovery {
        let here = vec![self.address];
        let apps = ["user-service", "appointment-service"].map(|app| (app.to_owned(), here.clone()));
        Discovery::fixed(HashMap::from(apps))
    }

    /// From now on every call is answered 503, or again as usual.
    pub fn set_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
    }

    /// Put in an account, or another state of it.
    pub fn put_user(&self, user: UserCard) {
        self.state.users.lock().unwrap().insert(user.id, user);
    }

    /// A new active patient.
    pub fn patient(&self) -> UserCard {
        let user = card(Role::Patient, None);
        self.put_user(user.clone());
        user
    }

    /// A new verified doctor, working Monday to Friday 09:00–12:00 Berlin time in visits of 30 minutes.
    pub fn doctor(&self) -> UserCard {
        let days = [
            Day::Monday,
            Day::Tuesday,
            Day::Wednesday,
            Day::Thursday,
            Day::Friday,
        ];
        let window = |day| WeeklyWindow {
            day,
            start: "09:00".to_owned(),
            end: "12:00".to_owned(),
        };
        let availability = Availability {
            time_zone: "Europe/Berlin".to_owned(),
            slot_minutes: 30,
            weekly: days.map(window).to_vec(),
            exceptions: Vec::new(),
        };
        self.doctor_with(availability)
    }

    /// A new verified doctor with these hours.
    pub fn doctor_with(&self, availability: Availability) -> UserCard {
        let doctor = DoctorCard {
            specialization: "Cardiology".to_owned(),
            verification: Verification::Verified,
            availability,
        };
        let user = card(Role::Doctor, Some(doctor));
        self.put_user(user.clone());
        user
    }

    /// Put in an appointment.
    pub fn put_appointment(&self, appointment: AppointmentCard) {
        self.state
            .appointments
            .lock()
            .unwrap()
            .insert(appointment.id, appointment);
    }

    /// What appointment-service says of visits between the two.
    pub fn put_relationship(&self, doctor: UserId, patient: UserId, relationship: Relationship) {
        self.state
            .relationships
            .lock()
            .unwrap()
            .insert((doctor, patient), relationship);
    }

    /// Put in the token of a password reset.
    pub fn put_reset(&self, id: Uuid, token: ResetToken) {
        self.state.resets.lock().unwrap().insert(id, token);
    }
}

fn card(role: Role, doctor: Option<DoctorCard>) -> UserCard {
    let id = UserId::generate();
    UserCard {
        id,
        name: format!("Test {role}"),
        email: format!("{id}@example.org"),
        phone: Some("+4915112345678".to_owned()),
        role,
        status: "ACTIVE".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        notifications: Preferences::default(),
        doctor,
    }
}

async fn present(State(known): State<Arc<Known>>, request: Request, next: Next) -> Response {
    let tokened = request
        .headers()
        .get("authorization")
        .is_some_and(|value| value.as_bytes().starts_with(b"Bearer "));
    if known.away.load(Ordering::SeqCst) {
        return Problem::unavailable("away by order of the test").into_response();
    }
    if tokened {
        next.run(request).await
    } else {
        Problem::unauthorized("no service token").into_response()
    }
}

async fn user(State(known): State<Arc<Known>>, Path(id): Path<UserId>) -> Result<Json<UserCard>, Problem> {
    known
        .users
        .lock()
        .unwrap()
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or_else(Problem::not_found)
}

async fn lookup(State(known): State<Arc<Known>>, Json(body): Json<Lookup>) -> Json<Found> {
    let users = known.users.lock().unwrap();
    Json(Found {
        users: body.ids.iter().filter_map(|id| users.get(id).cloned()).collect(),
    })
}

async fn reset(State(known): State<Arc<Known>>, Path(id): Path<Uuid>) -> Result<Json<ResetToken>, Problem> {
    known
        .resets
        .lock()
        .unwrap()
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or_else(Problem::not_found)
}

async fn appointment(
    State(known): State<Arc<Known>>,
    Path(id): Path<AppointmentId>,
) -> Result<Json<AppointmentCard>, Problem> {
    known
        .appointments
        .lock()
        .unwrap()
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or_else(Problem::not_found)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Between {
    doctor_id: UserId,
    patient_id: UserId,
}

async fn relationship(State(known): State<Arc<Known>>, Query(between): Query<Between>) -> Json<Relationship> {
    let relationships = known.relationships.lock().unwrap();
    let found = relationships
        .get(&(between.doctor_id, between.patient_id))
        .cloned();
    Json(found.unwrap_or(Relationship {
        appointment_id: None,
        until: None,
    }))
}
