//! From a pool's settings to an equal pool, and the secrets on the way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use cognito_sim::{Clock, Operation};
use serde_json::{Value, json};

use crate::world::{Ran, World, fast};

const CLIENT_SECRET: &str = "machine0secret0that0nobody0may0see";
const GOOGLE_SECRET: &str = "GOCSPX-that-nobody-may-see";

/// How every secret key of age begins.
const IDENTITY: &str = "AGE-SECRET-KEY-1";

impl World {
    /// The service's answer, which is no error.
    pub fn call(&self, operation: &str, body: &Value) -> Value {
        let now = Clock::System.now();
        let answer = self.cognito.call(operation, body.to_string().as_bytes(), now).json();
        answer.unwrap_or_else(|reply| panic!("{operation} {body}: {reply:?}"))
    }

    /// A pool that has one of everything the simulator knows; its id.
    fn rich_pool(&self) -> String {
        let pool = self.call(
            "CreateUserPool",
            &json!({
                "PoolName": "Shop customers",
                "Policies": {"PasswordPolicy": {"MinimumLength": 12, "RequireSymbols": false, "TemporaryPasswordValidityDays": 3},
                             "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
                "DeletionProtection": "ACTIVE",
                "LambdaConfig": {"PreSignUp": "arn:aws:lambda:us-east-1:123456789012:function:sign-up",
                                 "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:token"}},
                "AliasAttributes": ["email"], "AutoVerifiedAttributes": ["email"],
                "UsernameConfiguration": {"CaseSensitive": false},
                "Schema": [{"Name": "email", "AttributeDataType": "String", "Required": true, "Mutable": true,
                            "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "2048"}},
                           {"Name": "tenant", "AttributeDataType": "String", "Mutable": false,
                            "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "64"}},
                           {"Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "9"}}],
                "EmailConfiguration": {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"},
                "UserPoolTags": {"team": "identity", "Ref": "AWS::AccountId"},
                "UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"},
                "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true,
                                          "InviteMessageTemplate": {"EmailMessage": "${AWS::AccountId} {username} \"{####}\"\n- x: !Ref y"}},
                "UserPoolTier": "PLUS",
            }),
        );
        let pool = pool["UserPool"]["Id"].as_str().unwrap().to_owned();
        let of_pool = |operation: &str, mut body: Value| {
            body["UserPoolId"] = json!(pool);
            self.call(operation, &body)
        };
        of_pool(
            "SetUserPoolMfaConfig",
            json!({"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": true},
                   "EmailMfaConfiguration": {"Subject": "s", "Message": "{####}"}}),
        );
        of_pool(
            "CreateResourceServer",
            json!({"Identifier": "https://api", "Name": "API",
                   "Scopes": [{"ScopeName": "write", "ScopeDescription": "w"}, {"ScopeName": "read", "ScopeDescription": "r"}]}),
        );
        of_pool(
            "CreateIdentityProvider",
            json!({"ProviderName": "Google", "ProviderType": "Google", "AttributeMapping": {"email": "email"},
                   "ProviderDetails": {"client_id": "c", "client_secret": GOOGLE_SECRET, "authorize_scopes": "openid"}}),
        );
        of_pool(
            "CreateIdentityProvider",
            json!({"ProviderName": "Corp", "ProviderType": "SAML", "ProviderDetails": {"MetadataURL": "https://corp.test/m"}}),
        );
        of_pool(
            "CreateUserPoolClient",
            json!({"ClientName": "machine", "ClientSecret": CLIENT_SECRET, "AllowedOAuthFlows": ["client_credentials"],
                   "AllowedOAuthScopes": ["https://api/write", "https://api/read"], "AllowedOAuthFlowsUserPoolClient": true}),
        );
        let web = of_pool(
            "CreateUserPoolClient",
            json!({"ClientName": "web app", "CallbackURLs": ["https://b", "https://a"], "DefaultRedirectURI": "https://a",
                   "SupportedIdentityProviders": ["Google", "COGNITO"], "ReadAttributes": ["email", "custom:tenant"],
                   "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
                   "TokenValidityUnits": {"AccessToken": "minutes"}, "AccessTokenValidity": 60}),
        );
        let web = web["UserPoolClient"]["ClientId"].clone();
        of_pool("CreateUserPoolDomain", json!({"Domain": "shop"}));
        of_pool("SetUICustomization", json!({"CSS": ".all {}"}));
        of_pool("SetUICustomization", json!({"CSS": ".web {}", "ClientId": web}));
        let block = json!({"EventFilter": ["SIGN_IN"], "Actions": {"EventAction": "BLOCK"}});
        of_pool("SetRiskConfiguration", json!({"CompromisedCredentialsRiskConfiguration": block}));
        of_pool(
            "SetRiskConfiguration",
            json!({"ClientId": web, "RiskExceptionConfiguration": {"BlockedIPRangeList": ["10.0.0.0/8"]}}),
        );
        of_pool(
            "SetLogDeliveryConfiguration",
            json!({"LogConfigurations": [{"LogLevel": "ERROR", "EventSource": "userNotification",
                   "CloudWatchLogsConfiguration": {"LogGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:a"}}]}),
        );
        pool
    }

    fn export_of(&self, pool: &str, more: &[&str]) -> Ran {
        let args = [&["export", "--user-pool-id", pool, "--json"], more].concat();
        let args = [fast(&args), vec!["--rate", "UserPoolResourceRead=2000"]].concat();
        self.run(&args)
    }

    fn saved(&self) -> Value {
        let shown = self.run(&["show", "settings", "--json"]).code(0);
        shown.objects().remove(0)["settings"].take()
    }

    /// What the AWS CLI would do with the file: each request, filled in as it says.
    fn make(&self, file: &Path) -> String {
        let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let mut answers: Vec<Value> = Vec::new();
        for request in document["requests"].as_array().unwrap() {
            let mut input = request["input"].clone();
            for (member, source) in request["fill"].as_object().into_iter().flatten() {
                let pointer = format!("/{}", source["member"].as_str().unwrap().replace('.', "/"));
                let answer = &answers[usize::try_from(source["request"].as_u64().unwrap()).unwrap()];
                input[member] = answer.pointer(&pointer).unwrap().clone();
            }
            for path in request["ask"].as_array().into_iter().flatten() {
                let (object, member) = path.as_str().unwrap().rsplit_once('.').unwrap();
                input[object][member] = json!(GOOGLE_SECRET);
            }
            answers.push(self.call(request["operation"].as_str().unwrap(), &input));
        }
        answers[0]["UserPool"]["Id"].as_str().unwrap().to_owned()
    }
}

/// Without what no two pools have in common: ids, and when something was made.
fn without_ids(settings: &Value) -> Value {
    let mut text = settings.to_string();
    let ids = settings["UserPoolClients"].as_array().into_iter().flatten();
    let ids = ids.map(|client| (client["ClientId"].clone(), client["ClientName"].clone()));
    for (id, name) in ids.chain([(settings["UserPool"]["Id"].clone(), json!("pool"))]) {
        text = text.replace(id.as_str().unwrap(), name.as_str().unwrap());
    }
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    forget_dates(&mut settings);
    for part in ["UserPoolClients", "UICustomizations", "RiskConfigurations"] {
        settings[part].as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    settings
}

fn forget_dates(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_dates),
        Value::Object(members) => {
            members.retain(|name, _| !matches!(name.as_str(), "CreationDate" | "LastModifiedDate"));
            members.values_mut().for_each(forget_dates);
        }
        _ => {}
    }
}

/// A new secret key, and its public key.
pub fn new_pair() -> (String, String) {
    let key = age::x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
}

/// A new pair of keys in a file, as `age-keygen` writes it; its name, and the public key.
pub fn keys(world: &World) -> (String, String) {
    let (identity, recipient) = new_pair();
    let file = world.file("key.txt");
    fs::write(&file, format!("# public key: {recipient}\n{identity}\n")).unwrap();
    (file.to_str().unwrap().to_owned(), recipient)
}

fn no_secret_in(text: &str) {
    for secret in [CLIENT_SECRET, GOOGLE_SECRET, IDENTITY] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn no_secret_said(ran: &Ran) {
    no_secret_in(&ran.stdout);
    no_secret_in(&ran.stderr);
}

/// Of everything the tool left behind.
fn no_secret_in_files(world: &World) {
    for entry in fs::read_dir(world.folder.path()).unwrap().map(Result::unwrap) {
        if entry.file_name() != "key.txt" {
            no_secret_in(&String::from_utf8_lossy(&fs::read(entry.path()).unwrap()));
        }
    }
}

#[test]
fn an_equal_pool_is_made_of_the_requests() {
    let world = World::new(0);
    let old = world.rich_pool();
    world.export_of(&old, &[]).code(0);
    let before = world.saved();
    assert!(before.get("NotSaved").is_none(), "{}", before["NotSaved"]);
    let ran = world.run(&["settings", "--format", "json", "--out", "new.json"]).code(0);
    assert!(ran.stdout.contains("wrote new.json") && ran.stderr.contains("note: domain shop: "), "{ran:?}");

    // The old pool has to give up its domain first.
    world.call("DeleteUserPoolDomain", &json!({"UserPoolId": old, "Domain": "shop"}));
    let new = world.make(&world.file("new.json"));
    world.run(&["runs"]).code(0);
    let mut args = vec!["--backup", "sqlite:new.db"];
    args.extend(["export", "--user-pool-id", &new]);
    world.run(&args).code(0);
    let shown = world.run(&["--backup", "sqlite:new.db", "show", "settings", "--json"]).code(0);
    let after = shown.objects().remove(0)["settings"].take();
    assert_eq!(without_ids(&after), without_ids(&before));
}

#[test]
fn a_template_goes_to_standard_output_or_into_a_file_of_its_owner() {
    let world = World::new(0);
    world.export_of(&world.rich_pool(), &[]).code(0);
    let ran = world.run(&["settings", "--format", "cloudformation"]).code(0);
    let template: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(template["Resources"]["UserPool"]["Type"], "AWS::Cognito::UserPool");
    assert_eq!(
        template["Resources"]["UserPool"]["Properties"]["UserPoolTags"],
        json!({"team": "identity"}),
        "a tag named like a function is not given to CloudFormation"
    );
    let by_hand = template["Metadata"]["CognitoUserProfilesExport"]["ByHand"].as_array().unwrap().len();
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("note: ")).count(), by_hand);
    for matter in
        ["application", "domain", "email", "identity_provider", "lambda", "log_destination", "secret", "waf"]
    {
        assert!(ran.stderr.contains(&format!("note: {matter}")), "{matter}: {}", ran.stderr);
    }

    let ran = world.run(&["settings", "--format", "cloudformation", "--out", "t.json", "--json"]).code(0);
    let file = world.file("t.json");
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()).unwrap(), template);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(ran.objects().len(), by_hand);
    assert!(ran.objects().iter().all(|line| line["type"] == "by_hand"), "{}", ran.stdout);
    let summary = ran.summary();
    assert_eq!((&summary["by_hand"], &summary["secrets_written"]), (&json!(by_hand), &json!(false)));
    assert_eq!(summary["settings_not_saved"], json!([]));

    let ran = world.run(&["settings", "--format", "json", "--json"]).code(2);
    assert_eq!(ran.error_kind(), "usage");
    let ran = world.run(&["settings", "--format", "json", "--out", "cognito-profiles.db"]).code(2);
    assert!(ran.stderr.contains("names the backup itself"));
}

#[test]
fn without_a_recipient_no_secret_is_kept() {
    let world = World::new(0);
    let pool = world.rich_pool();
    no_secret_said(&world.export_of(&pool, &[]).code(0));
    for args in [
        &["show", "settings"][..],
        &["show", "settings", "--json"],
        &["dump", "--format", "jsonl"],
        &["settings", "--format", "json"],
        &["settings", "--format", "cloudformation"],
        &["verify"],
    ] {
        no_secret_said(&world.run(args).code(0));
    }
    no_secret_in_files(&world);
    let (file, _) = keys(&world);
    let ran = world
        .run(&["settings", "--format", "json", "--identity", &file, "--with-secrets", "--out", "f"])
        .code(0);
    assert!(ran.stderr.contains("no secrets are saved in this run"), "{}", ran.stderr);
    no_secret_in_files(&world);
}

#[test]
fn a_recipient_gets_the_secrets_back_and_nobody_else() {
    let world = World::new(0);
    let pool = world.rich_pool();
    let (file, recipient) = keys(&world);
    no_secret_said(&world.export_of(&pool, &["--secrets-recipient", &recipient]).code(0));
    no_secret_in_files(&world);
    let ran = world.run(&["show", "settings"]).code(0);
    assert!(ran.stdout.contains(&recipient) && !ran.stdout.contains("AGE ENCRYPTED"), "{}", ran.stdout);

    let ran = world.run(&["settings", "--format", "json", "--identity", &file, "--out", "f.json"]).code(0);
    assert!(ran.stderr.contains("2 secrets can be opened; --with-secrets writes them"), "{}", ran.stderr);
    no_secret_said(&ran);
    no_secret_in_files(&world);

    let ran = world
        .run(&[
            "settings",
            "--format",
            "json",
            "--identity",
            &file,
            "--with-secrets",
            "--out",
            "f.json",
            "--json",
        ])
        .code(0);
    no_secret_said(&ran);
    let summary = ran.summary();
    assert_eq!((&summary["secrets_opened"], &summary["secrets_written"]), (&json!(2), &json!(true)));
    assert_eq!(summary["secrets_sealed_for"], recipient);
    let written = fs::read_to_string(world.file("f.json")).unwrap();
    assert!(written.contains(CLIENT_SECRET) && written.contains(GOOGLE_SECRET));
    assert_eq!(fs::metadata(world.file("f.json")).unwrap().permissions().mode() & 0o777, 0o600);

    // The same secrets again, in a pool that is made of it.
    world.call("DeleteUserPoolDomain", &json!({"UserPoolId": pool, "Domain": "shop"}));
    let new = world.make(&world.file("f.json"));
    let clients = world.call("ListUserPoolClients", &json!({"UserPoolId": new}));
    let machine = clients["UserPoolClients"]
        .as_array()
        .unwrap()
        .iter()
        .find(|client| client["ClientName"] == "machine");
    let asked = json!({"UserPoolId": new, "ClientId": machine.unwrap()["ClientId"]});
    assert_eq!(world.call("DescribeUserPoolClient", &asked)["UserPoolClient"]["ClientSecret"], CLIENT_SECRET);

    let (other, _) = keys(&world);
    let ran = world
        .run(&["settings", "--format", "json", "--identity", &other, "--json", "--out", "f.json"])
        .code(2);
    assert_eq!(ran.error_kind(), "usage");
    assert!(ran.stderr.contains(&recipient));
}

#[test]
fn an_unchanged_pool_is_an_unchanged_record_whatever_the_seal() {
    let world = World::new(0);
    let pool = world.rich_pool();
    let (_, recipient) = keys(&world);
    let export =
        |more: &[&str]| world.export_of(&pool, more).code(0).summary()["run_id"].as_str().unwrap().to_owned();
    let sealed = ["--secrets-recipient", recipient.as_str()];
    let runs = [export(&[]), export(&[]), export(&sealed), export(&sealed), export(&[])];
    let changed = |a: usize, b: usize| {
        let ran = world.run(&["diff", &runs[a], &runs[b]]).code(0);
        no_secret_said(&ran);
        ran.stdout
    };
    assert!(changed(0, 1).starts_with("0 new, 0 changed"));
    assert!(changed(1, 2).contains("~ settings: Secrets"), "{}", changed(1, 2));
    assert!(changed(2, 3).starts_with("0 new, 0 changed"), "{}", changed(2, 3));
    assert!(changed(0, 4).starts_with("0 new, 0 changed"));

    // A pool is compared without what only an export seals.
    let verify = world.run(&["verify", "--user-pool-id", &pool, "--as-of", &runs[3]]).code(0);
    assert!(verify.stdout.contains("is the same as"), "{}", verify.stdout);
}

#[test]
fn a_changed_client_is_a_changed_pool() {
    let world = World::new(0);
    let pool = world.rich_pool();
    world.export_of(&pool, &[]).code(0);
    world.call("CreateUserPoolClient", &json!({"UserPoolId": pool, "ClientName": "another"}));
    let ran = world.run(&["verify", "--user-pool-id", &pool]).code(3);
    assert!(ran.stdout.contains("~ settings: UserPoolClients"), "{}", ran.stdout);
}

#[test]
fn what_is_not_allowed_yet_is_named_and_stops_nothing() {
    let world = World::new(3);
    let denied = [Operation::ListUserPoolClients, Operation::DescribeUserPoolDomain];
    world.cognito.configure(|config| config.faults.denied.extend(denied));
    let pool = world.rich_pool_with_denials();
    let ran = world.run(&["export", "--user-pool-id", &pool]).code(0);
    let grant = "note: UserPoolClients of the pool's settings could not be saved: grant cognito-idp:ListUserPoolClients on the pool";
    assert!(ran.stderr.contains(grant), "{}", ran.stderr);
    let ran = world.export_of(&pool, &[]).code(0);
    let not_saved = ran.summary()["settings_not_saved"].clone();
    let parts: Vec<_> = not_saved.as_array().unwrap().iter().map(|part| part["part"].clone()).collect();
    assert_eq!(parts, ["Domains", "RiskConfigurations", "UICustomizations", "UserPoolClients"]);
    assert_eq!(not_saved[0]["code"], "AccessDeniedException");

    assert!(world.run(&["show", "settings"]).code(0).stderr.contains(grant));
    let verified = world.run(&["verify", "--json"]).code(0);
    let lines: Vec<_> = verified.objects().into_iter().filter(|line| line["type"] == "not_saved").collect();
    assert_eq!((lines.len(), &lines[0]["pool"]), (4, &json!(pool)));
    let ran = world.run(&["settings", "--format", "cloudformation"]).code(0);
    assert!(ran.stderr.contains("note: not_saved UserPoolClients"), "{}", ran.stderr);
    // What was not read is no difference.
    world.cognito.configure(|config| config.faults.denied.clear());
    world.run(&["verify", "--user-pool-id", &pool]).code(0);

    let ran = world.export_of(&pool, &[]).code(0);
    assert_eq!(ran.summary()["settings_not_saved"], json!([]));
    assert_eq!(world.saved()["UserPoolClients"].as_array().unwrap().len(), 2);
}

impl World {
    /// [`World::rich_pool`], made by somebody who may do it.
    fn rich_pool_with_denials(&self) -> String {
        let denied = self.cognito.configure(|config| std::mem::take(&mut config.faults.denied));
        let pool = self.rich_pool();
        self.cognito.configure(|config| config.faults.denied = denied);
        pool
    }
}

#[test]
fn keys_given_in_the_wrong_place_are_not_repeated() {
    let world = World::new(0);
    let (identity, recipient) = new_pair();
    let ran = world.export_of(&world.pool, &["--secrets-recipient", &identity]).code(2);
    assert_eq!(ran.error_kind(), "usage");
    no_secret_said(&ran);
    assert!(!world.file("cognito-profiles.db").exists(), "nothing was begun");
    world.export().code(0);
    for (name, content) in [("public.txt", recipient.as_str()), ("cut.txt", &identity[..40])] {
        fs::write(world.file(name), content).unwrap();
        let ran = world.run(&["settings", "--format", "json", "--identity", name]).code(2);
        assert!(!ran.stderr.contains(content), "{}", ran.stderr);
    }
    world.run(&["settings", "--format", "json", "--identity", "missing.txt"]).code(2);
    world.run(&["settings", "--format", "json", "--with-secrets", "--out", "f"]).code(2);
    world.run(&["settings", "--format", "json", "--identity", "cut.txt", "--with-secrets"]).code(2);
}
