//! One rate, held in every sliding second as the *server* sees it.
//!
//! Calls are spaced evenly, which is kindest to the live application. Even spacing alone does
//! not keep the promise: a stalled process or network can deliver calls late and bunched. So a
//! call also counts, until it is answered, as possibly arriving now; and once it is answered,
//! as having arrived as late as its answer allows (its end, less the shortest round trip seen
//! lately). A further call goes out only when fewer than the rate can lie in the last second.

use std::collections::VecDeque;
use std::time::Duration;

/// Added to each second: what clocks and timers may be off by.
const GUARD: Duration = Duration::from_millis(10);
/// How far the even spacing may catch up after a late wake-up.
const CATCH_UP: Duration = Duration::from_millis(5);
/// Throttled calls of the same moment slow us down once, not once each.
const SLOW_DOWN_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Without a throttled call for this long, the rate recovers by a step.
const RECOVER_EVERY: Duration = Duration::from_secs(5);
const SLOW_DOWN_TO: f64 = 0.6;
const RECOVER_BY: f64 = 0.1;
/// However often we are throttled, this share of the rate is still tried.
const SLOWEST: f64 = 0.05;
/// From how many answers the shortest round trip is taken.
const ROUND_TRIPS: usize = 64;

/// When the next call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Now,
    At(Duration),
    /// Not before a call in flight is answered.
    AfterAnAnswer,
}

#[derive(Debug)]
struct Call {
    id: u64,
    sent: Duration,
    answered: Option<Duration>,
}

/// The calls of the last second, and the pace.
#[derive(Debug)]
pub(super) struct Window {
    rps: f64,
    pace: f64,
    slot: Option<Duration>,
    calls: VecDeque<Call>,
    next_id: u64,
    round_trips: VecDeque<Duration>,
    slowed_at: Option<Duration>,
    steady_since: Duration,
}

impl Window {
    pub(super) const fn new(rps: f64) -> Self {
        Self {
            rps,
            pace: 1.0,
            slot: None,
            calls: VecDeque::new(),
            next_id: 0,
            round_trips: VecDeque::new(),
            slowed_at: None,
            steady_since: Duration::ZERO,
        }
    }

    pub(super) const fn set_rate(&mut self, rps: f64) {
        self.rps = rps;
    }

    /// When the next call may go, seen from `now`.
    pub(super) fn ready(&mut self, now: Duration) -> Ready {
        self.recover(now);
        let (most, span) = quota(self.rps * self.pace);
        self.forget(now, span);
        if let Some(wait) = self.wait_for_room(most, span) {
            return wait;
        }
        match self.next_slot(now) {
            slot if slot <= now => Ready::Now,
            slot => Ready::At(slot),
        }
    }

    /// Takes the slot for a call that goes out now. Returns its id for [`Window::answered`].
    pub(super) fn send(&mut self, now: Duration) -> u64 {
        self.slot = Some(self.next_slot(now));
        let id = self.next_id;
        self.next_id += 1;
        self.calls.push_back(Call { id, sent: now, answered: None });
        id
    }

    pub(super) fn answered(&mut self, id: u64, now: Duration) {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return };
        call.answered = Some(now);
        if self.round_trips.len() == ROUND_TRIPS {
            self.round_trips.pop_front();
        }
        self.round_trips.push_back(now.saturating_sub(call.sent));
    }

    /// Whether so many calls lie in the window that hardly another fits.
    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        let (most, span) = quota(self.rps * self.pace);
        self.forget(now, span);
        self.calls.len() * 10 >= most as usize * 9
    }

    /// Slows down, because a call was throttled.
    pub(super) fn throttled(&mut self, now: Duration) {
        self.steady_since = now;
        if self.slowed_at.is_some_and(|at| now < at + SLOW_DOWN_AT_MOST_EVERY) {
            return;
        }
        self.slowed_at = Some(now);
        self.pace = (self.pace * SLOW_DOWN_TO).max(SLOWEST);
    }

    fn recover(&mut self, now: Duration) {
        while self.pace < 1.0 && now >= self.steady_since + RECOVER_EVERY {
            self.steady_since += RECOVER_EVERY;
            self.pace = (self.pace + RECOVER_BY).min(1.0);
        }
    }

    /// Slots are `spacing` apart, counted from when the last was due rather than taken, so that
    /// timers' lateness does not add up; but only a little is caught up.
    fn next_slot(&self, now: Duration) -> Duration {
        let (most, span) = quota(self.rps * self.pace);
        match self.slot {
            None => now,
            Some(slot) => (slot + span / most).max(now.saturating_sub(CATCH_UP)),
        }
    }

    fn shortest_round_trip(&self) -> Duration {
        self.round_trips.iter().min().copied().unwrap_or_default()
    }

    /// Drops calls that can no longer lie in the window.
    fn forget(&mut self, now: Duration, span: Duration) {
        let shortest = self.shortest_round_trip();
        self.calls.retain(|call| latest_arrival(call, shortest).is_none_or(|at| at + span > now));
    }

    /// If the window is full: how long until it is not.
    fn wait_for_room(&self, most: u32, span: Duration) -> Option<Ready> {
        let most = most as usize;
        if self.calls.len() < most {
            return None;
        }
        let shortest = self.shortest_round_trip();
        let mut leaving: Vec<Duration> =
            self.calls.iter().filter_map(|call| latest_arrival(call, shortest)).map(|at| at + span).collect();
        leaving.sort_unstable();
        let must_leave = self.calls.len() - most;
        Some(leaving.get(must_leave).map_or(Ready::AfterAnAnswer, |at| Ready::At(*at)))
    }
}

/// The latest the server can have seen a call; `None` while it is not answered.
fn latest_arrival(call: &Call, shortest_round_trip: Duration) -> Option<Duration> {
    call.answered.map(|at| at.saturating_sub(shortest_round_trip).max(call.sent))
}

/// How many calls may lie in a span of how long. Below one request per second, one in a longer
/// span; a fraction above is rounded down, for "at most 2.5 in a second" means 2.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped right before
fn quota(rps: f64) -> (u32, Duration) {
    if rps >= 1.0 {
        return (rps.min(1e6) as u32, Duration::from_secs(1) + GUARD);
    }
    (1, Duration::from_secs_f64(1.0 / rps.max(1e-3)) + GUARD)
}

/// The requests per second that come out when `rps` are allowed.
pub(super) fn steady_rps(rps: f64) -> f64 {
    let (most, span) = quota(rps);
    f64::from(most) / span.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Sends as often as allowed until `until`; each call reaches the server after `delay(n)`
    /// and is answered 100 ms later. Returns the arrivals.
    fn drive(window: &mut Window, until: Duration, delay: impl Fn(u64) -> Duration) -> Vec<Duration> {
        let mut now = Duration::ZERO;
        let mut in_flight: Vec<(Duration, u64)> = Vec::new();
        let mut arrivals = Vec::new();
        while now < until {
            in_flight.retain(|(at, id)| {
                if *at <= now {
                    window.answered(*id, *at);
                }
                *at > now
            });
            if window.ready(now) == Ready::Now {
                let id = window.send(now);
                let arrival = now + delay(id);
                arrivals.push(arrival);
                in_flight.push((arrival + ms(100), id));
            }
            now += ms(1);
        }
        arrivals.sort_unstable();
        arrivals
    }

    fn most_in_a_second(arrivals: &[Duration]) -> usize {
        let within =
            |from: &Duration| arrivals.iter().filter(|at| *at >= from && **at < *from + ms(1000)).count();
        arrivals.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn uses_the_rate_and_never_more() {
        let arrivals = drive(&mut Window::new(30.0), ms(20_000), |_| ms(0));
        assert!(most_in_a_second(&arrivals) <= 30);
        assert!(arrivals.len() >= 29 * 20, "{} calls in 20 s", arrivals.len());
    }

    #[test]
    fn holds_when_calls_arrive_late_and_bunched() {
        // Every tenth second, 300 ms of calls are held back and arrive together.
        let arrivals = drive(&mut Window::new(30.0), ms(60_000), |id| {
            ms(if id % 300 < 10 { 300 - 30 * (id % 10) } else { 0 })
        });
        assert!(most_in_a_second(&arrivals) <= 30, "{}", most_in_a_second(&arrivals));
        assert!(arrivals.len() >= 27 * 60, "{} calls in 60 s", arrivals.len());
    }

    #[test]
    fn fractions_and_rates_below_one_round_down() {
        assert!(most_in_a_second(&drive(&mut Window::new(2.5), ms(10_000), |_| ms(0))) == 2);
        assert_eq!(drive(&mut Window::new(0.5), ms(9_900), |_| ms(0)).len(), 5);
    }

    #[test]
    fn slows_down_when_throttled_and_recovers() {
        let mut window = Window::new(10.0);
        window.throttled(ms(0));
        window.throttled(ms(10));
        assert!((window.pace - SLOW_DOWN_TO).abs() < 1e-9, "one moment slows down once");
        for second in 1..100 {
            window.throttled(ms(second * 1_000));
        }
        assert!((window.pace - SLOWEST).abs() < 1e-9, "never to a halt");
        let _ = window.ready(ms(100_000) + RECOVER_EVERY * 10);
        assert!((window.pace - 1.0).abs() < 1e-9);
    }

    #[test]
    fn waits_for_an_answer_when_every_call_is_still_out() {
        let mut window = Window::new(1.0);
        let id = window.send(ms(0));
        assert_eq!(window.ready(ms(5_000)), Ready::AfterAnAnswer);
        window.answered(id, ms(5_000));
        assert_eq!(window.ready(ms(5_000)), Ready::Now);
    }
}
