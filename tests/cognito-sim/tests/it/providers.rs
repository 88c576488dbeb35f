use cognito_sim::{
    Category, IdentityProvider, ListingBehaviour, Operation, PoolConfig, ProviderType, UserRecord, UserStatus,
};
use serde_json::{Value, json};

use crate::harness::{NOW, Sim, attribute};

fn google() -> Value {
    json!({"ProviderName": "Google", "ProviderType": "Google", "AttributeMapping": {"email": "email"},
        "ProviderDetails": {"client_id": "i", "client_secret": "s", "authorize_scopes": "email"}})
}

fn oidc(name: &str) -> Value {
    json!({"ProviderName": name, "ProviderType": "OIDC", "IdpIdentifiers": [format!("{name}.org")],
        "AttributeMapping": {"email": "mail"},
        "ProviderDetails": {"client_id": "i", "oidc_issuer": "https://x.org", "authorize_scopes": "openid",
            "attributes_request_method": "GET"}})
}

#[test]
fn a_provider_is_described_as_created_and_completed() {
    let sim = Sim::named();
    let created = sim.ok("CreateIdentityProvider", google())["IdentityProvider"].clone();
    assert_eq!((&created["ProviderName"], &created["ProviderType"]), (&json!("Google"), &json!("Google")));
    assert_eq!(created["UserPoolId"], sim.pool.as_str());
    assert_eq!(created["CreationDate"], json!(1_700_000_000.123));
    assert_eq!(created["AttributeMapping"], json!({"email": "email", "username": "sub"}));
    assert_eq!(created["ProviderDetails"]["client_secret"], "s");
    assert_eq!(created["ProviderDetails"]["oidc_issuer"], "https://accounts.google.com");
    let described = sim.ok("DescribeIdentityProvider", json!({"ProviderName": "Google"}));
    assert_eq!(described["IdentityProvider"], created);
    let nothing = json!({"ProviderName": "google"});
    assert_eq!(sim.code("DescribeIdentityProvider", nothing), "ResourceNotFoundException");
    // What was described can be created again, elsewhere.
    let other = sim.cognito.admin(NOW, |a| a.create_pool(PoolConfig::default())).expect("new");
    let again = json!({"UserPoolId": other, "ProviderName": "Google", "ProviderType": "Google",
        "ProviderDetails": created["ProviderDetails"], "AttributeMapping": created["AttributeMapping"]});
    sim.ok("CreateIdentityProvider", again);
}

#[test]
fn provider_requests_are_validated() {
    let sim = Sim::named();
    let with = |body: Value, member: &str, value: Value| {
        let mut body = body;
        body[member] = value;
        body
    };
    let saml =
        |details: Value| json!({"ProviderName": "Corp", "ProviderType": "SAML", "ProviderDetails": details});
    for bad in [
        with(google(), "ProviderName", json!("Goggle")),
        with(google(), "ProviderName", json!(null)),
        with(google(), "ProviderType", json!("MySpace")),
        with(google(), "ProviderType", json!(null)),
        with(google(), "ProviderDetails", json!(null)),
        with(google(), "ProviderDetails", json!({"client_id": "i"})),
        with(google(), "AttributeMapping", json!({"custom:none": "x"})),
        with(google(), "AcrMapping", json!({"Level1": "x"})),
        with(oidc("Corp"), "AcrMapping", json!({"Level5": "x"})),
        with(oidc("Corp"), "IdpIdentifiers", json!(["a/b"])),
        with(oidc("Corp"), "IdpIdentifiers", json!(["x".repeat(41)])),
        oidc("Co"),
        oidc("_Corp"),
        oidc("Corp_"),
        oidc("Co rp"),
        oidc(&"x".repeat(33)),
        saml(json!({})),
        saml(json!({"MetadataURL": "https://x.org", "MetadataFile": "<x/>"})),
        saml(json!({"MetadataURL": "https://x.org", "Anything": "x"})),
    ] {
        assert_eq!(sim.code("CreateIdentityProvider", bad.clone()), "InvalidParameterException", "{bad}");
    }
    sim.ok("CreateIdentityProvider", saml(json!({"MetadataURL": "https://x.org"})));
    assert_eq!(sim.code("CreateIdentityProvider", oidc("Corp")), "DuplicateProviderException");
    sim.ok("CreateIdentityProvider", oidc("Corp2"));
    let clash = with(oidc("Corp3"), "IdpIdentifiers", json!(["Corp2.org"]));
    assert_eq!(sim.code("CreateIdentityProvider", clash), "DuplicateProviderException");
}

#[test]
fn providers_come_in_pages_and_are_limited() {
    let sim = Sim::named();
    for i in 0..300 {
        sim.ok("CreateIdentityProvider", oidc(&format!("Corp{i}")));
    }
    assert_eq!(sim.code("CreateIdentityProvider", oidc("Corp300")), "LimitExceededException");
    sim.cognito.configure(|config| config.listing = ListingBehaviour::awkward());
    let mut names: Vec<String> = Vec::new();
    let mut body = json!({"MaxResults": 60});
    loop {
        let page = sim.ok("ListIdentityProviders", body.clone());
        for provider in page["Providers"].as_array().expect("a list") {
            assert_eq!(provider["ProviderType"], "OIDC");
            names.push(provider["ProviderName"].as_str().expect("text").to_owned());
        }
        let Some(token) = page.get("NextToken") else { break };
        body["NextToken"] = token.clone();
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 300);
    for bad in [json!({"MaxResults": 0}), json!({"MaxResults": 61}), json!({"NextToken": "x"})] {
        assert_eq!(sim.code("ListIdentityProviders", bad), "InvalidParameterException");
    }
}

/// A pool with Google, an OIDC provider, and some people.
fn linked() -> Sim {
    let sim = Sim::named();
    let corp = IdentityProvider::new("Corp", ProviderType::Oidc).mapping("email", "mail");
    let federated = UserRecord::new("google_1").status(UserStatus::ExternalProvider).with(
        "identities",
        r#"[{"userId":"1","providerName":"Google","providerType":"Google","primary":"true"}]"#,
    );
    sim.cognito
        .admin(NOW, |admin| {
            admin.create_identity_provider(&sim.pool, IdentityProvider::social(ProviderType::Google))?;
            admin.create_identity_provider(&sim.pool, corp)?;
            admin.add_users(&sim.pool, [UserRecord::new("ann"), UserRecord::new("bob"), federated])?;
            // Nobody of that identity any more, but the name is there.
            admin.add_users(&sim.pool, [UserRecord::new("Corp_9").status(UserStatus::ExternalProvider)])
        })
        .expect("new");
    sim
}

fn link(user: &str, provider: &str, id: &str) -> Value {
    json!({
        "DestinationUser": {"ProviderName": "Cognito", "ProviderAttributeValue": user},
        "SourceUser": {"ProviderName": provider, "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": id},
    })
}

#[test]
fn a_link_shows_among_the_identities() {
    let sim = linked();
    sim.ok("AdminLinkProviderForUser", link("ann", "Google", "7"));
    let mut by_mail = link("ann", "Corp", "ann@corp.org");
    by_mail["SourceUser"]["ProviderAttributeName"] = json!("email");
    sim.ok("AdminLinkProviderForUser", by_mail);
    assert_eq!(sim.cognito.meter().billed_users, 1);
    assert_eq!(sim.cognito.meter().messages_sent, 0);
    let user = sim.ok("AdminGetUser", json!({"Username": "ann"}));
    assert_eq!(
        attribute(&user, "identities"),
        Some(
            r#"[{"userId":"7","providerName":"Google","providerType":"Google","issuer":null,"primary":false,"dateCreated":1700000000123},{"userId":"ann@corp.org","providerName":"Corp","providerType":"OIDC","issuer":null,"primary":false,"dateCreated":1700000000123}]"#
        )
    );
    assert_eq!(user["UserStatus"], "CONFIRMED");
    assert_eq!(Operation::AdminLinkProviderForUser.category(), Category::UserUpdate);
}

#[test]
fn an_identity_belongs_to_one_user() {
    let sim = linked();
    sim.ok("AdminLinkProviderForUser", link("ann", "Google", "7"));
    let same = sim.error("AdminLinkProviderForUser", link("ann", "Google", "7"));
    assert_eq!(same.code, "InvalidParameterException");
    assert_eq!(same.message, "SourceUser is already linked to DestinationUser");
    for taken in [link("bob", "Google", "7"), link("bob", "Google", "1"), link("bob", "Corp", "9")] {
        let error = sim.error("AdminLinkProviderForUser", taken);
        assert_eq!(error.code, "InvalidParameterException");
        assert_ne!(error.message, same.message);
    }
    sim.ok("AdminDeleteUser", json!({"Username": "ann"}));
    sim.ok("AdminLinkProviderForUser", link("bob", "Google", "7"));
}

#[test]
fn five_identities_are_the_most() {
    let sim = linked();
    for i in 10..15 {
        sim.ok("AdminLinkProviderForUser", link("ann", "Google", &i.to_string()));
    }
    assert_eq!(sim.code("AdminLinkProviderForUser", link("ann", "Google", "15")), "LimitExceededException");
    sim.ok("AdminLinkProviderForUser", link("bob", "Google", "15"));
}

#[test]
fn link_requests_are_validated() {
    let sim = linked();
    let with = |side: &str, member: &str, value: Value| {
        let mut body = link("ann", "Google", "7");
        body[side][member] = value;
        body
    };
    for bad in [
        json!({}),
        with("DestinationUser", "ProviderName", json!("Google")),
        with("DestinationUser", "ProviderAttributeValue", json!(null)),
        with("SourceUser", "ProviderName", json!("Facebook")),
        with("SourceUser", "ProviderName", json!("Cognito")),
        with("SourceUser", "ProviderAttributeName", json!("email")),
        with("SourceUser", "ProviderAttributeName", json!(null)),
        with("SourceUser", "ProviderAttributeValue", json!("")),
    ] {
        assert_eq!(sim.code("AdminLinkProviderForUser", bad.clone()), "InvalidParameterException", "{bad}");
    }
    for nobody in ["cy", "google_1"] {
        assert_eq!(
            sim.code("AdminLinkProviderForUser", link(nobody, "Google", "7")),
            "UserNotFoundException"
        );
    }
    let mut unmapped = link("ann", "Corp", "7");
    unmapped["SourceUser"]["ProviderAttributeName"] = json!("name");
    assert_eq!(sim.code("AdminLinkProviderForUser", unmapped), "InvalidParameterException");
}
