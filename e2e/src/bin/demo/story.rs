//! Who does what, step by step.

use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{Days, NaiveDate, Utc};
use e2e::model::{Appointment, Availability, NewDoctor, NewRecord, NewUser, Record, Slot, Upload, User};
use e2e::{Api, Session, wait};
use serde_json::json;
use uuid::Uuid;

use crate::setting;

const SPECIALIZATION: &str = "Cardiology";
const TIME_ZONE: &str = "Europe/Berlin";
const PRESCRIPTION: &[u8] = include_bytes!("prescription.pdf");

/// Tells the whole story; how many steps it had.
pub(crate) async fn tell(base: &str) -> anyhow::Result<u32> {
    let mut story = Story {
        api: Api::new(base)?,
        steps: 0,
        run: Uuid::now_v7(),
    };
    story.tell().await?;
    Ok(story.steps)
}

struct Story {
    api: Api,
    steps: u32,
    /// Makes the people of this run different from those of the last one.
    run: Uuid,
}

impl Story {
    async fn tell(&mut self) -> anyhow::Result<()> {
        let patient = self.patient_comes().await?;
        let doctor = self.doctor_comes().await?;
        self.admin_verifies(&doctor, &patient).await?;
        let slot = self.slot_is_found(&patient, doctor.id()).await?;
        let visit = self.slot_is_booked(&patient, doctor.id(), &slot).await?;
        let prescription = self.prescription_is_uploaded(&doctor, &visit).await?;
        self.prescription_is_read(&patient, &prescription).await?;
        self.notice_is_delivered("The patient", &patient, visit.id)
            .await?;
        self.notice_is_delivered("The doctor", &doctor, visit.id).await
    }

    fn step(&mut self, what: &str) {
        self.steps += 1;
        println!("{:2}. {what}", self.steps);
    }

    async fn register(&self, who: &str, user: NewUser) -> anyhow::Result<(User, Session)> {
        let registered = self
            .api
            .register(&user)
            .await
            .with_context(|| format!("registering the {who}"))?;
        let session = self.api.login(&user.email, &user.password).await;
        Ok((
            registered,
            session.with_context(|| format!("logging in as the {who}"))?,
        ))
    }

    async fn patient_comes(&mut self) -> anyhow::Result<Session> {
        self.step("Ada Keller registers as a patient and logs in");
        let new = NewUser {
            name: "Ada Keller".to_owned(),
            email: format!("ada.{}@example.org", self.run.simple()),
            password: password(),
            role: "PATIENT",
            phone: None,
            time_zone: Some(TIME_ZONE.to_owned()),
            doctor: None,
        };
        let (user, session) = self.register("patient", new).await?;
        detail(&format!("{} {}, {}", user.role, user.id, user.status));
        Ok(session)
    }

    async fn doctor_comes(&mut self) -> anyhow::Result<Session> {
        self.step(&format!(
            "Dr. Jonas Weber registers as a doctor ({SPECIALIZATION}) and logs in"
        ));
        let new = NewUser {
            name: "Dr. Jonas Weber".to_owned(),
            email: format!("jonas.{}@example.org", self.run.simple()),
            password: password(),
            role: "DOCTOR",
            phone: None,
            time_zone: Some(TIME_ZONE.to_owned()),
            doctor: Some(NewDoctor {
                specialization: SPECIALIZATION.to_owned(),
                license_number: Some(format!("DE-{}", &self.run.simple().to_string()[20..])),
                availability: Some(Availability::daily(TIME_ZONE, 30, "09:00", "17:00")),
            }),
        };
        let (user, session) = self.register("doctor", new).await?;
        let verification = user
            .doctor
            .context("the answer has no doctor in it")?
            .verification;
        detail(&format!("{} {}, verification {verification}", user.role, user.id));
        ensure!(
            verification == "PENDING",
            "a new doctor must wait for verification"
        );
        Ok(session)
    }

    async fn admin_verifies(&mut self, doctor: &Session, patient: &Session) -> anyhow::Result<()> {
        self.step("The patient does not find the doctor yet; the administrator verifies him; now she does");
        ensure!(
            !finds(patient, doctor).await?,
            "an unverified doctor is in the directory"
        );
        let (email, password) = (setting("ADMIN_EMAIL")?, setting("ADMIN_PASSWORD")?);
        let admin = self
            .api
            .login(&email, &password)
            .await
            .context("logging in as the administrator")?;
        let verified = admin
            .verify_doctor(doctor.id())
            .await
            .context("verifying the doctor")?;
        ensure!(
            finds(patient, doctor).await?,
            "a verified doctor is not in the directory"
        );
        detail(&format!("{}: {}", verified.name, verified.verification));
        Ok(())
    }

    async fn slot_is_found(&mut self, patient: &Session, doctor: Uuid) -> anyhow::Result<Slot> {
        self.step("The patient looks for a free time within the next week");
        let tomorrow = today() + Days::new(1);
        let (from, to) = (tomorrow.to_string(), (tomorrow + Days::new(7)).to_string());
        let free = patient
            .slots(doctor, &from, &to)
            .await
            .context("looking for free times")?;
        let count = free.slots.len();
        let first = free.slots.into_iter().next().context("there is no free time")?;
        let minutes = free.slot_minutes;
        detail(&format!(
            "{count} free times of {minutes} min; the first: {} {} ({})",
            first.date, first.time, free.time_zone
        ));
        Ok(first)
    }

    async fn slot_is_booked(
        &mut self,
        patient: &Session,
        doctor: Uuid,
        slot: &Slot,
    ) -> anyhow::Result<Appointment> {
        self.step("She books it");
        let visit = patient
            .book(doctor, slot, "Palpitations since Monday")
            .await
            .context("booking")?;
        detail(&format!(
            "appointment {}: {} at {} {}",
            visit.id, visit.status, visit.date, visit.time
        ));
        let date = slot.date.to_string();
        let free = patient
            .slots(doctor, &date, &date)
            .await
            .context("looking again for free times")?;
        let still_free = free.slots.iter().any(|other| other.start_at == slot.start_at);
        ensure!(!still_free, "the booked time is still offered");
        Ok(visit)
    }

    async fn prescription_is_uploaded(
        &mut self,
        doctor: &Session,
        visit: &Appointment,
    ) -> anyhow::Result<Record> {
        self.step("The doctor writes a prescription, with a PDF");
        let record = doctor
            .upload(prescription(visit))
            .await
            .context("uploading the prescription")?;
        let file = record.file.as_ref().context("the record has no file")?;
        detail(&format!(
            "record {}: {} ({}, {} bytes)",
            record.id, file.name, file.content_type, file.size
        ));
        detail(&format!("sha256 {}", file.sha256));
        Ok(record)
    }

    async fn prescription_is_read(&mut self, patient: &Session, record: &Record) -> anyhow::Result<()> {
        self.step("The patient finds it among her records and downloads the file");
        let records = patient
            .records(patient.id())
            .await
            .context("listing the records")?;
        ensure!(
            records.items.iter().any(|known| known.id == record.id),
            "the record is not in her list"
        );
        let content = patient
            .download(patient.id(), record.id)
            .await
            .context("downloading the file")?;
        ensure!(
            content == PRESCRIPTION,
            "the file that came back is not the file that was uploaded"
        );
        detail(&format!("{} bytes, the same as were uploaded", content.len()));
        Ok(())
    }

    async fn notice_is_delivered(&mut self, who: &str, reader: &Session, visit: Uuid) -> anyhow::Result<()> {
        self.step(&format!("{who} has been told of the booking"));
        let notice = wait::until(Duration::from_secs(30), async || {
            let list = reader.notifications().await.ok()?;
            list.items
                .into_iter()
                .find(|notice| notice.appointment_id == Some(visit) && notice.has_left())
        });
        let notice = notice
            .await
            .with_context(|| format!("{who} has not been told within 30 s"))?;
        detail(&format!(
            "{} {}: {}",
            notice.channel, notice.category, notice.status
        ));
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the story is told now, not at a time of its own"
)]
fn today() -> NaiveDate {
    Utc::now().date_naive()
}

/// Nothing that anybody could guess from what is known about the person.
fn password() -> String {
    Uuid::new_v4().to_string()
}

fn detail(text: &str) {
    println!("      {text}");
}

async fn finds(patient: &Session, doctor: &Session) -> anyhow::Result<bool> {
    let found = patient.find_doctors(SPECIALIZATION, &doctor.user().name).await;
    let found = found.context("searching the directory")?;
    Ok(found.iter().any(|known| known.id == doctor.id()))
}

fn prescription(visit: &Appointment) -> NewRecord {
    NewRecord {
        patient_id: visit.patient_id,
        record_type: "PRESCRIPTION",
        title: "Bisoprolol 2.5 mg".to_owned(),
        notes: Some("One tablet each morning, for four weeks".to_owned()),
        data: Some(json!({ "drug": "Bisoprolol", "dose": { "amount": 2.5, "unit": "mg" }, "per_day": 1 })),
        appointment_id: Some(visit.id),
        file: Some(Upload {
            name: "prescription.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            content: PRESCRIPTION.to_vec(),
        }),
    }
}
