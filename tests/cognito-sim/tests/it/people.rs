use std::collections::BTreeSet;

use cognito_sim::{Cognito, Config, Population, Quotas, Truth, UserStatus};

use crate::harness::{NOW, Sim};

fn fill(people: &Population) -> (Cognito, String, Truth) {
    let cognito = Cognito::new(Config { quotas: Quotas::off(), ..Config::seeded(1) });
    let (pool, truth) = cognito
        .admin(NOW, |admin| {
            let pool = admin.create_pool(people.pool_config("people"))?;
            people.fill(admin, &pool)?;
            let truth = admin.truth(&pool)?;
            Ok::<_, cognito_sim::ServiceError>((pool, truth))
        })
        .expect("they fit");
    (cognito, pool, truth)
}

#[test]
fn the_same_seed_makes_the_same_people() {
    let people = Population::realistic(500, 10, 3);
    assert_eq!(fill(&people).2, fill(&people).2);
    assert_ne!(fill(&people).2, fill(&Population { seed: 4, ..people.clone() }).2);
}

#[test]
fn every_odd_kind_is_among_them() {
    let (_, pool, truth) = fill(&Population::odd(600, 16, 5));
    assert_eq!(truth.users.len(), 600);
    let statuses: BTreeSet<UserStatus> = truth.users.values().map(|user| user.status).collect();
    assert_eq!(statuses.len(), 6);
    let any = |wanted: &dyn Fn(&cognito_sim::UserRecord) -> bool| truth.users.values().any(wanted);
    assert!(any(&|user| !user.enabled));
    assert!(any(&|user| user.attribute("email").is_none()));
    assert!(any(&|user| user.attribute("nickname").is_some_and(|value| value.contains('\n'))));
    assert!(any(&|user| user.attribute("nickname").is_some_and(|value| value.starts_with('='))));
    assert!(any(&|user| user.attribute("custom:field45").is_some_and(|value| value.len() == 2048)));
    assert!(any(&|user| user.groups.len() > 1));
    assert!(any(&|user| user.status == UserStatus::ExternalProvider
        && user.attribute("identities").is_some()
        && user.username.starts_with("google_")
        && user.groups.contains(&format!("{pool}_Google"))));
    let groups = || truth.groups.values();
    assert!(groups().any(|group| group.role_arn.is_some()));
    assert!(groups().any(|group| group.description.is_none()));
    assert!(groups().any(|group| group.precedence == Some(0)));
    assert!(groups().any(|group| group.name.contains('#')));
}

#[test]
fn everybody_survives_the_wire() {
    let people = Population::odd(300, 12, 6);
    let (cognito, pool, truth) = fill(&people);
    let sim = Sim { cognito, pool };
    let users = sim.pages("ListUsers", &serde_json::json!({})).concat();
    assert_eq!(users.len(), truth.users.len());
    for user in users {
        let known = &truth.users[crate::harness::attribute(&user, "sub").expect("a sub")];
        assert_eq!(user["Username"], known.username.as_str());
        let listed: Vec<(&str, &str)> = user["Attributes"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|attribute| attribute["Name"] != "sub")
            .map(|attribute| {
                (attribute["Name"].as_str().unwrap_or(""), attribute["Value"].as_str().unwrap_or(""))
            })
            .collect();
        let real: Vec<(&str, &str)> =
            known.attributes.iter().map(|(name, value)| (&**name, value.as_str())).collect();
        assert_eq!(listed, real);
    }
}

#[test]
fn plain_people_have_nothing_odd() {
    let (_, _, truth) = fill(&Population::plain(200, 3, 7));
    assert!(truth.users.values().all(|user| user.enabled
        && user.status == UserStatus::Confirmed
        && user.attribute("email_verified") == Some("true")));
}

#[test]
fn links_and_second_factors_are_there_when_asked_for() {
    let plain = Population::plain(300, 3, 8);
    assert!(
        fill(&plain).2.users.values().all(|user| !user.mfa.sms && user.attribute("identities").is_none())
    );
    let people = Population { linked_percent: 30, sms_mfa_percent: 30, ..plain };
    let (cognito, pool, truth) = fill(&people);
    let count = |wanted: &dyn Fn(&cognito_sim::UserRecord) -> bool| {
        truth.users.values().filter(|user| wanted(user)).count()
    };
    assert!((50..130).contains(&count(&|user| user.mfa.sms)));
    assert!(
        truth
            .users
            .values()
            .all(|user| { !user.mfa.sms || user.attribute("phone_number_verified") == Some("true") })
    );
    let links = |user: &cognito_sim::UserRecord| {
        user.attribute("identities").map_or(0, |value| value.matches("\"primary\":false").count())
    };
    assert!(count(&|user| links(user) == 1) > 10 && count(&|user| links(user) == 2) > 10);
    let providers = cognito.admin(NOW, |admin| admin.identity_providers(&pool)).expect("a pool");
    assert_eq!(
        providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>(),
        ["Google", "Facebook"]
    );
    let sim = Sim { cognito, pool };
    let config = sim.ok("GetUserPoolMfaConfig", serde_json::json!({}));
    assert_eq!(config["MfaConfiguration"], "OPTIONAL");
    assert!(config.get("SmsMfaConfiguration").is_some());
}

#[test]
fn nobody_odd_is_linked_who_comes_from_a_provider() {
    let people = Population { linked_percent: 100, sms_mfa_percent: 100, ..Population::odd(300, 3, 9) };
    let (_, _, truth) = fill(&people);
    for user in truth.users.values() {
        let primary = user.attribute("identities").is_some_and(|value| value.contains(r#""primary":"true""#));
        assert_eq!(user.status == UserStatus::ExternalProvider, primary);
        assert_eq!(user.mfa.sms, !primary);
    }
}
