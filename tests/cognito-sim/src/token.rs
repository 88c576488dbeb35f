//! Page tokens: opaque to callers, bound to one listing, short-lived.

use crate::error::ServiceError;
use crate::rng;
use crate::time::{HOUR, Millis};

/// Where a listing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The place of the last record answered. A place, never a count: records
    /// that come or go elsewhere must not shift it.
    pub(crate) after: (u64, u32),
    /// Whether anything was answered yet.
    pub(crate) started: bool,
    /// Whether the listing had ended already (a last, empty page follows).
    pub(crate) ended: bool,
}

/// Makes and checks the tokens of one listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    key: u64,
    listing: u64,
}

const LENGTH: usize = 30;

impl Seal {
    /// `parts` name the listing: operation, pool, and filter or group.
    pub(crate) fn new(seed: u64, parts: &[&str]) -> Self {
        let key = rng::mix(seed ^ 0x70_6B_65_6E);
        let listing = parts.iter().fold(key, |hash, part| rng::hash(hash, part.as_bytes()));
        Self { key, listing }
    }

    pub(crate) fn token(self, position: Position, now: Millis) -> String {
        let mut bytes = [0_u8; LENGTH];
        bytes[..8].copy_from_slice(&position.after.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&position.after.1.to_be_bytes());
        bytes[12] = u8::from(position.started) | u8::from(position.ended) << 1;
        bytes[13] = 1;
        bytes[14..22].copy_from_slice(&now.to_be_bytes());
        let mac = self.mac(&bytes[..22]);
        bytes[22..].copy_from_slice(&mac.to_be_bytes());
        // Scrambled, so that nobody comes to rely on what is inside.
        let mut mask = rng::Rng::new(self.key ^ mac);
        let mut text = String::from("CAIS");
        for (i, byte) in bytes.iter().enumerate() {
            let byte = if i < 22 { byte ^ mask.next().to_le_bytes()[0] } else { *byte };
            text.push(char::from(b'a' + (byte >> 4)));
            text.push(char::from(b'A' + (byte & 15)));
        }
        text
    }

    pub(crate) fn open(self, token: &str, now: Millis) -> Result<Position, ServiceError> {
        let refuse = || ServiceError::invalid("Paging marker is invalid for request.");
        let text = token.strip_prefix("CAIS").ok_or_else(refuse)?.as_bytes();
        if text.len() != LENGTH * 2 {
            return Err(refuse());
        }
        let mut bytes = [0_u8; LENGTH];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            let high = pair[0].wrapping_sub(b'a');
            let low = pair[1].wrapping_sub(b'A');
            if high > 15 || low > 15 {
                return Err(refuse());
            }
            *byte = high << 4 | low;
        }
        let word = |range: &[u8]| range.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let mac = word(&bytes[22..]);
        let mut mask = rng::Rng::new(self.key ^ mac);
        for byte in &mut bytes[..22] {
            *byte ^= mask.next().to_le_bytes()[0];
        }
        if self.mac(&bytes[..22]) != mac {
            return Err(refuse());
        }
        if word(&bytes[14..22]).saturating_add(HOUR) < now {
            return Err(ServiceError::invalid("Paging marker has expired."));
        }
        Ok(Position {
            after: (word(&bytes[..8]), u32::try_from(word(&bytes[8..12])).unwrap_or(u32::MAX)),
            started: bytes[12] & 1 != 0,
            ended: bytes[12] & 2 != 0,
        })
    }

    fn mac(self, bytes: &[u8]) -> u64 {
        rng::hash(self.listing, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position { after: (7, 9), started: true, ended: false };

    #[test]
    fn a_token_opens_its_own_listing_for_an_hour() {
        let seal = Seal::new(1, &["ListUsers", "pool", ""]);
        let token = seal.token(AT, 1000);
        assert_eq!(seal.open(&token, 1000 + HOUR), Ok(AT));
        assert!(seal.open(&token, 1001 + HOUR).is_err());
        for other in [["ListUsers", "pool", "x"], ["ListUsers", "other", ""]] {
            assert!(Seal::new(1, &other).open(&token, 1000).is_err());
        }
        assert!(Seal::new(2, &["ListUsers", "pool", ""]).open(&token, 1000).is_err());
    }

    #[test]
    fn garbage_is_refused() {
        let seal = Seal::new(1, &["ListUsers"]);
        let mut token = seal.token(AT, 1000);
        for bad in ["", "x", "CAIS", "é", &token[1..]] {
            assert!(seal.open(bad, 1000).is_err());
        }
        let last = token.pop();
        token.push(if last == Some('A') { 'B' } else { 'A' });
        assert!(seal.open(&token, 1000).is_err());
    }
}
