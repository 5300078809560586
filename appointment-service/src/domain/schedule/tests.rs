use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn window(start: &str, end: &str) -> Window {
    Window {
        start: time(start),
        end: time(end),
    }
}

/// The same window on every day of the week.
fn daily(zone: Tz, minutes: i64, start: &str, end: &str) -> Hours {
    let mut day = Weekday::Mon;
    let weekly = (0..7)
        .map(|_| {
            day = day.succ();
            (day, window(start, end))
        })
        .collect();
    Hours {
        zone,
        visit: TimeDelta::minutes(minutes),
        weekly,
        exceptions: Vec::new(),
    }
}

fn labels(hours: &Hours, day: &str) -> Vec<String> {
    hours
        .slots_on(date(day))
        .iter()
        .map(|slot| slot.time().format("%H:%M").to_string())
        .collect()
}

fn instants(hours: &Hours, day: &str) -> Vec<String> {
    hours
        .slots_on(date(day))
        .iter()
        .map(|slot| slot.start.format("%d %H:%M").to_string())
        .collect()
}

const BERLIN: Tz = chrono_tz::Europe::Berlin;
const NEW_YORK: Tz = chrono_tz::America::New_York;

#[test]
fn a_window_holds_whole_visits_only() {
    assert_eq!(
        labels(&daily(BERLIN, 30, "09:00", "10:45"), "2027-01-11"),
        ["09:00", "09:30", "10:00"]
    );
    assert_eq!(
        labels(&daily(BERLIN, 30, "09:00", "09:20"), "2027-01-11"),
        [""; 0]
    );
}

#[test]
fn nine_stays_nine_when_the_clocks_change() {
    let hours = daily(BERLIN, 60, "09:00", "10:00");
    assert_eq!(instants(&hours, "2027-03-27"), ["27 08:00"]);
    assert_eq!(instants(&hours, "2027-03-28"), ["28 07:00"]);
    assert_eq!(instants(&hours, "2027-10-30"), ["30 07:00"]);
    assert_eq!(instants(&hours, "2027-10-31"), ["31 08:00"]);
}

#[test]
fn a_skipped_hour_holds_no_slots() {
    let berlin = daily(BERLIN, 30, "01:00", "04:00");
    assert_eq!(
        labels(&berlin, "2027-03-28"),
        ["01:00", "01:30", "03:00", "03:30"]
    );
    let new_york = daily(NEW_YORK, 60, "01:00", "04:00");
    assert_eq!(labels(&new_york, "2027-03-14"), ["01:00", "03:00"]);
    assert_eq!(instants(&new_york, "2027-03-14"), ["14 06:00", "14 07:00"]);
}

#[test]
fn an_hour_shown_twice_is_offered_once_the_first_time() {
    let berlin = daily(BERLIN, 30, "01:30", "03:30");
    assert_eq!(
        labels(&berlin, "2027-10-31"),
        ["01:30", "02:00", "02:30", "03:00"]
    );
    assert_eq!(
        instants(&berlin, "2027-10-31"),
        ["30 23:30", "31 00:00", "31 00:30", "31 02:00"]
    );
    let new_york = daily(NEW_YORK, 60, "00:00", "03:00");
    assert_eq!(
        instants(&new_york, "2027-11-07"),
        ["07 04:00", "07 05:00", "07 07:00"]
    );
}

#[test]
fn slots_of_a_window_never_overlap_even_in_the_night_of_the_change() {
    // 01:30 lasts until the wall shows 03:15, so 03:00 cannot be offered beside it.
    assert_eq!(
        labels(&daily(BERLIN, 45, "01:30", "05:00"), "2027-03-28"),
        ["01:30", "03:45"]
    );
}

#[test]
fn a_window_that_ends_in_the_skipped_hour_ends_when_that_hour_begins() {
    assert_eq!(
        labels(&daily(BERLIN, 30, "01:00", "02:30"), "2027-03-28"),
        ["01:00", "01:30"]
    );
}

#[test]
fn zones_that_change_at_midnight_have_no_slot_there() {
    let havana = daily(chrono_tz::America::Havana, 60, "00:00", "03:00");
    assert_eq!(labels(&havana, "2027-03-14"), ["01:00", "02:00"]);
    let beirut = daily(chrono_tz::Asia::Beirut, 60, "00:00", "03:00");
    assert_eq!(labels(&beirut, "2027-03-28"), ["01:00", "02:00"]);
}

#[test]
fn a_zone_with_half_hours_keeps_its_wall_clock() {
    assert_eq!(
        instants(
            &daily(chrono_tz::Asia::Kolkata, 60, "09:00", "10:00"),
            "2027-05-05"
        ),
        ["05 03:30"]
    );
}

#[test]
fn a_date_that_never_was_has_no_slots() {
    assert_eq!(
        labels(
            &daily(chrono_tz::Pacific::Apia, 60, "09:00", "12:00"),
            "2011-12-30"
        ),
        [""; 0]
    );
}

#[test]
fn a_window_over_midnight_continues_on_the_next_date() {
    let mut hours = daily(BERLIN, 60, "22:00", "02:00");
    hours.weekly.retain(|(day, _)| *day == Weekday::Mon);
    assert_eq!(labels(&hours, "2027-01-11"), ["22:00", "23:00"]);
    assert_eq!(labels(&hours, "2027-01-12"), ["00:00", "01:00"]);
    assert_eq!(labels(&hours, "2027-01-13"), [""; 0]);
}

#[test]
fn midnight_ends_a_day_and_equal_ends_make_a_whole_one() {
    assert_eq!(
        labels(&daily(BERLIN, 60, "22:00", "00:00"), "2027-01-11"),
        ["22:00", "23:00"]
    );
    assert_eq!(
        daily(BERLIN, 60, "00:00", "00:00")
            .slots_on(date("2027-01-11"))
            .len(),
        24
    );
    assert_eq!(
        daily(BERLIN, 60, "00:00", "00:00")
            .slots_on(date("2027-03-28"))
            .len(),
        23
    );
}

#[test]
fn an_exception_replaces_the_hours_of_its_date() {
    let mut hours = daily(BERLIN, 60, "09:00", "11:00");
    hours.exceptions = vec![
        (date("2027-01-11"), None),
        (date("2027-01-12"), Some(window("14:00", "15:00"))),
        (date("2027-01-12"), Some(window("16:00", "17:00"))),
    ];
    assert_eq!(labels(&hours, "2027-01-11"), [""; 0]);
    assert_eq!(labels(&hours, "2027-01-12"), ["14:00", "16:00"]);
    assert_eq!(labels(&hours, "2027-01-13"), ["09:00", "10:00"]);
}

#[test]
fn absence_ends_the_night_before_at_midnight() {
    let mut hours = daily(BERLIN, 60, "22:00", "02:00");
    hours.exceptions = vec![(date("2027-01-12"), None)];
    assert_eq!(labels(&hours, "2027-01-11"), ["00:00", "01:00", "22:00", "23:00"]);
    assert_eq!(labels(&hours, "2027-01-12"), [""; 0]);
    assert_eq!(labels(&hours, "2027-01-13"), ["22:00", "23:00"]);
}

#[test]
fn each_refusal_says_what_is_wrong() {
    let mut hours = daily(BERLIN, 30, "01:00", "04:00");
    hours.exceptions = vec![(date("2027-01-12"), None)];
    let refusal = |day: &str, at: &str| hours.slot_at(date(day), time(at)).unwrap_err();
    assert_eq!(refusal("2027-03-28", "02:30"), NoSlot::Skipped);
    assert_eq!(refusal("2027-01-11", "00:30"), NoSlot::OutsideHours);
    assert_eq!(refusal("2027-01-11", "04:00"), NoSlot::OutsideHours);
    assert_eq!(refusal("2027-01-12", "01:00"), NoSlot::OutsideHours);
    assert_eq!(refusal("2027-01-11", "01:10"), NoSlot::OffGrid);
    assert!(hours.slot_at(date("2027-01-11"), time("01:30")).is_ok());
}

/// The dates of 2027 around which the wall clock of `zone` changes.
fn nights_of_change(zone: Tz) -> Vec<NaiveDate> {
    let offset = |day: NaiveDate| {
        zone.from_utc_datetime(&day.and_time(time("12:00"))).naive_local() - day.and_time(time("12:00"))
    };
    let days: Vec<NaiveDate> = date("2027-01-01").iter_days().take(366).collect();
    days.windows(3)
        .filter(|three| offset(three[0]) != offset(three[2]))
        .map(|three| three[1])
        .collect()
}

#[test]
fn every_offered_slot_can_be_named_by_its_date_and_time() {
    for zone in [
        BERLIN,
        NEW_YORK,
        chrono_tz::Australia::Lord_Howe,
        chrono_tz::America::Havana,
    ] {
        let days = nights_of_change(zone);
        assert_eq!(days.len(), 4, "{zone} changes twice a year");
        for minutes in [7, 45, 90] {
            let hours = daily(zone, minutes, "21:10", "05:35");
            for slot in days.iter().flat_map(|day| hours.slots_on(*day)) {
                assert_eq!(
                    hours.slot_at(slot.date(), slot.time()),
                    Ok(slot),
                    "{zone} {minutes}"
                );
            }
        }
    }
}

#[test]
fn free_slots_leave_out_the_past_and_whatever_meets_a_visit() {
    let hours = daily(chrono_tz::UTC, 30, "09:00", "12:00");
    let at = |text: &str| date("2027-01-11").and_time(time(text)).and_utc();
    // A visit of another length, from before the doctor changed their slots.
    let busy = [(at("10:15"), at("10:45"))];
    let free: Vec<String> = free_slots(&hours, date("2027-01-11").iter_days().take(1), at("09:00"), &busy)
        .map(|slot| slot.time().format("%H:%M").to_string())
        .collect();
    assert_eq!(free, ["09:30", "11:00", "11:30"]);
}
