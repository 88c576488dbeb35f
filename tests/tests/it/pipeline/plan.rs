//! What the plan predicts is what it takes.

use cognito_profiles::ports::{Clock as _, CreateWith, ImportOptions};
use cognito_profiles_tests::mortal::Fate;
use cognito_sim::{Config, Latency, Population};

use cognito_profiles_tests::world::World;

#[tokio::test]
async fn the_predicted_time_is_within_a_tenth_of_what_it_takes() {
    // Few groups and no password to set; many memberships; jobs, at the rate that is reckoned with.
    let shapes = [
        (Population::plain(1_500, 5, 80), CreateWith::AdminApi),
        (Population { groups_per_user: 8, ..Population::realistic(700, 100, 81) }, CreateWith::AdminApi),
        (Population::plain(5_000, 3, 82), CreateWith::ImportJob),
    ];
    for (population, create_with) in shapes {
        let mut config = Config::seeded(population.seed);
        config.faults.latency = Latency::fixed(100);
        config.imports.rows_per_second = 35;
        let world = World::new(&population, config);
        world.export().await.unwrap();
        let target = world.empty_pool();
        let importer = world.importer(&target, &Fate::immortal());
        let options = ImportOptions { create_with, ..ImportOptions::default() };
        let prepared = world.prepare(&importer, options).await.unwrap();
        let predicted = prepared.plan.seconds;
        let begun = world.clock.elapsed();
        let report = importer.import(prepared, &cognito_profiles_tests::world::scratch()).await.unwrap();
        let taken = world.clock.elapsed().saturating_sub(begun).as_secs_f64();
        assert!(report.differences.is_empty());
        let ratio = predicted / taken;
        println!(
            "{create_with:?}, {} users: predicted {predicted:.1} s, taken {taken:.1} s",
            population.users
        );
        assert!((0.9..=1.1).contains(&ratio), "predicted {predicted} s, taken {taken} s");
    }
}
