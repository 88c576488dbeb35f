use cognito_sim::{PoolConfig, Reply};
use serde_json::{Value, json};

use crate::harness::{NOW, Sim};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1";

fn protected() -> Sim {
    let mut config = PoolConfig::named("people");
    config.extra.insert("UserPoolAddOns".into(), json!({"AdvancedSecurityMode": "ENFORCED"}));
    Sim::new(config)
}

fn client(sim: &Sim, body: Value) -> Value {
    sim.ok("CreateUserPoolClient", body)["UserPoolClient"].clone()
}

#[test]
fn a_client_is_described_as_it_was_made() {
    let sim = Sim::named();
    let made = json!({"ClientName": "web", "CallbackURLs": ["https://a"], "ReadAttributes": ["email"],
        "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"], "TokenValidityUnits": {"AccessToken": "minutes"}});
    let client = client(&sim, made.clone());
    for member in ["ClientName", "CallbackURLs", "ReadAttributes", "ExplicitAuthFlows", "TokenValidityUnits"]
    {
        assert_eq!(client[member], made[member], "{member}");
    }
    assert!(client.get("ClientSecret").is_none());
    assert_eq!(client["UserPoolId"], sim.pool.as_str());
    let id = json!({"ClientId": client["ClientId"]});
    assert_eq!(sim.ok("DescribeUserPoolClient", id.clone())["UserPoolClient"], client);
    sim.ok("DeleteUserPoolClient", id.clone());
    let gone = sim.error("DescribeUserPoolClient", id);
    assert_eq!(gone.code, "ResourceNotFoundException");
    assert!(gone.message.starts_with("User pool client"), "as the real one says: {}", gone.message);
}

#[test]
fn a_secret_is_generated_or_given() {
    let sim = Sim::named();
    let secret = |body| client(&sim, body)["ClientSecret"].as_str().map(str::to_owned);
    let generated = secret(json!({"ClientName": "a", "GenerateSecret": true})).expect("a secret");
    assert_ne!(Some(generated), secret(json!({"ClientName": "b", "GenerateSecret": true})));
    let given = "my0own0secret0of024letters";
    assert_eq!(secret(json!({"ClientName": "c", "ClientSecret": given})).as_deref(), Some(given));
    for bad in [
        json!({"ClientName": "d", "ClientSecret": given, "GenerateSecret": true}),
        json!({"ClientName": "d", "ClientSecret": "short"}),
        json!({"ClientName": "d", "ClientSecret": "not-a-word-of-24-characters"}),
    ] {
        assert_eq!(sim.code("CreateUserPoolClient", bad.clone()), "InvalidParameterException", "{bad}");
    }
}

#[test]
fn client_requests_are_validated() {
    let sim = Sim::named();
    sim.ok(
        "CreateResourceServer",
        json!({"Identifier": "api", "Name": "API", "Scopes": [{"ScopeName": "read", "ScopeDescription": "r"}]}),
    );
    let with = |more: Value| {
        let mut body = json!({"ClientName": "web"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    for (bad, code) in [
        (json!({}), "InvalidParameterException"),
        (with(json!({"ClientName": "a/b"})), "InvalidParameterException"),
        (with(json!({"ClientId": "x"})), "InvalidParameterException"),
        (with(json!({"AccessTokenValidity": 0})), "InvalidParameterException"),
        (with(json!({"ExplicitAuthFlows": ["ALLOW_ALL"]})), "InvalidParameterException"),
        (with(json!({"ReadAttributes": ["custom:unknown"]})), "InvalidParameterException"),
        (with(json!({"CallbackURLs": ["a", "a"]})), "InvalidParameterException"),
        (with(json!({"DefaultRedirectURI": "https://a"})), "InvalidParameterException"),
        (with(json!({"AllowedOAuthFlowsUserPoolClient": true})), "InvalidOAuthFlowException"),
        (with(json!({"AllowedOAuthScopes": ["api/write"]})), "ScopeDoesNotExistException"),
        (with(json!({"RefreshTokenRotation": {}})), "InvalidParameterException"),
        (with(json!({"AuthSessionValidity": "3"})), "SerializationException"),
    ] {
        assert_eq!(sim.code("CreateUserPoolClient", bad.clone()), code, "{bad}");
    }
    sim.ok("CreateUserPoolClient", with(json!({"AllowedOAuthScopes": ["api/read", "openid"]})));
}

#[test]
fn clients_and_servers_come_in_pages() {
    let sim = Sim::named();
    for n in 0..7 {
        sim.ok("CreateUserPoolClient", json!({"ClientName": format!("c{n}")}));
        sim.ok("CreateResourceServer", json!({"Identifier": format!("s{n}"), "Name": "s"}));
    }
    sim.cognito.configure(|config| {
        config.listing.empty_pages = 0.3;
        config.listing.short_pages = 0.5;
        config.listing.trailing_page = 1.0;
    });
    for (operation, member, name) in [
        ("ListUserPoolClients", "UserPoolClients", "ClientName"),
        ("ListResourceServers", "ResourceServers", "Identifier"),
    ] {
        let (mut names, mut body) = (Vec::new(), json!({"MaxResults": 3}));
        loop {
            let page = sim.ok(operation, body.clone());
            names.extend(page[member].as_array().expect("a page").iter().map(|item| item[name].to_string()));
            match page.get("NextToken") {
                Some(token) => body["NextToken"] = token.clone(),
                None => break,
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7, "{operation}");
        for bad in [json!({"MaxResults": 0}), json!({"MaxResults": 61}), json!({"NextToken": "x"})] {
            assert_eq!(sim.code(operation, bad), "InvalidParameterException");
        }
    }
    let page = sim.ok("ListUserPoolClients", json!({}));
    assert!(page["UserPoolClients"][0].get("ClientSecret").is_none());
}

#[test]
fn a_domain_belongs_to_one_pool_until_it_is_deleted() {
    let sim = Sim::named();
    let other = sim.ok("CreateUserPool", json!({"PoolName": "other"}))["UserPool"]["Id"].clone();
    sim.ok("CreateUserPoolDomain", json!({"Domain": "shop"}));
    let custom = json!({"Domain": "auth.example.com", "CustomDomainConfig": {"CertificateArn": ARN}});
    sim.ok("CreateUserPoolDomain", custom);
    let pool = sim.ok("DescribeUserPool", json!({}))["UserPool"].clone();
    assert_eq!((&pool["Domain"], &pool["CustomDomain"]), (&json!("shop"), &json!("auth.example.com")));

    // It takes no pool; the harness names one.
    let call =
        |body: Value| sim.cognito.call("DescribeUserPoolDomain", body.to_string().as_bytes(), NOW).json();
    let first = call(json!({"Domain": "shop"})).expect("a domain")["DomainDescription"].clone();
    let second = call(json!({"Domain": "shop"})).expect("a domain")["DomainDescription"].clone();
    assert_eq!((&first["Status"], &second["Status"]), (&json!("CREATING"), &json!("ACTIVE")));
    assert_eq!(first["UserPoolId"], sim.pool.as_str());
    assert_eq!(call(json!({"Domain": "free"})), Ok(json!({"DomainDescription": {}})));

    let taken = json!({"UserPoolId": other, "Domain": "shop"});
    assert_eq!(sim.code("CreateUserPoolDomain", taken.clone()), "InvalidParameterException");
    for bad in [
        json!({"Domain": "second"}),
        json!({"Domain": "Shop"}),
        json!({"Domain": "a.example.com"}),
        json!({"Domain": "plain", "CustomDomainConfig": {"CertificateArn": ARN}}),
        json!({"UserPoolId": other, "Domain": "b.example.com", "CustomDomainConfig": {}}),
    ] {
        assert_eq!(sim.code("CreateUserPoolDomain", bad.clone()), "InvalidParameterException", "{bad}");
    }
    assert_eq!(sim.code("DeleteUserPool", json!({})), "InvalidParameterException", "it has domains");
    assert_eq!(sim.code("DeleteUserPoolDomain", taken.clone()), "InvalidParameterException");
    sim.ok("DeleteUserPoolDomain", json!({"Domain": "shop"}));
    sim.ok("CreateUserPoolDomain", taken);
}

#[test]
fn pages_have_the_style_of_their_client_or_of_the_pool() {
    let sim = Sim::named();
    let own = client(&sim, json!({"ClientName": "own"}))["ClientId"].clone();
    let plain = client(&sim, json!({"ClientName": "plain"}))["ClientId"].clone();
    let css = json!({"CSS": ".a {}"});
    assert_eq!(sim.code("SetUICustomization", css.clone()), "InvalidParameterException", "without a domain");
    sim.ok("CreateUserPoolDomain", json!({"Domain": "shop"}));
    let style = |of: &Value| sim.ok("GetUICustomization", json!({"ClientId": of}))["UICustomization"].clone();
    assert_eq!(style(&plain), json!({}));
    sim.ok("SetUICustomization", css);
    sim.ok("SetUICustomization", json!({"ClientId": own, "CSS": ".b {}"}));
    assert_eq!((&style(&own)["ClientId"], &style(&own)["CSS"]), (&own, &json!(".b {}")));
    assert_eq!((&style(&plain)["ClientId"], &style(&plain)["CSS"]), (&json!("ALL"), &json!(".a {}")));
    let unknown = json!({"ClientId": "nobody"});
    assert_eq!(sim.code("GetUICustomization", unknown), "ResourceNotFoundException");
}

#[test]
fn risks_are_the_pool_s_or_a_client_s_where_there_is_protection() {
    let off = Sim::named();
    let block = json!({"CompromisedCredentialsRiskConfiguration": {"Actions": {"EventAction": "BLOCK"}}});
    for operation in ["DescribeRiskConfiguration", "SetRiskConfiguration"] {
        let body = if operation.starts_with("Set") { block.clone() } else { json!({}) };
        assert_eq!(off.code(operation, body), "UserPoolAddOnNotEnabledException");
    }
    let sim = protected();
    let id = client(&sim, json!({"ClientName": "own"}))["ClientId"].clone();
    let risk = |body: Value| sim.ok("DescribeRiskConfiguration", body)["RiskConfiguration"].clone();
    assert_eq!(risk(json!({})), json!({"UserPoolId": sim.pool}));
    sim.ok("SetRiskConfiguration", block.clone());
    assert_eq!(risk(json!({"ClientId": id})), risk(json!({})));
    let mut own = block;
    own["ClientId"] = id.clone();
    sim.ok("SetRiskConfiguration", own);
    assert_eq!(risk(json!({"ClientId": id}))["ClientId"], id);
    for bad in [
        json!({"CompromisedCredentialsRiskConfiguration": {}}),
        json!({"CompromisedCredentialsRiskConfiguration": {"Actions": {"EventAction": "MAYBE"}}}),
        json!({"AccountTakeoverRiskConfiguration": {"Actions": {"LowAction": {"EventAction": "BLOCK"}}}}),
        json!({"RiskExceptionConfiguration": {"Unknown": []}}),
    ] {
        assert_eq!(sim.code("SetRiskConfiguration", bad.clone()), "InvalidParameterException", "{bad}");
    }
}

#[test]
fn logs_go_to_one_place_each() {
    let sim = Sim::named();
    let none = sim.ok("GetLogDeliveryConfiguration", json!({}));
    assert_eq!(none["LogDeliveryConfiguration"]["LogConfigurations"], json!([]));
    let log = |source: &str| {
        json!({"LogLevel": "ERROR", "EventSource": source,
               "CloudWatchLogsConfiguration": {"LogGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:a"}})
    };
    let both = json!({"LogConfigurations": [log("userNotification"), log("userAuthEvents")]});
    sim.ok("SetLogDeliveryConfiguration", both.clone());
    let got = sim.ok("GetLogDeliveryConfiguration", json!({}));
    assert_eq!(got["LogDeliveryConfiguration"]["LogConfigurations"], both["LogConfigurations"]);
    for bad in [
        json!({}),
        json!({"LogConfigurations": [log("userNotification"), log("userNotification")]}),
        json!({"LogConfigurations": [{"LogLevel": "ERROR", "EventSource": "userNotification"}]}),
        json!({"LogConfigurations": [log("everything")]}),
    ] {
        assert_eq!(
            sim.code("SetLogDeliveryConfiguration", bad.clone()),
            "InvalidParameterException",
            "{bad}"
        );
    }
}

#[test]
fn second_factors_are_as_they_were_set() {
    let mut config = PoolConfig::named("people");
    config.extra.insert("EmailConfiguration".into(), json!({"EmailSendingAccount": "DEVELOPER"}));
    let sim = Sim::new(config);
    let factors = json!({
        "MfaConfiguration": "ON",
        "SoftwareTokenMfaConfiguration": {"Enabled": true},
        "EmailMfaConfiguration": {"Message": "{####}", "Subject": "s"},
        "SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}},
        "WebAuthnConfiguration": {"RelyingPartyId": "example.com", "UserVerification": "required"},
    });
    assert_eq!(sim.ok("SetUserPoolMfaConfig", factors.clone()), factors);
    assert_eq!(sim.ok("GetUserPoolMfaConfig", json!({})), factors);
    assert_eq!(sim.ok("DescribeUserPool", json!({}))["UserPool"]["MfaConfiguration"], "ON");
    for bad in [
        json!({"MfaConfiguration": "ON"}),
        json!({"MfaConfiguration": "SOMETIMES"}),
        json!({"SmsMfaConfiguration": {}}),
        json!({"WebAuthnConfiguration": {"UserVerification": "never"}}),
    ] {
        assert_eq!(sim.code("SetUserPoolMfaConfig", bad.clone()), "InvalidParameterException", "{bad}");
    }
    let plain = Sim::named();
    let email = json!({"MfaConfiguration": "ON", "EmailMfaConfiguration": {"Subject": "s"}});
    assert_eq!(plain.code("SetUserPoolMfaConfig", email), "InvalidParameterException", "it cannot send");
}

#[test]
fn a_pool_says_twice_how_long_a_temporary_password_lives() {
    let sim = Sim::named();
    let body = |more: Value| {
        json!({"PoolName": "p", "AdminCreateUserConfig": more,
               "Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 3},
                            "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}})
    };
    let pool = sim.ok("CreateUserPool", body(json!({"AllowAdminCreateUserOnly": true})))["UserPool"].clone();
    assert_eq!(
        pool["AdminCreateUserConfig"],
        json!({"AllowAdminCreateUserOnly": true, "UnusedAccountValidityDays": 3})
    );
    assert_eq!(pool["Policies"]["SignInPolicy"]["AllowedFirstAuthFactors"], json!(["PASSWORD", "EMAIL_OTP"]));
    assert_eq!(pool["Policies"]["PasswordPolicy"]["TemporaryPasswordValidityDays"], 3);
    let two = body(json!({"UnusedAccountValidityDays": 5}));
    assert_eq!(sim.code("CreateUserPool", two), "InvalidParameterException");
}

#[test]
fn each_of_these_operations_is_capped_per_pool() {
    let sim = Sim::with(cognito_sim::Config::seeded(1), PoolConfig::named("people"));
    for operation in ["ListUserPoolClients", "ListResourceServers", "GetLogDeliveryConfiguration"] {
        let answers = (0..6).map(|_| sim.at(NOW, operation, json!({})));
        let refused = answers.filter(
            |answer| matches!(answer, Err(Reply::Error(error)) if error.code == "TooManyRequestsException"),
        );
        assert_eq!(refused.count(), 1, "{operation}");
    }
}
