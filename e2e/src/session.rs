//! What somebody who has logged in can do.

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Api, read, send};
use crate::model::{
    Appointment, Availability, Doctor, Identity, List, Login, NewRecord, Notification, Record, Slot, Slots,
};
use crate::refusal::ApiError;

/// Somebody's login: their token goes with every request.
#[derive(Clone, Debug)]
pub struct Session {
    api: Api,
    pub login: Login,
}

impl Session {
    pub(crate) fn new(api: Api, login: Login) -> Self {
        Self { api, login }
    }

    pub fn user(&self) -> &Identity {
        &self.login.user
    }

    pub fn id(&self) -> Uuid {
        self.login.user.id
    }

    /// A request with this user's token, for what the typed calls do not cover.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.api
            .request(method, path)
            .bearer_auth(&self.login.access_token)
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        read(self.request(Method::GET, path)).await
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ApiError> {
        read(self.request(Method::PUT, path).json(body)).await
    }

    /// As an administrator: let a doctor in.
    pub async fn verify_doctor(&self, doctor: Uuid) -> Result<Doctor, ApiError> {
        self.put(
            &format!("/doctors/{doctor}/verification"),
            &json!({ "status": "VERIFIED" }),
        )
        .await
    }

    /// All verified doctors of that kind whose name contains `name`, page by page.
    pub async fn find_doctors(&self, specialization: &str, name: &str) -> Result<Vec<Doctor>, ApiError> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let request = self.request(Method::GET, "/doctors").query(&[("limit", "100")]);
            let request = request.query(&[("specialization", specialization), ("q", name)]);
            let cursors: Vec<_> = cursor.iter().map(|cursor| ("cursor", cursor)).collect();
            let page: List<Doctor> = read(request.query(&cursors)).await?;
            found.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    pub async fn set_availability(
        &self,
        doctor: Uuid,
        hours: &Availability,
    ) -> Result<Availability, ApiError> {
        read(
            self.request(Method::PUT, &format!("/doctors/{doctor}/availability"))
                .json(hours),
        )
        .await
    }

    /// A doctor's free times; both dates are `YYYY-MM-DD` and included.
    pub async fn slots(&self, doctor: Uuid, from: &str, to: &str) -> Result<Slots, ApiError> {
        self.get(&format!("/doctors/{doctor}/slots?from={from}&to={to}"))
            .await
    }

    /// As a patient: take that time.
    pub async fn book(&self, doctor: Uuid, slot: &Slot, reason: &str) -> Result<Appointment, ApiError> {
        let body = json!({ "doctor_id": doctor, "date": slot.date, "time": slot.time, "reason": reason });
        read(self.request(Method::POST, "/appointments").json(&body)).await
    }

    pub async fn appointment(&self, id: Uuid) -> Result<Appointment, ApiError> {
        self.get(&format!("/appointments/{id}")).await
    }

    pub async fn confirm(&self, appointment: Uuid) -> Result<Appointment, ApiError> {
        self.put("/appointments/confirm", &json!({ "appointment_id": appointment }))
            .await
    }

    pub async fn cancel(&self, appointment: Uuid, reason: &str) -> Result<Appointment, ApiError> {
        self.put(
            "/appointments/cancel",
            &json!({ "appointment_id": appointment, "reason": reason }),
        )
        .await
    }

    pub async fn reschedule(&self, appointment: Uuid, slot: &Slot) -> Result<Appointment, ApiError> {
        let body = json!({ "appointment_id": appointment, "date": slot.date, "time": slot.time });
        self.put("/appointments/reschedule", &body).await
    }

    pub async fn upload(&self, record: NewRecord) -> Result<Record, ApiError> {
        read(self.request(Method::POST, "/records").multipart(form(record)?)).await
    }

    pub async fn records(&self, patient: Uuid) -> Result<List<Record>, ApiError> {
        self.get(&format!("/records/{patient}")).await
    }

    /// The whole file of a record.
    pub async fn download(&self, patient: Uuid, record: Uuid) -> Result<Vec<u8>, ApiError> {
        let response = send(self.request(Method::GET, &format!("/records/{patient}/{record}/file"))).await?;
        Ok(response.bytes().await?.to_vec())
    }

    pub async fn notifications(&self) -> Result<List<Notification>, ApiError> {
        self.get("/notifications?limit=100").await
    }
}

fn form(record: NewRecord) -> Result<Form, ApiError> {
    let mut form = Form::new()
        .text("patient_id", record.patient_id.to_string())
        .text("record_type", record.record_type)
        .text("title", record.title);
    let further = [
        ("notes", record.notes),
        ("data", record.data.map(|data| data.to_string())),
        ("appointment_id", record.appointment_id.map(|id| id.to_string())),
    ];
    for (name, value) in further {
        if let Some(value) = value {
            form = form.text(name, value);
        }
    }
    if let Some(file) = record.file {
        let part = Part::bytes(file.content)
            .file_name(file.name)
            .mime_str(&file.content_type)?;
        form = form.part("file", part);
    }
    Ok(form)
}
