use serde_json::{Value, json};

use super::super::secrets::Secrets;
use super::super::{Part, Settings};
use super::{ByHand, Rebuild, Source};

/// A pool that has one of everything.
fn rich() -> Settings {
    serde_json::from_str(include_str!("tests/rich.json")).unwrap()
}

fn rebuild<'a>(settings: &'a Settings, secrets: Option<&'a Secrets>) -> Rebuild<'a> {
    let source = Source {
        pool: "eu-west-1_Old000001".into(),
        run: "20261123T020000Z-1a2b3c".into(),
        as_of: "2026-11-23T02:00:14.588Z".into(),
    };
    Rebuild { settings, source, secrets }
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// The rich pool with one thing changed.
fn changed(change: impl FnOnce(&mut Value)) -> Settings {
    let mut document = serde_json::to_value(rich()).unwrap();
    change(&mut document);
    serde_json::from_value(document).unwrap()
}

fn template(settings: &Settings) -> Value {
    rebuild(settings, None).template().unwrap().0
}

fn by_hand(settings: &Settings) -> Vec<ByHand> {
    rebuild(settings, None).template().unwrap().1
}

fn secrets() -> Secrets {
    serde_json::from_value(json!({
        "UserPoolClients": {"1machine0000000000000000aa": {"/ClientSecret": "machines0secret0of0the0old0pool"}},
        "IdentityProviders": {"Google": {"/ProviderDetails/client_secret": "GOCSPX-secret"}},
    }))
    .unwrap()
}

// tests/static reads these two snapshots: cfn-lint and the API's model judge them.

#[test]
fn a_template_of_everything() {
    insta::assert_snapshot!("template", pretty(&template(&rich())));
}

#[test]
fn requests_of_everything() {
    let (requests, by_hand) = rebuild(&rich(), None).requests().unwrap();
    insta::assert_snapshot!("requests", pretty(&json!({ "requests": requests, "by_hand": by_hand })));
}

#[test]
fn a_pool_saved_by_an_earlier_version_is_made_as_far_as_it_is_known() {
    let old = changed(|document| {
        let members = document.as_object_mut().unwrap();
        members.retain(|name, _| name == "UserPool" || name == "MfaConfig");
        members["UserPool"].as_object_mut().unwrap().remove("UsernameConfiguration");
    });
    let made = template(&old);
    let types: Vec<_> =
        made["Resources"].as_object().unwrap().values().map(|made| made["Type"].clone()).collect();
    assert_eq!(
        types,
        ["AWS::Cognito::UserPoolDomain", "AWS::Cognito::UserPoolDomain", "AWS::Cognito::UserPool"]
    );
    assert_eq!(made["Resources"]["UserPool"]["Properties"]["UsernameConfiguration"]["CaseSensitive"], true);
    assert_eq!(made["Parameters"]["CertificateArn"]["Default"], "", "it is not known, and has to be given");
    assert!(by_hand(&old).iter().any(|hand| hand.matter == "not_saved"));
    assert!(!by_hand(&rich()).iter().any(|hand| hand.matter == "not_saved"));
}

#[test]
fn what_was_not_saved_is_named() {
    let settings = changed(|document| {
        document.as_object_mut().unwrap().remove("IdentityProviders");
        document["NotSaved"] = json!({"IdentityProviders": {"Operation": "ListIdentityProviders", "Code": "AccessDeniedException"}});
    });
    let hands = by_hand(&settings);
    let hand = hands.iter().find(|hand| hand.matter == "not_saved").unwrap();
    assert_eq!(hand.subject, "IdentityProviders");
    assert!(hand.what.contains("ListIdentityProviders answered AccessDeniedException"), "{hand:?}");
}

/// Without being asked, no result holds one; with it, each is where it belongs.
#[test]
fn secrets_are_where_they_are_needed_and_nowhere_else() {
    let (settings, secrets) = (rich(), secrets());
    for text in [
        pretty(&rebuild(&settings, None).template().unwrap().0),
        pretty(&rebuild(&settings, None).requests().unwrap().0),
        format!("{secrets:?}"),
    ] {
        assert!(!text.contains("GOCSPX") && !text.contains("machines0secret"), "{text}");
    }
    let (made, hands) = rebuild(&settings, Some(&secrets)).template().unwrap();
    let parameters = &made["Parameters"];
    assert_eq!(parameters["IdentityProviderGoogleClientSecret"]["Default"], "GOCSPX-secret");
    assert_eq!(parameters["IdentityProviderGoogleClientSecret"]["NoEcho"], true);
    assert!(parameters["IdentityProviderSignInWithApplePrivateKey"].get("Default").is_none());
    assert!(!pretty(&hands).contains("GOCSPX"));
    let (requests, hands) = rebuild(&settings, Some(&secrets)).requests().unwrap();
    let of = |name: &str| requests.iter().find(|made| made.input["ProviderName"] == name).unwrap();
    assert_eq!(of("Google").input["ProviderDetails"]["client_secret"], "GOCSPX-secret");
    assert!(of("Google").ask.is_empty());
    assert_eq!(of("SignInWithApple").ask, ["ProviderDetails.private_key"]);
    let machine = requests.iter().find(|made| made.input["ClientName"] == "machine").unwrap();
    assert_eq!(machine.input["ClientSecret"], "machines0secret0of0the0old0pool");
    assert!(machine.input.get("GenerateSecret").is_none());
    assert!(!pretty(&hands).contains("secret0of"));
}

/// Texts that CloudFormation would take for more, or that would end a text of another format.
#[test]
fn hostile_texts_stay_texts() {
    let quoted = "a\"b\\c\n- !Ref x: ${AWS::AccountId} {\"Ref\": \"UserPool\"} # {####}";
    let settings = changed(|document| {
        document["UserPool"]["VerificationMessageTemplate"]["EmailMessage"] = json!(quoted);
        document["UserPoolClients"][1]["ClientName"] = json!(quoted);
    });
    let text = pretty(&template(&settings));
    let back: Value = serde_json::from_str(&text).unwrap();
    let pool = &back["Resources"]["UserPool"]["Properties"];
    assert_eq!(pool["VerificationMessageTemplate"]["EmailMessage"], quoted);
    let clients = back["Resources"].as_object().unwrap().values();
    assert!(clients.clone().any(|made| made["Properties"]["ClientName"] == quoted));
    // No saved text is given to a function; only our own parameters and resources are named.
    assert!(!text.contains("Fn::Sub") && !text.contains("Fn::Join"));
    assert!(
        back["Resources"].as_object().unwrap().keys().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric()))
    );
}

#[test]
fn what_cloudformation_would_resolve_is_left_out_and_listed() {
    let reference = "{{resolve:secretsmanager:prod:SecretString:password}}";
    let settings = changed(|document| {
        document["UserPool"]["EmailConfiguration"]["From"] = json!(reference);
        document["UserPool"]["UserPoolTags"] = json!({"Ref": "AWS::AccountId", "Fn::Sub": "${AWS::AccountId}", "plain": "kept", "secret": reference});
        document["IdentityProviders"][0]["AttributeMapping"] = json!({"Fn::GetAtt": "UserPool.Arn"});
        document["UserPoolClients"][1]["CallbackURLs"] = json!(["https://shop.example.com", reference]);
        document["IdentityProviders"][1]["ProviderName"] = json!(reference);
    });
    let made = template(&settings);
    let mut parts = made.clone();
    parts.as_object_mut().unwrap().remove("Metadata");
    assert!(!pretty(&parts).contains("{{resolve"));
    let resources = &made["Resources"];
    assert_eq!(resources["UserPool"]["Properties"]["UserPoolTags"], json!({"plain": "kept"}));
    assert_eq!(resources["ClientWebApp"]["Properties"]["CallbackURLs"], json!(["https://shop.example.com"]));
    assert!(
        resources["IdentityProviderCorpSAML"]["Properties"]["AttributeMapping"]
            .as_object()
            .unwrap()
            .is_empty()
    );
    assert!(resources.get("IdentityProviderGoogle").is_none());
    let listed: Vec<_> = by_hand(&settings)
        .into_iter()
        .filter(|hand| hand.matter == "not_carried")
        .map(|hand| hand.subject)
        .collect();
    for path in [
        "UserPool.EmailConfiguration.From",
        "UserPool.UserPoolTags.Ref",
        "UserPool.UserPoolTags.Fn::Sub",
        "UserPool.UserPoolTags.secret",
        "IdentityProviders.AttributeMapping.Fn::GetAtt",
        "UserPoolClients.CallbackURLs",
        "IdentityProviders.ProviderName",
    ] {
        assert!(listed.iter().any(|subject| subject == path), "{path}: {listed:?}");
    }
    // The API takes them as they are.
    let (requests, _) = rebuild(&settings, None).requests().unwrap();
    assert_eq!(requests[0].input["EmailConfiguration"]["From"], reference);
}

#[test]
fn names_that_look_alike_give_resources_of_their_own() {
    let settings = changed(|document| {
        let client = |name: &str, id: &str| json!({"ClientName": name, "ClientId": id});
        document["UserPoolClients"] = json!([
            client("web app", "a"),
            client("web-app", "b"),
            client("\u{e9}", "c"),
            client("web+app2", "d")
        ]);
        document["UICustomizations"] = json!([]);
        document["RiskConfigurations"] = json!([{"ClientId": "b", "RiskExceptionConfiguration": {}},
                                                {"ClientId": "gone", "RiskExceptionConfiguration": {}}]);
    });
    let made = template(&settings);
    let clients: Vec<&String> =
        made["Resources"].as_object().unwrap().keys().filter(|id| id.starts_with("Client")).collect();
    assert_eq!(clients, ["Client", "ClientWebApp", "ClientWebApp2", "ClientWebApp22"]);
    assert_eq!(
        made["Resources"]["RiskConfigurationClientWebApp2"]["Properties"]["ClientId"],
        json!({"Ref": "ClientWebApp2"})
    );
    assert!(by_hand(&settings).iter().any(|hand| hand.subject == "RiskConfigurations.gone"));
}

#[test]
fn more_than_cloudformation_takes_is_said() {
    let settings = changed(|document| {
        let clients = (0..600).map(|n| json!({"ClientName": format!("c{n}"), "ClientId": format!("{n:03}")}));
        document["UserPoolClients"] = clients.collect();
        let attributes = (0..51).map(
            |n| json!({"Name": format!("custom:a{n}"), "AttributeDataType": "String", "DeveloperOnlyAttribute": false}),
        );
        document["UserPool"]["SchemaAttributes"] = attributes.collect();
    });
    let limits: Vec<_> = by_hand(&settings)
        .into_iter()
        .filter(|hand| hand.matter == "limit")
        .map(|hand| hand.subject)
        .collect();
    assert_eq!(limits, ["Outputs", "Resources", "Schema", ""]);
    assert_eq!(template(&settings)["Outputs"].as_object().unwrap().len(), 3);
    let (requests, _) = rebuild(&settings, None).requests().unwrap();
    assert_eq!(requests[0].input["Schema"].as_array().unwrap().len(), 50);
    assert_eq!(requests[1].operation, "AddCustomAttributes");
    assert_eq!(requests[1].input["CustomAttributes"][0]["Name"], "a50");
}

#[test]
fn a_pool_without_extras_is_small() {
    let settings = Settings::new(json!({"Name": "plain", "Id": "p"}), json!({"MfaConfiguration": "OFF"}));
    let (requests, _) = rebuild(&settings, None).requests().unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].input,
        json!({"PoolName": "plain", "UsernameConfiguration": {"CaseSensitive": true}})
    );
    assert!(template(&settings).get("Parameters").is_none());
}

/// Newer than the model that tests/static judges by; the SDK here has them.
#[test]
fn levels_of_authentication_are_for_the_api_alone() {
    let settings = changed(|document| {
        document["UserPool"]["AcrConfiguration"] = json!({"Levels": ["Level1"]});
        document["IdentityProviders"][1]["AcrMapping"] = json!({"Level1": "urn:one"});
    });
    let (requests, hands) = rebuild(&settings, None).requests().unwrap();
    assert_eq!(requests[0].input["AcrConfiguration"]["Levels"][0], "Level1");
    assert!(requests.iter().any(|made| made.input["AcrMapping"]["Level1"] == "urn:one"));
    assert!(!hands.iter().any(|hand| hand.subject.contains("Acr")));
    let left_out = by_hand(&settings).into_iter().filter(|hand| hand.subject.contains("Acr"));
    assert_eq!(left_out.count(), 2);
}

#[test]
fn damage_is_an_error() {
    let not_a_list = changed(|document| document["UserPoolClients"] = json!({"a": 1}));
    let not_an_object = changed(|document| document["Domains"] = json!(["a"]));
    let no_pool = changed(|document| document["UserPool"] = Value::Null);
    for settings in [not_a_list, not_an_object, no_pool] {
        assert_eq!(rebuild(&settings, None).template().unwrap_err().kind(), "corrupted");
        assert_eq!(rebuild(&settings, None).requests().unwrap_err().kind(), "corrupted");
    }
    assert!(rich().part(Part::UserPoolClients).is_some());
}
