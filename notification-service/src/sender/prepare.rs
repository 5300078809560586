//! Whether a message may go out now, to which address, and with which words.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use common::clients::users::UserCard;
use common::http::CallError;

use super::Sender;
use super::doubt::UNKNOWN;
use crate::config::Settings;
use crate::domain::address::may_text;
use crate::domain::channel::Channel;
use crate::domain::preferences::{quiet_at, respects_quiet, wants};
use crate::domain::status::{SkipReason, State};
use crate::domain::template::{Category, Template};
use crate::domain::visit::Visit;
use crate::domain::wording::{Mail, Wording};
use crate::store::claims::Claimed;
use crate::store::{ledger, opt_outs, visits};

/// Until another service that is away is asked again.
const AWAY: TimeDelta = TimeDelta::seconds(5);
/// News of a visit that is this old and untrue by now is not worth telling in its order any more.
const STALE: TimeDelta = TimeDelta::minutes(10);

pub(super) enum Decision {
    Send(Box<Ready>),
    Postpone(DateTime<Utc>),
    Skip(SkipReason),
    Fail(String),
}

pub(super) struct Ready {
    pub(super) address: String,
    pub(super) name: String,
    pub(super) content: Content,
}

pub(super) enum Content {
    Mail(Mail),
    Sms(String),
}

/// Why not to send: an early way out of the checks.
type Objection<T> = Result<T, Decision>;

impl Sender {
    pub(super) async fn prepare(&self, one: &Claimed) -> sqlx::Result<Decision> {
        let now = self.clock.now();
        if let Err(decision) = still_wanted(one, now) {
            return Ok(decision);
        }
        let card = match self.users.find(one.user_id).await {
            Ok(Some(card)) => card,
            Ok(None) => return Ok(Decision::Skip(SkipReason::UnknownUser)),
            Err(error) => return Ok(later(&error, now)),
        };
        let settings = self.settings.current();
        let address = match check_recipient(one, &card, &settings, now) {
            Ok(address) => address,
            Err(decision) => return Ok(decision),
        };
        if one.channel == Channel::Sms
            && let Some(reason) = self.sms_objection(one, &address, &settings, now).await?
        {
            return Ok(Decision::Skip(reason));
        }
        let clinic_zone = match self.check_visit(one, now).await? {
            Ok(zone) => zone,
            Err(decision) => return Ok(decision),
        };
        let reset_link = match self.reset_link(one, &settings, now).await {
            Ok(link) => link,
            Err(decision) => return Ok(decision),
        };
        let wording = Wording {
            template: one.template,
            facts: &one.facts,
            name: &card.name,
            zone: zone_of(&card),
            clinic_zone,
            messages: &settings.messages,
            home: settings.public.base_url.as_str(),
            reset_link: reset_link.as_deref(),
        };
        let content = match one.channel {
            Channel::Sms => Content::Sms(wording.sms()),
            Channel::Email => match wording.mail() {
                Ok(mail) => Content::Mail(mail),
                Err(_) => return Ok(Decision::Fail("unwritable".to_owned())),
            },
        };
        Ok(Decision::Send(Box::new(Ready {
            address,
            name: card.name,
            content,
        })))
    }

    async fn sms_objection(
        &self,
        one: &Claimed,
        phone: &str,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Option<SkipReason>> {
        let mut db = self.pool.acquire().await?;
        if opt_outs::contains(&mut db, phone).await? {
            return Ok(Some(SkipReason::OptedOut));
        }
        let (own, all) = ledger::sms_since(&mut db, one.user_id, now - TimeDelta::days(1)).await?;
        if own >= settings.sms.daily_limit_per_user || all >= settings.sms.daily_limit {
            tracing::error!(id = %one.id, own, all, "the daily limit of SMS is reached");
            return Ok(Some(SkipReason::LimitReached));
        }
        Ok(None)
    }

    /// Whether what the message says of a visit is still so. The clinic's zone, where it could be asked for.
    async fn check_visit(&self, one: &Claimed, now: DateTime<Utc>) -> sqlx::Result<Objection<Option<Tz>>> {
        let (Some(id), Some(start_at)) = (one.appointment_id, one.facts.start_at) else {
            return Ok(Ok(None));
        };
        let current = self.appointments.find(id).await;
        if one.template == Template::AppointmentReminder {
            return Ok(check_reminder(current, start_at, now));
        }
        let mut db = self.pool.acquire().await?;
        let known = visits::find(&mut db, id).await?;
        let untrue = known.is_some_and(|visit| visit.contradicts(one.template, start_at));
        // Both are told in their order where that is possible; the older one never after the newer.
        if untrue && (now - one.due_at > STALE || ledger::told_later(&mut db, one).await?) {
            return Ok(Err(Decision::Skip(SkipReason::Superseded)));
        }
        Ok(Ok(current
            .ok()
            .flatten()
            .and_then(|card| card.time_zone.parse().ok())))
    }

    /// The link of a password mail. Its token never travels by event and is fetched when it is needed.
    async fn reset_link(
        &self,
        one: &Claimed,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Objection<Option<String>> {
        let Some(reset_id) = one.facts.reset_id else {
            return Ok(None);
        };
        let reset = match self.users.reset_token(reset_id).await {
            Ok(Some(reset)) if reset.user_id == one.user_id && reset.expires_at > now => reset,
            Ok(_) => return Err(Decision::Skip(SkipReason::TooLate)),
            Err(error) => return Err(later(&error, now)),
        };
        let base = settings.public.base_url.as_str().trim_end_matches('/');
        Ok(Some(
            settings
                .messages
                .reset_link
                .replace("{base}", base)
                .replace("{token}", &reset.token),
        ))
    }
}

fn still_wanted(one: &Claimed, now: DateTime<Utc>) -> Objection<()> {
    let late = one.expires_at.is_some_and(|end| end <= now);
    match (late, one.state) {
        (false, _) => Ok(()),
        (true, State::Ambiguous) => Err(Decision::Fail(UNKNOWN.to_owned())),
        (true, _) => Err(Decision::Skip(SkipReason::TooLate)),
    }
}

/// The address, if this user may and wants to be written to over this channel now.
fn check_recipient(
    one: &Claimed,
    card: &UserCard,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Objection<String> {
    let category = one.template.category();
    let skip = |reason| Err(Decision::Skip(reason));
    if !card.is_active() && category != Category::Security {
        return skip(SkipReason::Suspended);
    }
    let address = match one.channel {
        Channel::Email => Some(&card.email),
        Channel::Sms => card.phone.as_ref(),
    };
    let Some(address) = address.filter(|address| !address.is_empty()) else {
        return skip(SkipReason::NoAddress);
    };
    if one.channel == Channel::Sms && !may_text(address, &settings.sms.allowed_prefixes) {
        return skip(SkipReason::NumberNotAllowed);
    }
    // What an administrator writes by hand is meant for exactly this channel.
    if one.template != Template::Message && !wants(&card.notifications, category, one.channel, true) {
        return skip(SkipReason::Preference);
    }
    let visit_at = [one.facts.start_at, one.facts.previous_start_at]
        .into_iter()
        .flatten()
        .min();
    if respects_quiet(one.template, one.channel, visit_at, now)
        && let Some(quiet) = quiet_at(card.notifications.quiet_hours.as_ref(), zone_of(card), now)
    {
        let too_late = one.expires_at.is_some_and(|end| quiet.until >= end);
        return Err(if too_late {
            Decision::Skip(SkipReason::TooLate)
        } else {
            Decision::Postpone(quiet.until)
        });
    }
    Ok(address.clone())
}

fn check_reminder(
    current: Result<Option<common::clients::appointments::AppointmentCard>, CallError>,
    start_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Objection<Option<Tz>> {
    let card = match current {
        Ok(Some(card)) => card,
        Ok(None) => return Err(Decision::Skip(SkipReason::Superseded)),
        Err(error) => return Err(later(&error, now)),
    };
    let visit = Visit {
        version: card.version,
        status: card.status,
        start_at: card.start_at,
    };
    if visit.contradicts(Template::AppointmentReminder, start_at) {
        return Err(Decision::Skip(SkipReason::Superseded));
    }
    Ok(card.time_zone.parse().ok())
}

fn zone_of(card: &UserCard) -> Tz {
    card.time_zone.parse().unwrap_or(Tz::UTC)
}

fn later(error: &CallError, now: DateTime<Utc>) -> Decision {
    tracing::warn!(%error, "a message waits for another service");
    Decision::Postpone(now + AWAY)
}
