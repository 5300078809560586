//! Who may do what: one table, checked against the endpoints that exist.

use common::auth::Role;
use common::ids::{SessionId, UserId};
use common_testing::{Answer, As, Client, Matrix, Row, strange_ids, strange_values};
use http::Method;
use serde_json::{Value, json};

use crate::helpers::{PASSWORD, TestApp, User, claims, doctor_form, patient_form, text};
use crate::passwords::first_token;
use crate::second_factor;

/// `own`: of the caller; `other`: of somebody else, a doctor's being a verified one; `pending`: of a doctor who is not;
/// `none`: of nobody. 409 and 422 are past the guard: nobody but a doctor has a profile, and codes are made for one.
const TABLE: &str = "
    operation                               anyone patient doctor pending admin service suspended
    POST   /register                        201    201     201    201     201   201     201
    POST   /login                           200    200     200    200     200   200     200
    POST   /token/refresh                   200    200     200    200     200   200     200
    POST   /password/forgot                 202    202     202    202     202   202     202
    POST   /password/reset                  204    204     204    204     204   204     204
    GET    /.well-known/jwks.json           200    200     200    200     200   200     200
    POST   /logout                          401    204     204    204     204   401     401
    GET    /sessions                        401    200     200    200     200   401     401
    DELETE /sessions/{id}            own    401    204     204    204     204   401     401
    DELETE /sessions/{id}            other  401    404     404    404     404   401     401
    DELETE /sessions/{id}            none   401    404     404    404     404   401     401
    GET    /users/me                        401    200     200    200     200   401     401
    PATCH  /users/me                        401    200     200    200     200   401     401
    PUT    /users/me/password               401    204     204    204     204   401     401
    POST   /users/me/second-factor          401    201     201    201     201   401     401
    POST   /users/me/second-factor/confirmation 401 200    200    200     200   401     401
    POST   /users/me/second-factor/removal  401    204     204    204     204   401     401
    GET    /users                           401    403     403    403     200   401     401
    POST   /users                           401    403     403    403     201   401     401
    GET    /users/{id}               own    401    200     200    200     200   401     401
    GET    /users/{id}               other  401    404     404    404     200   401     401
    GET    /users/{id}               none   401    404     404    404     404   401     401
    PATCH  /users/{id}               own    401    403     403    403     200   401     401
    PATCH  /users/{id}               other  401    403     403    403     200   401     401
    PATCH  /users/{id}               none   401    403     403    403     404   401     401
    GET    /doctors                         401    200     200    200     200   401     401
    GET    /doctors/{id}             own    401    404     200    200     404   401     401
    GET    /doctors/{id}             other  401    200     200    200     200   401     401
    GET    /doctors/{id}             pending 401   404     404    404     200   401     401
    GET    /doctors/{id}             none   401    404     404    404     404   401     401
    PUT    /doctors/{id}/verification own   401    403     403    403     404   401     401
    PUT    /doctors/{id}/verification other 401    403     403    403     200   401     401
    PUT    /doctors/{id}/verification none  401    403     403    403     404   401     401
    PUT    /doctors/{id}/availability own   401    403     200    200     404   401     401
    PUT    /doctors/{id}/availability other 401    403     403    403     200   401     401
    PUT    /doctors/{id}/availability none  401    403     403    403     404   401     401
    GET    /keys                            401    403     403    403     200   401     401
    POST   /keys/rotate                     401    403     403    403     200   401     401
    GET    /audit                           401    403     403    403     200   401     401
";

/// A row's people, new for each row: many an operation ends what the next would need.
struct Cast {
    app: TestApp,
    root: User,
    service: String,
    doctor: User,
    pending: User,
}

/// What a try is made with.
struct Try {
    token: Option<String>,
    /// Whose things are `own`; nobody's of those who have no account.
    own: User,
}

impl Cast {
    async fn start() -> Self {
        let app = TestApp::start_with_clock().await;
        Self {
            root: app.admin().await,
            service: app.service_token("notification-service").await,
            doctor: app.verified_doctor("other").await,
            pending: app.doctor("other-pending").await,
            app,
        }
    }

    /// A new account, logged in.
    async fn account(&self, role: Role) -> User {
        let email = format!("u{}@x.example", UserId::generate());
        let mut form = match role {
            Role::Doctor => doctor_form("new", &email),
            Role::Patient | Role::Admin => patient_form(&email),
        };
        form["role"] = json!(role);
        self.app
            .client
            .post("/users", &self.root.access, &form)
            .await
            .expect(201);
        self.app.login(&email, PASSWORD).await
    }

    async fn caller(&self, caller: &str) -> Try {
        let own = match caller {
            "doctor" => self.verified().await,
            "pending" => self.account(Role::Doctor).await,
            "admin" => self.account(Role::Admin).await,
            _ => self.account(Role::Patient).await,
        };
        let token = match caller {
            "anyone" => None,
            "service" => Some(self.service.clone()),
            _ => Some(own.access.clone()),
        };
        Try { token, own }
    }

    async fn verified(&self) -> User {
        let doctor = self.account(Role::Doctor).await;
        let path = format!("/doctors/{}/verification", doctor.id);
        self.as_root(Method::PUT, &path, json!({"status": "VERIFIED"}))
            .await;
        doctor
    }

    async fn as_root(&self, method: Method, path: &str, body: Value) {
        let request = self.app.client.request(method, path, &self.root.access);
        Client::send(request.json(&body)).await.expect(200);
    }

    async fn attempt(&self, row: &Row, caller: &'static str) -> Answer {
        let by = self.caller(caller).await;
        let id = self.target(row, &by.own).await;
        let body = self.body(row, &by.own).await;
        if caller == "suspended" {
            let path = format!("/users/{}", by.own.id);
            self.as_root(Method::PATCH, &path, json!({"status": "SUSPENDED"}))
                .await;
        }
        let who = by.token.as_deref().map_or(As::Anyone, As::Token);
        let path = row.path.replace("{id}", &id);
        let request = self.app.client.request(row.method.clone(), &path, who);
        Client::send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    async fn target(&self, row: &Row, own: &User) -> String {
        if row.path.starts_with("/sessions") {
            return match row.case {
                "own" => text(&claims(&own.access)["sid"]),
                "other" => text(&claims(&self.doctor.access)["sid"]),
                _ => SessionId::generate().to_string(),
            };
        }
        match row.case {
            "own" => own.id.clone(),
            "pending" => self.pending.id.clone(),
            "other" => match row.method {
                // Somebody new: what is changed here is not what the next row wants.
                Method::PATCH => self.account(Role::Patient).await.id,
                _ => self.doctor.id.clone(),
            },
            _ => UserId::generate().to_string(),
        }
    }

    async fn body(&self, row: &Row, own: &User) -> Option<Value> {
        let fresh = || format!("f{}@x.example", UserId::generate());
        let mine = json!({"current_password": PASSWORD});
        let body = match (row.method.as_str(), row.path) {
            ("POST", "/register" | "/users") => patient_form(&fresh()),
            ("POST", "/login") => json!({"email": self.doctor.email, "password": PASSWORD}),
            ("POST", "/token/refresh") => {
                let email = &self.doctor.email;
                json!({"refresh_token": self.app.login(email, PASSWORD).await.refresh})
            }
            ("POST", "/password/forgot") => json!({"email": own.email}),
            ("POST", "/password/reset") => {
                let token = first_token(&self.app, own).await;
                json!({"token": token, "new_password": "harvest-violin-83-copper"})
            }
            ("PATCH", "/users/me") => json!({"name": "New Name"}),
            ("PUT", "/users/me/password") => {
                json!({"current_password": PASSWORD, "new_password": "harvest-violin-83-copper"})
            }
            ("POST", "/users/me/second-factor") => mine,
            ("POST", "/users/me/second-factor/confirmation") => {
                let secret = second_factor::begin(&self.app, own).await;
                json!({"code": second_factor::code(&self.app, &secret)})
            }
            ("POST", "/users/me/second-factor/removal") => {
                let (_, codes) = second_factor::enrol(&self.app, own).await;
                json!({"current_password": PASSWORD, "code": codes[0]})
            }
            ("PATCH", "/users/{id}") => json!({"status": "ACTIVE"}),
            ("PUT", "/doctors/{id}/verification") => json!({"status": "VERIFIED"}),
            ("PUT", "/doctors/{id}/availability") => {
                json!({"time_zone": "Europe/Berlin", "slot_minutes": 30, "weekly": [], "exceptions": []})
            }
            ("POST", "/keys/rotate") => json!({}),
            _ => return None,
        };
        Some(body)
    }
}

#[tokio::test]
async fn every_caller_gets_what_the_table_says() {
    let cast = Cast::start().await;
    let attempt = async |row: &Row, caller: &'static str| cast.attempt(row, caller).await;
    Matrix::read(TABLE).holds("user-service", attempt).await;
}

/// A new endpoint must have a row above, and a row an endpoint.
#[test]
fn the_table_has_every_public_operation() {
    Matrix::read(TABLE).covers(&user_service::openapi());
}

#[tokio::test]
async fn what_is_no_id_of_an_account_is_not_found() {
    let cast = Cast::start().await;
    let (root, id) = (&cast.root.access, &cast.doctor.id);
    let session = text(&claims(&cast.doctor.access)["sid"]);
    for other in strange_ids(id, &[session]) {
        let verification = json!({"status": "VERIFIED"});
        let hours = json!({"time_zone": "UTC", "slot_minutes": 30, "weekly": [], "exceptions": []});
        let client = &cast.app.client;
        for (answer, operation) in [
            (client.get(&format!("/users/{other}"), root).await, "show"),
            (
                client.patch(&format!("/users/{other}"), root, &json!({})).await,
                "change",
            ),
            (client.get(&format!("/doctors/{other}"), root).await, "doctor"),
            (
                client
                    .put(&format!("/doctors/{other}/verification"), root, &verification)
                    .await,
                "verify",
            ),
            (
                client
                    .put(&format!("/doctors/{other}/availability"), root, &hours)
                    .await,
                "hours",
            ),
            (client.delete(&format!("/sessions/{other}"), root).await, "end"),
        ] {
            assert_eq!(answer.problem(404), "not-found", "{operation} {other}");
        }
    }
    // Capitals are digits of the same number: it is the same account.
    let capitals = format!("/users/{}", id.to_uppercase());
    let shown = cast.app.client.get(&capitals, root).await.expect(200).json();
    assert_eq!(shown["id"], *id);
    cast.app
        .client
        .get(&capitals, &cast.pending.access)
        .await
        .expect(404);
    for value in strange_values(id) {
        let body = json!({"ids": [value]});
        let answer = cast
            .app
            .client
            .post("/internal/users/lookup", &cast.service, &body)
            .await;
        assert_eq!(answer.problem(422), "invalid-request", "{body}");
    }
}

/// What services say to each other is closed to everybody else, and a service's token opens nothing else.
#[tokio::test]
async fn the_inner_operations_are_for_services() {
    let cast = Cast::start().await;
    let paths = [
        (Method::GET, format!("/internal/users/{}", cast.doctor.id)),
        (Method::POST, "/internal/users/lookup".to_owned()),
        (Method::GET, "/internal/revocations".to_owned()),
        (
            Method::GET,
            format!("/internal/password-resets/{}", uuid::Uuid::now_v7()),
        ),
    ];
    for (method, path) in paths {
        for (caller, status) in [
            ("anyone", 401),
            ("patient", 403),
            ("doctor", 403),
            ("pending", 403),
            ("admin", 403),
        ] {
            let by = cast.caller(caller).await;
            let who = by.token.as_deref().map_or(As::Anyone, As::Token);
            let request = cast.app.client.request(method.clone(), &path, who);
            let answer = Client::send(request.json(&json!({"ids": []}))).await;
            answer.problem(status);
        }
    }
}
