//! Texts to numbers, booleans and sizes, with their defaults and ranges.

use std::ops::RangeInclusive;

use super::ConfigError;
use super::source::Found;

/// Any `int` that is not negative.
pub(super) const NATURAL: RangeInclusive<i64> = 0..=i32::MAX as i64;
/// Any positive `int`.
pub(super) const POSITIVE: RangeInclusive<i64> = 1..=i32::MAX as i64;
pub(super) const ANY: RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;
pub(super) const ANY_LONG: RangeInclusive<i64> = i64::MIN..=i64::MAX;

pub(super) fn number(
    found: Option<Found>,
    range: RangeInclusive<i64>,
    unit: &str,
    default: i64,
) -> Result<i64, ConfigError> {
    found.map_or(Ok(default), |f| f.number(range, unit))
}

pub(super) fn decimal(found: Option<Found>, default: f64) -> Result<f64, ConfigError> {
    found.map_or(Ok(default), |f| f.fraction())
}

pub(super) fn strict(found: Option<Found>, default: bool) -> Result<bool, ConfigError> {
    found.map_or(Ok(default), |f| f.strict_bool())
}

pub(super) fn flag(found: Option<Found>, default: bool) -> bool {
    found.map_or(default, |f| f.is_true())
}

pub(super) fn text(found: Option<Found>) -> Option<String> {
    found.map(|f| f.value)
}

/// `bytes`, with an optional k, m or g for 1024, 1024², 1024³. For our own keys only.
pub(super) fn size(found: Option<Found>, default: usize) -> Result<usize, ConfigError> {
    let Some(found) = found else { return Ok(default) };
    let lower = found.value.to_ascii_lowercase();
    let digits = lower.trim_end_matches(['k', 'm', 'g']);
    let shift = match &lower[digits.len()..] {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    shift
        .and_then(|s| digits.parse::<usize>().ok()?.checked_mul(1 << s))
        .filter(|n| *n > 0)
        .ok_or_else(|| found.refuse("bytes above 0, with k, m or g for multiples of 1024"))
}
