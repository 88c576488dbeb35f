use cognito_sim::{UserRecord, UserStatus};
use serde_json::json;

use crate::harness::{NOW, Sim};

fn status(sim: &Sim, name: &str) -> serde_json::Value {
    sim.ok("AdminGetUser", json!({"Username": name}))["UserStatus"].clone()
}

#[test]
fn a_permanent_password_confirms_and_a_temporary_one_must_be_changed() {
    let sim = Sim::with_users(1);
    sim.ok("AdminSetUserPassword", json!({"Username": "u0", "Password": "Abcdef1!"}));
    assert_eq!(status(&sim, "u0"), "FORCE_CHANGE_PASSWORD");
    sim.ok("AdminSetUserPassword", json!({"Username": "u0", "Password": "Abcdef1!", "Permanent": true}));
    assert_eq!(status(&sim, "u0"), "CONFIRMED");
    assert_eq!(sim.cognito.meter().federated_users_broken, 0);
}

#[test]
fn passwords_must_satisfy_the_policy() {
    let sim = Sim::with_users(1);
    let set = |password: &str| json!({"Username": "u0", "Password": password, "Permanent": true});
    assert_eq!(sim.code("AdminSetUserPassword", set("abc")), "InvalidPasswordException");
    let long = format!("Ab1!{}", "x".repeat(253));
    assert_eq!(sim.code("AdminSetUserPassword", set(&long)), "InvalidParameterException");
    assert_eq!(sim.code("AdminSetUserPassword", json!({"Username": "u0"})), "InvalidParameterException");
    let create = json!({"Username": "new", "TemporaryPassword": "abc"});
    assert_eq!(sim.code("AdminCreateUser", create), "InvalidPasswordException");
    assert_eq!(sim.code("AdminGetUser", json!({"Username": "new"})), "UserNotFoundException");
}

#[test]
fn a_password_breaks_a_federated_user() {
    let sim = Sim::named();
    let user = UserRecord::new("google_1").status(UserStatus::ExternalProvider);
    sim.cognito.admin(NOW, |admin| admin.add_users(&sim.pool, [user])).expect("new");
    assert_eq!(sim.code("AdminResetUserPassword", json!({"Username": "google_1"})), "NotAuthorizedException");
    sim.ok("AdminSetUserPassword", json!({"Username": "google_1", "Password": "Abcdef1!"}));
    assert_eq!(status(&sim, "google_1"), "CONFIRMED");
    assert_eq!(sim.cognito.meter().federated_users_broken, 1);
}
