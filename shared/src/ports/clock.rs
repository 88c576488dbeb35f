use std::time::Duration;

use async_trait::async_trait;

use crate::time::Timestamp;

/// Time and chance.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock. It may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; it never runs backwards.
    fn elapsed(&self) -> Duration;

    /// Waits at least this long.
    async fn sleep(&self, duration: Duration);

    /// Fills `bytes` with randomness fit for passwords.
    fn fill_random(&self, bytes: &mut [u8]);

    /// A random number.
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
