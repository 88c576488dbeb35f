//! Import jobs, second factors and links: what is sent, and what is made of the answers.

use serde_json::json;

use super::wire::{POOL, Wire};
use crate::ports::{CallError, Directory, Factor, Fault, Identity, JobCounts, Operation};

const URL: &str = "https://bucket.test/file?X-Amz-Signature=5ecret";

fn refusal(code: &str, message: &str) -> Wire {
    Wire::default().then(400, &json!({"__type": code, "message": message}).to_string())
}

fn invalid() -> Fault {
    Fault::Invalid { code: "InvalidParameterException".into(), attributes: vec![] }
}

#[tokio::test]
async fn a_second_factor_is_turned_on_and_no_other_is_touched() {
    let wire = Wire::default().then(200, "{}").then(200, "{}").then(200, "{}");
    let directory = wire.directory();
    directory.set_mfa_preference("anna", &[Factor::Sms]).await.unwrap();
    directory.set_mfa_preference("anna", &[Factor::Email]).await.unwrap();
    directory.set_mfa_preference("anna", &[Factor::Email, Factor::Sms]).await.unwrap();
    let settings = |preferred| json!({"Enabled": true, "PreferredMfa": preferred});
    let sent = [
        json!({"UserPoolId": POOL, "Username": "anna", "SMSMfaSettings": settings(true)}),
        json!({"UserPoolId": POOL, "Username": "anna", "EmailMfaSettings": settings(true)}),
        json!({"UserPoolId": POOL, "Username": "anna", "EmailMfaSettings": settings(true),
               "SMSMfaSettings": settings(false)}),
    ];
    assert_eq!(wire.calls(), sent.map(|body| ("AdminSetUserMFAPreference".to_owned(), body)));
}

#[tokio::test]
async fn a_link_names_the_user_and_the_providers_own_id() {
    let wire = Wire::default().then(200, "{}");
    let identity = Identity { provider: "Okta".into(), user_id: "00u/1 é".into() };
    wire.directory().link_provider("anna", &identity).await.unwrap();
    let sent = json!({
        "UserPoolId": POOL,
        "DestinationUser": {"ProviderName": "Cognito", "ProviderAttributeValue": "anna"},
        "SourceUser": {"ProviderName": "Okta", "ProviderAttributeName": "Cognito_Subject",
                       "ProviderAttributeValue": "00u/1 é"},
    });
    assert_eq!(wire.calls(), [("AdminLinkProviderForUser".to_owned(), sent)]);
}

#[tokio::test]
async fn what_is_linked_already_is_told_from_what_cannot_be_linked() {
    let identity = Identity { provider: "Okta".into(), user_id: "1".into() };
    for (code, message, fault) in [
        ("InvalidParameterException", "SourceUser is already linked to DestinationUser", Fault::Exists),
        ("InvalidParameterException", "Merging is not currently supported", invalid()),
        ("UserNotFoundException", "User does not exist.", Fault::NotFound),
        ("ResourceNotFoundException", "Identity provider Okta does not exist.", Fault::NotFound),
        ("ResourceNotFoundException", "User pool eu-west-1_Test does not exist.", Fault::NoSuchPool),
        ("LimitExceededException", "", Fault::Limit),
        ("AliasExistsException", "", Fault::AliasExists),
        ("NotAuthorizedException", "", Fault::Refused("NotAuthorizedException".into())),
    ] {
        let answered = refusal(code, message).directory().link_provider("anna", &identity).await;
        assert_eq!(answered.unwrap_err().fault, fault, "{code}: {message}");
    }
}

#[tokio::test]
async fn a_job_goes_from_its_header_to_its_counts() {
    let wire = Wire::default()
        .then(200, r#"{"UserPoolId":"p","CSVHeader":["name","cognito:username"]}"#)
        .then(
            200,
            &json!({"UserImportJob": {"JobId": "import-1", "PreSignedUrl": URL, "Status": "Created"}})
                .to_string(),
        )
        .then(200, r#"{"UserImportJob":{"JobId":"import-1","Status":"Pending"}}"#)
        .then(
            200,
            r#"{"UserImportJob":{"Status":"Succeeded","ImportedUsers":7,"SkippedUsers":1,"FailedUsers":2}}"#,
        );
    let directory = wire.directory();
    assert_eq!(directory.csv_header().await.unwrap(), ["name", "cognito:username"]);
    let job = directory.create_import_job("restore-1", "arn:aws:iam::1:role/r").await.unwrap();
    assert_eq!((job.id.as_str(), job.upload.expose()), ("import-1", URL));
    assert!(!format!("{job:?}").contains("5ecret"), "whoever has the URL may write the file");
    let started = directory.start_import_job("import-1").await.unwrap();
    assert_eq!((started.status.as_str(), started.counts), ("Pending", JobCounts::default()));
    let ended = directory.describe_import_job("import-1").await.unwrap();
    let counts = JobCounts { imported: 7, skipped: 1, failed: 2 };
    assert_eq!((ended.status.as_str(), ended.counts), ("Succeeded", counts));
    let of_job = json!({"UserPoolId": POOL, "JobId": "import-1"});
    let role = "arn:aws:iam::1:role/r";
    let expected = [
        ("GetCSVHeader", json!({"UserPoolId": POOL})),
        (
            "CreateUserImportJob",
            json!({"UserPoolId": POOL, "JobName": "restore-1", "CloudWatchLogsRoleArn": role}),
        ),
        ("StartUserImportJob", of_job.clone()),
        ("DescribeUserImportJob", of_job),
    ];
    assert_eq!(wire.calls(), expected.map(|(name, body)| (name.to_owned(), body)));
}

#[tokio::test]
async fn a_job_that_cannot_start_says_whether_its_file_is_missing() {
    let code = "PreconditionNotMetException";
    let no_file = "No csv file was uploaded for the job. The job cannot be started.";
    for (code, message, fault) in [
        (code, no_file, Fault::NotReady { no_file: true }),
        (code, "A job for the user pool is already running", Fault::NotReady { no_file: false }),
        (code, "", Fault::NotReady { no_file: false }),
        ("LimitExceededException", "", Fault::Limit),
        ("TooManyRequestsException", "", Fault::Throttled),
        ("ResourceNotFoundException", "Unable to find job", Fault::NotFound),
        ("ResourceNotFoundException", "User pool eu-west-1_Test does not exist.", Fault::NoSuchPool),
        ("NotAuthorizedException", "", Fault::AccessDenied),
    ] {
        let answered = refusal(code, message).directory().start_import_job("import-1").await;
        assert_eq!(answered.unwrap_err().fault, fault, "{code}: {message}");
    }
}

#[tokio::test]
async fn an_answer_that_leads_nowhere_is_unreadable() {
    let unreadable = |operation| CallError { operation, fault: Fault::Transient("unreadable answer".into()) };
    let answering = |body: &str| Wire::default().then(200, body).directory();
    for body in ["{}", r#"{"CSVHeader":[]}"#] {
        let error = answering(body).csv_header().await.unwrap_err();
        assert_eq!(error, unreadable(Operation::GetCSVHeader), "{body}");
    }
    for body in ["{}", r#"{"UserImportJob":{"JobId":"i"}}"#, r#"{"UserImportJob":{"PreSignedUrl":"u"}}"#] {
        let error = answering(body).create_import_job("n", "r").await.unwrap_err();
        assert_eq!(error, unreadable(Operation::CreateUserImportJob), "{body}");
    }
    for body in ["{}", r#"{"UserImportJob":{"JobId":"i","ImportedUsers":7}}"#] {
        let error = answering(body).describe_import_job("i").await.unwrap_err();
        assert_eq!(error, unreadable(Operation::DescribeUserImportJob), "{body}");
    }
}
