//! Answers of Cognito, of which anything may be other than documented.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::wire::{POOL, Wire};
use crate::fuzz::{SECRET, config, garbled, spoiled};
use crate::ports::{CallError, Directory, NewUser, SettingsCall, UserFilter};

fn answers() -> Vec<Value> {
    let user = json!({"Username": "anna", "Enabled": true, "UserStatus": "CONFIRMED",
        "UserCreateDate": 1_689_980_857.949, "UserLastModifiedDate": 1_689_980_858,
        "Attributes": [{"Name": "sub", "Value": "s-1"}, {"Name": "email", "Value": SECRET}],
        "MFAOptions": [{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]});
    let group =
        json!({"GroupName": "g", "Description": SECRET, "Precedence": 0, "RoleArn": "r", "CreationDate": 1});
    let job = json!({"JobId": "import-1", "JobName": "j", "UserPoolId": POOL, "Status": "Created",
        "PreSignedUrl": SECRET, "ImportedUsers": 1, "SkippedUsers": 0, "FailedUsers": 2});
    vec![
        json!({"Users": [user], "PaginationToken": "t", "NextToken": "n"}),
        json!({"User": user}),
        json!({"Groups": [group], "NextToken": "n"}),
        json!({"Group": group}),
        json!({"UserPool": {"Id": POOL, "Name": SECRET, "EstimatedNumberOfUsers": 4, "SchemaAttributes": []}}),
        json!({"MfaConfiguration": "OPTIONAL", "SmsMfaConfiguration": {}}),
        json!({"UserPoolId": POOL, "CSVHeader": ["cognito:username", "name"]}),
        json!({"UserImportJob": job}),
        json!({"UserPoolClients": [{"ClientId": "c"}], "NextToken": "n"}),
        json!({"__type": "TooManyRequestsException", "message": SECRET}),
        json!({"__type": SECRET, "message": SECRET}),
    ]
}

/// Asks by every call that reads an answer; each is an answer of ours or an error, and says nothing
/// of what it was told.
async fn ask_everything(status: u16, body: &str) {
    let wire = (0..12).fold(Wire::default(), |wire, _| wire.then(status, body));
    let directory = wire.directory();
    let new =
        NewUser { username: "anna".to_owned(), attributes: [("email".to_owned(), SECRET.to_owned())].into() };
    let users = told(directory.list_users(&UserFilter::All, 60, None).await);
    let members = told(directory.list_members("g", None).await);
    for page in [users, members].into_iter().flatten() {
        assert!(page.items.iter().all(|user| !user.sub.is_empty()), "each has a key");
        assert!(page.next.is_none_or(|token| !token.is_empty()));
        for user in page.items {
            let text = serde_json::to_string(&user).unwrap();
            assert_eq!(
                serde_json::from_str::<crate::model::User>(&text).unwrap(),
                user,
                "it can be read back"
            );
        }
    }
    let groups = told(directory.list_groups(None).await);
    assert!(groups.is_none_or(|page| page.items.iter().all(|group| !group.name.is_empty())));
    told(directory.get_group("g").await);
    told(directory.create_user(&new).await);
    told(directory.describe().await);
    told(directory.mfa_config().await);
    told(directory.csv_header().await);
    told(directory.create_import_job("j", "r").await);
    told(directory.describe_import_job("import-1").await);
    told(directory.read_settings(&SettingsCall::Clients(None)).await);
    told(directory.provisioned_limit("UserCreation").await);
}

fn told<T>(answer: Result<T, CallError>) -> Option<T> {
    if let Err(error) = &answer {
        let said = format!("{error:?} {}", error.reason());
        assert!(!said.contains(SECRET), "{said}");
    }
    answer.ok()
}

proptest! {
    #![proptest_config(config(120))]

    #[test]
    fn any_answer_is_understood_or_refused(
        answer in spoiled(answers()),
        text in garbled(answers().iter().map(Value::to_string).collect()),
        status in prop_oneof![4 => Just(200_u16), 1 => prop::sample::select(vec![400, 403, 429, 500, 503])],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            ask_everything(status, &answer.to_string()).await;
            ask_everything(status, &text).await;
        });
    }
}
