use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cognito_profiles::ports::Clock;
use cognito_profiles::time::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A clock that stands still until someone sleeps, and chance that repeats itself.
///
/// Who sleeps moves it on. Of several who sleep, the first to be due wakes first, so that on a
/// runtime with one thread the same seed always gives the same course of events.
pub struct SimClock {
    start: Timestamp,
    state: Mutex<State>,
}

struct State {
    wall: Timestamp,
    elapsed: Duration,
    sleepers: BTreeSet<Sleeper>,
    next: u64,
    /// How many are at work in threads of their own.
    busy: u32,
    random: StdRng,
}

/// When it is due, and the order in which those due together went to sleep.
type Sleeper = (Duration, u64);

impl SimClock {
    /// It is `start`, and chance follows from `seed`.
    pub fn new(start: Timestamp, seed: u64) -> Self {
        let state = State {
            wall: start,
            elapsed: Duration::ZERO,
            sleepers: BTreeSet::new(),
            next: 0,
            busy: 0,
            random: StdRng::seed_from_u64(seed),
        };
        Self { start, state: Mutex::new(state) }
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        let then = state.elapsed + duration;
        state.pass_until(then);
    }

    /// Sets the wall clock, as an administrator may; elapsed time does not notice.
    pub fn set_wall(&self, now: Timestamp) {
        self.state().wall = now;
    }

    /// The same clock as others read it, whose clocks nobody sets: a service.
    pub fn of_others(self: &Arc<Self>) -> Arc<dyn Clock> {
        Arc::new(OtherClock { clock: self.clone(), now: Box::new(Self::true_time) })
    }

    /// The same clock as it is on a machine that is ahead by so much, or behind.
    pub fn ahead_by(self: &Arc<Self>, millis: i64) -> Arc<dyn Clock> {
        Arc::new(OtherClock {
            clock: self.clone(),
            now: Box::new(move |clock| clock.now().plus_millis(millis)),
        })
    }

    /// The time by a clock that nobody sets.
    pub fn true_time(&self) -> Timestamp {
        let elapsed = self.state().elapsed.as_millis();
        self.start.plus_millis(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }

    /// No time passes until what this returns is dropped: who works in a thread of its own, as a
    /// store does, takes no time.
    pub fn stand_still(&self) -> StandStill<'_> {
        self.state().busy += 1;
        StandStill(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pass_until(&mut self, then: Duration) {
        // Whole milliseconds of the whole, so that short sleeps add up on the wall clock too.
        let passed = then.as_millis().saturating_sub(self.elapsed.as_millis());
        self.wall = self.wall.plus_millis(i64::try_from(passed).unwrap_or(i64::MAX));
        self.elapsed = self.elapsed.max(then);
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.state().wall
    }

    fn elapsed(&self) -> Duration {
        self.state().elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let asleep = Asleep::new(self, duration);
        // Everyone else who is ready goes first: they may want to wake earlier.
        loop {
            tokio::task::yield_now().await;
            if asleep.is_next() {
                return;
            }
        }
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.state().random.fill_bytes(bytes);
    }
}

/// Another machine's: only the time of day differs.
struct OtherClock {
    clock: Arc<SimClock>,
    now: Box<dyn Fn(&SimClock) -> Timestamp + Send + Sync>,
}

#[async_trait]
impl Clock for OtherClock {
    fn now(&self) -> Timestamp {
        (self.now)(&self.clock)
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.clock.fill_random(bytes);
    }
}

/// See [`SimClock::stand_still`].
pub struct StandStill<'a>(&'a SimClock);

impl Drop for StandStill<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
    }
}

/// Someone's place among those who sleep, given up also when the sleep is cancelled.
struct Asleep<'a> {
    clock: &'a SimClock,
    me: Sleeper,
}

impl<'a> Asleep<'a> {
    fn new(clock: &'a SimClock, duration: Duration) -> Self {
        let mut state = clock.state();
        let me = (state.elapsed + duration, state.next);
        state.next += 1;
        state.sleepers.insert(me);
        drop(state);
        Self { clock, me }
    }

    /// Whether no one wakes earlier; then it is that time.
    fn is_next(&self) -> bool {
        let mut state = self.clock.state();
        let next = state.busy == 0 && state.sleepers.first() == Some(&self.me);
        if next {
            state.pass_until(self.me.0);
        }
        next
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.me);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_order_and_time_passes_once() {
        let clock = Arc::new(SimClock::new(Timestamp::from_millis(1000), 1));
        let woken = Arc::new(Mutex::new(Vec::new()));
        let sleepers = [30, 10, 20].map(|millis| {
            let (clock, woken) = (Arc::clone(&clock), Arc::clone(&woken));
            tokio::spawn(async move {
                clock.sleep(Duration::from_millis(millis)).await;
                woken.lock().unwrap().push((millis, clock.now().as_millis()));
            })
        });
        for sleeper in sleepers {
            sleeper.await.unwrap();
        }
        assert_eq!(*woken.lock().unwrap(), [(10, 1010), (20, 1020), (30, 1030)]);
        assert_eq!(clock.elapsed(), Duration::from_millis(30));
    }

    #[tokio::test]
    async fn a_cancelled_sleep_holds_nobody_up() {
        let clock = SimClock::new(Timestamp::from_millis(0), 1);
        let cancelled = clock.sleep(Duration::from_millis(1));
        assert!(futures::FutureExt::now_or_never(cancelled).is_none());
        clock.sleep(Duration::from_millis(5)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(5));
    }

    #[test]
    fn chance_repeats_and_the_wall_clock_may_jump() {
        let [one, two] = [7, 7].map(|seed| SimClock::new(Timestamp::from_millis(0), seed));
        assert_eq!(one.random(), two.random());
        one.advance(Duration::from_micros(1500));
        one.advance(Duration::from_micros(500));
        assert_eq!(one.now(), Timestamp::from_millis(2));
        one.set_wall(Timestamp::from_millis(-5));
        assert_eq!(one.true_time(), Timestamp::from_millis(2));
        assert_eq!((one.now().as_millis(), one.elapsed()), (-5, Duration::from_millis(2)));
    }
}
