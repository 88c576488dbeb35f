//! A password nobody knows, so that "forgot password" works.

use crate::ports::Clock;
use crate::settings::PoolSettings;

/// One character of each class a policy can ask for stands first; the rest are random.
const CLASSES: [&[u8]; 4] =
    [b"abcdefghijkmnopqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789", b"!@#$%^&*-_=+"];

/// Long enough that nobody guesses it: over 190 bits.
const LENGTH: usize = 32;

/// A random password that satisfies the pool's policy, whichever classes it asks for.
pub(super) fn random_password(clock: &dyn Clock, pool: &PoolSettings) -> String {
    let least = pool.policies.password_policy.minimum_length.unwrap_or(0) as usize;
    // Cognito takes 256 characters at most (AdminSetUserPassword, "Password").
    let length = LENGTH.max(least).min(256);
    let all = CLASSES.concat();
    (0..length).map(|at| char::from(pick(clock, CLASSES.get(at).copied().unwrap_or(&all)))).collect()
}

/// Any of `choices`, each equally likely.
#[allow(clippy::cast_possible_truncation)] // the remainder is below the number of choices
fn pick(clock: &dyn Clock, choices: &[u8]) -> u8 {
    // A remainder of 64 random bits is even to one part in 10^17.
    choices[(clock.random() % choices.len() as u64) as usize]
}
