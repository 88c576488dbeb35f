use cognito_sim::{Config, ImportBehaviour, PoolConfig, Quotas, Reply};
use serde_json::json;

use super::{KMS, LATER, World, counts, named};
use crate::harness::{NOW, Sim};

#[test]
fn only_a_fresh_signed_url_takes_a_file() {
    let world = named();
    let upload = |url: &str, header: Option<&str>, now: u64| world.sim.cognito.upload(url, header, b"x", now);
    let (_, url) = world.create();
    let mut forged = url.clone();
    let last = forged.pop();
    forged.push(if last == Some('0') { '1' } else { '0' });
    let (_, other) = world.create();
    let signature = |url: &str| url.rsplit_once('=').expect("a signature").1.to_owned();
    let borrowed = url.replace(&signature(&url), &signature(&other));
    for bad in [&forged, &borrowed, "http://upload.invalid/", "nothing", &url.replace("900", "9000")] {
        assert_eq!(upload(bad, KMS, NOW), 403, "{bad}");
    }
    for header in [None, Some("AES256"), Some("aws:kms "), Some("AWS:KMS")] {
        assert_eq!(upload(&url, header, NOW), 403, "{header:?}");
    }
    assert_eq!(upload(&url.replace("upload.invalid", "127.0.0.1:80"), KMS, NOW), 200, "any host");
    assert_eq!(upload(&url, KMS, NOW + 899_999), 200);
    assert_eq!(upload(&url, KMS, NOW + 900_000), 403, "expired");
}

#[test]
fn signatures_follow_the_seed() {
    let url = |seed: u64| {
        let config = Config { quotas: Quotas::off(), ..Config::seeded(seed) };
        let pool = PoolConfig { id: Some("us-east-1_A".into()), ..PoolConfig::default() };
        World::over(Sim::with(config, pool)).create().1
    };
    assert_eq!(url(1), url(1));
    assert_ne!(
        url(1).rsplit_once('=').map(|(_, end)| end.to_owned()),
        url(2).rsplit_once('=').map(|(_, end)| end.to_owned())
    );
}

#[test]
fn starting_needs_a_file_and_an_attribute_to_verify() {
    let world = named();
    let (job, url) = world.create();
    let error = world.sim.error("StartUserImportJob", json!({"JobId": job}));
    assert_eq!(error.code, "PreconditionNotMetException");
    assert_eq!(error.message, format!("No csv file was uploaded for {job}"));
    assert_eq!(world.upload(&url, &world.users(1)), 200);
    assert_eq!(world.upload(&url, &world.users(2)), 200, "the second one counts");
    world.sim.ok("StartUserImportJob", json!({"JobId": job}));
    assert_eq!(world.upload(&url, &world.users(3)), 403);
    assert_eq!(counts(&world.at(LATER, &job)), [2, 0, 0]);

    let unverified = World::new(PoolConfig { auto_verified_attributes: Vec::new(), ..PoolConfig::default() });
    let job = unverified.uploaded(&unverified.users(1));
    assert_eq!(unverified.sim.code("StartUserImportJob", json!({"JobId": job})), "InvalidParameterException");
}

#[test]
fn an_upload_may_be_noticed_late() {
    let world =
        World::with(PoolConfig::default(), ImportBehaviour { upload_lag: 50, ..ImportBehaviour::default() });
    let job = world.uploaded(&world.users(1));
    let start = |now: u64| world.sim.at(now, "StartUserImportJob", json!({"JobId": job}));
    let Err(Reply::Error(error)) = start(NOW + 49) else { panic!("nothing can be seen yet") };
    assert_eq!(error.message, format!("No csv file was uploaded for {job}"));
    assert!(start(NOW + 50).is_ok());
}
