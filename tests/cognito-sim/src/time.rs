//! Time as the service sees it: milliseconds, given by the caller.

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// One hour: how long a page token is honoured.
pub(crate) const HOUR: Millis = 3_600_000;

/// Writes a timestamp the way the protocol wants it: epoch seconds with
/// fractional milliseconds, as a JSON number.
pub(crate) fn write_seconds(out: &mut Vec<u8>, at: Millis) {
    let mut digits = itoa(at / 1000);
    out.append(&mut digits);
    let ms = at % 1000;
    out.push(b'.');
    for digit in [ms / 100, ms / 10 % 10, ms % 10] {
        // A single decimal digit always fits.
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// The same as a JSON value.
#[allow(clippy::cast_precision_loss)] // Exact until the year 287,396.
pub(crate) fn seconds(at: Millis) -> f64 {
    at as f64 / 1000.0
}

fn itoa(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}
