// That they also fill it is measured in real time, by `make bench-stack`.

use cognito_profiles_tests::cloud::Cloud;
use cognito_profiles_tests::sim_queue::Manners;
use cognito_sim::{Category, Latency, Population};

use super::hostile;
use crate::pipeline::world;

#[tokio::test]
async fn all_workers_together_keep_the_rate_in_every_second() {
    for manners in [Manners::default(), hostile()] {
        let mut cloud = Cloud::new(world(&Population::plain(6_000, 12, 71)), manners);
        cloud.killed = 10;
        cloud.world.cognito.configure(|config| config.faults.latency = Latency { min: 20, max: 300 });
        let (ending, _) = cloud.export("first").await;
        assert_eq!(ending["Status"], "Complete", "{ending}");
        let meter = cloud.world.cognito.meter();
        let list = meter.category(Category::UserList);
        assert_eq!(list.throttled, 0);
        assert!(list.peak_attempts <= 30, "{} in a second", list.peak_attempts);
        for (operation, usage) in &meter.per_pool {
            assert!(usage.peak_attempts <= 5, "{operation}: {usage:?}");
        }
    }
}
