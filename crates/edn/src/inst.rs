//! `#inst`: timestamps in the notation of RFC 3339, down to a bare year, as milliseconds since 1970.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{Date, Time, date};
use nom::branch::alt;
use nom::bytes::complete::take_while_m_n;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{all_consuming, map, map_res, opt};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

const DAY_MS: i64 = 86_400_000;
const EPOCH: Date = date(1970, 1, 1);

/// Reads `2019`, `2019-03`, `2019-03-01`, `2019-03-01T10:20:30.123456+02:00` and what lies between; missing
/// parts are the first of their kind, a missing offset is UTC, digits below milliseconds are dropped.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (_, (date, time, offset)) = all_consuming((civil_date, opt(time), opt(offset))).parse(text).ok()?;
    let days = date.duration_since(EPOCH).as_hours() / 24;
    let offset = offset.unwrap_or(0) * 60_000;
    Some(days * DAY_MS + time.unwrap_or(0) - offset)
}

/// Writes `2019-03-01T00:00:00.000-00:00`; answers `None` outside of the years 0 to 9999.
pub(crate) fn write(f: &mut impl fmt::Write, millis: i64) -> Option<fmt::Result> {
    let (days, rest) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    let date = EPOCH.checked_add(SignedDuration::from_hours(days.checked_mul(24)?)).ok()?;
    if date.year() < 0 {
        return None;
    }
    let (seconds, millis) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = (date.year(), date.month(), date.day());
    Some(write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}-00:00"))
}

fn digits<T: std::str::FromStr>(count: usize) -> impl FnMut(&str) -> IResult<&str, T> {
    move |text| map_res(take_while_m_n(count, count, |c: char| c.is_ascii_digit()), str::parse).parse(text)
}

fn civil_date(text: &str) -> IResult<&str, Date> {
    let month_day = pair(preceded(char('-'), digits(2)), opt(preceded(char('-'), digits(2))));
    map_res(pair(digits(4), opt(month_day)), |(year, month_day)| {
        let (month, day) = month_day.unwrap_or((1, None));
        Date::new(year, month, day.unwrap_or(1))
    })
    .parse(text)
}

/// `T10`, `T10:20`, `T10:20:30`, `T10:20:30.5` in milliseconds of the day.
fn time(text: &str) -> IResult<&str, i64> {
    let fraction = map(preceded(char('.'), digit1), |digits: &str| {
        digits
            .bytes()
            .chain("00".bytes())
            .take(3)
            .fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'))
    });
    let second = pair(preceded(char(':'), digits(2)), opt(fraction));
    let minute = pair(preceded(char(':'), digits(2)), opt(second));
    map_res(preceded(char('T'), pair(digits(2), opt(minute))), |(hour, minute)| {
        let (minute, second) = minute.unwrap_or((0, None));
        let (second, millis) = second.unwrap_or((0, None));
        // A leap second is taken as the second before it.
        let second = if second == 60 && minute == 59 { 59 } else { second };
        let time = Time::new(hour, minute, second, 0)?;
        let seconds =
            i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        Ok::<i64, jiff::Error>(seconds * 1000 + millis.unwrap_or(0))
    })
    .parse(text)
}

/// `Z` or `+02:00`, in minutes.
fn offset(text: &str) -> IResult<&str, i64> {
    let hours_minutes = map_res(
        (one_of("+-"), digits::<i64>(2), char(':'), digits::<i64>(2)),
        |(sign, hours, _, minutes)| {
            if hours > 23 || minutes > 59 {
                return Err("an offset is less than a day");
            }
            let total = hours * 60 + minutes;
            Ok(if sign == '-' { -total } else { total })
        },
    );
    alt((map(char('Z'), |_| 0), hours_minutes)).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(millis: i64) -> Option<String> {
        let mut out = String::new();
        write(&mut out, millis).map(|_| out)
    }

    #[test]
    fn partial_dates_and_offsets() {
        for (text, full) in [
            ("1970", "1970-01-01T00:00:00.000-00:00"),
            ("2019-03", "2019-03-01T00:00:00.000-00:00"),
            ("2019-03-04", "2019-03-04T00:00:00.000-00:00"),
            ("2019-03-04T05", "2019-03-04T05:00:00.000-00:00"),
            ("2019-03-04T05:06", "2019-03-04T05:06:00.000-00:00"),
            ("2019-03-04T05:06:07", "2019-03-04T05:06:07.000-00:00"),
            ("2019-03-04T05:06:07.8", "2019-03-04T05:06:07.800-00:00"),
            ("2019-03-04T05:06:07.8009999Z", "2019-03-04T05:06:07.800-00:00"),
            ("2019-03-04T05:06:07.89+02:30", "2019-03-04T02:36:07.890-00:00"),
            ("2019-01-01T00:00-01:00", "2019-01-01T01:00:00.000-00:00"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999-00:00"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000-00:00"),
            ("0000-02-29", "0000-02-29T00:00:00.000-00:00"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999-00:00"),
        ] {
            let millis = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(shown(millis).as_deref(), Some(full), "{text}");
            assert_eq!(parse(full), Some(millis), "{full}");
        }
        assert_eq!(parse("1970-01-01T00:00:00.001Z"), Some(1));
        assert_eq!(parse("2000-01-01"), Some(946_684_800_000));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "19",
            "2019-",
            "2019-3",
            "2019-13",
            "2019-02-29",
            "2019-00-01",
            "2019-01-01T",
            "2019-01-01T24",
            "2019-01-01T10:60",
            "2019-01-01T10:10:60",
            "2019-01-01T10:10:10.",
            "2019-01-01T10+2",
            "x2019",
            "2019-01-01 10:00",
            "2019-01-01T10:00+24:00",
            "2019-01-01T10:00z",
            "2019-01-01T1:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_beyond_the_calendar_have_no_date() {
        assert_eq!(shown(i64::MAX), None);
        assert_eq!(shown(i64::MIN), None);
        assert_eq!(shown(-62_167_219_200_001), None);
        assert_eq!(shown(-62_167_219_200_000).as_deref(), Some("0000-01-01T00:00:00.000-00:00"));
        assert_eq!(shown(253_402_300_800_000), None);
    }
}
