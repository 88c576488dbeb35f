//! Whole histories of a deployment, each drawn by a seed. `make simulate` runs more of them.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use cognito_profiles_tests::simulation::simulate;

/// The same seed gives the same history, event by event: so a failure can be replayed.
#[test]
fn a_seed_is_a_history() {
    for seed in 1_000_000..1_000_010 {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}

fn add(endings: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (ending, count) in more {
        *endings.entry(ending).or_default() += count;
    }
}

macro_rules! hundreds {
    ($($name:ident: $first:literal,)*) => {$(
        #[test]
        fn $name() {
            let mut endings = BTreeMap::new();
            for seed in $first..$first + 100 {
                add(&mut endings, simulate(seed).endings);
            }
            // Else nothing was tried.
            for ending in ["export Complete", "export Held", "import Complete"] {
                assert!(endings.contains_key(ending), "{endings:?}");
            }
        }
    )*};
}

hundreds! {
    the_promises_hold_in_histories_0: 0,
    the_promises_hold_in_histories_1: 100,
    the_promises_hold_in_histories_2: 200,
    the_promises_hold_in_histories_3: 300,
    the_promises_hold_in_histories_4: 400,
}

/// What `make simulate` runs: one seed, or so many, others than the tests above unless told so.
#[test]
#[allow(clippy::cast_precision_loss)] // it is printed in whole numbers
#[ignore = "as many as are asked for"]
fn as_asked() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        println!("{:?}", simulate(seed));
        return;
    }
    let (first, count) = (number("FIRST").unwrap_or(10_000), number("SEEDS").unwrap_or(1_000));
    let (next, begun) = (AtomicU64::new(first), Instant::now());
    let work = || {
        let (mut endings, mut failed) = (BTreeMap::new(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return (endings, failed);
            }
            match catch_unwind(|| simulate(seed)) {
                Ok(outcome) => add(&mut endings, outcome.endings),
                Err(_) => failed.push(seed),
            }
        }
    };
    let (mut endings, mut failed) = (BTreeMap::new(), Vec::new());
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (of_thread, failed_there) = thread.join().expect("it catches what seeds throw");
            add(&mut endings, of_thread);
            failed.extend(failed_there);
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{endings:#?}\n{count} histories in {seconds:.0} s, {:.0} a minute",
        count as f64 * 60.0 / seconds
    );
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
}
