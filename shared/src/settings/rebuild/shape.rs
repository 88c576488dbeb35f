//! Which members AWS takes. What a saved object has besides is not carried over, and listed.
//!
//! Sources: the API's model (`cognito-idp`, 2016-04-18) and the CloudFormation registry's schemas;
//! `tests/static/test_settings.py` holds these tables against both.

use serde_json::{Map, Value};

/// The form of a value.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything.
    Any,
    /// An object of these members.
    Object(Members),
    /// A list of such values.
    List(&'static Shape),
}

pub(super) type Members = &'static [(&'static str, Shape)];

use Shape::{Any, List, Object};

/// The part of `object` that has this form. The paths of what has no place in it are noted.
pub(super) fn pick(
    object: &Map<String, Value>,
    members: Members,
    path: &str,
    left_out: &mut Vec<String>,
) -> Map<String, Value> {
    let mut picked = Map::new();
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("{path}.{name}");
        let Some((_, shape)) = members.iter().find(|(known, _)| known == name) else {
            left_out.push(path);
            continue;
        };
        let value = shaped(value, shape, &path, left_out);
        // An empty object says nothing, and lacks what such an object must have.
        if !matches!((shape, &value), (Object(_), Value::Object(members)) if members.is_empty()) {
            picked.insert(name.clone(), value);
        }
    }
    picked
}

fn shaped(value: &Value, shape: &Shape, path: &str, left_out: &mut Vec<String>) -> Value {
    match (shape, value) {
        (Object(members), Value::Object(object)) => Value::Object(pick(object, members, path, left_out)),
        (List(shape), Value::Array(items)) => {
            items.iter().map(|item| shaped(item, shape, path, left_out)).collect()
        }
        _ => value.clone(),
    }
}

const PASSWORD_POLICY: Shape = Object(&[
    ("MinimumLength", Any),
    ("PasswordHistorySize", Any),
    ("RequireLowercase", Any),
    ("RequireNumbers", Any),
    ("RequireSymbols", Any),
    ("RequireUppercase", Any),
    ("TemporaryPasswordValidityDays", Any),
]);
const POLICIES: Shape = Object(&[
    ("PasswordPolicy", PASSWORD_POLICY),
    ("SignInPolicy", Object(&[("AllowedFirstAuthFactors", Any)])),
]);
const LAMBDA: Shape = Object(&[("LambdaArn", Any), ("LambdaVersion", Any)]);
const VERIFICATION: Shape = Object(&[
    ("DefaultEmailOption", Any),
    ("EmailMessage", Any),
    ("EmailMessageByLink", Any),
    ("EmailSubject", Any),
    ("EmailSubjectByLink", Any),
    ("SmsMessage", Any),
]);
const DEVICE: Shape =
    Object(&[("ChallengeRequiredOnNewDevice", Any), ("DeviceOnlyRememberedOnUserPrompt", Any)]);
const EMAIL: Shape = Object(&[
    ("ConfigurationSet", Any),
    ("EmailSendingAccount", Any),
    ("From", Any),
    ("ReplyToEmailAddress", Any),
    ("SourceArn", Any),
]);
const ADMIN_CREATE_USER: Shape = Object(&[
    ("AllowAdminCreateUserOnly", Any),
    ("InviteMessageTemplate", Object(&[("EmailMessage", Any), ("EmailSubject", Any), ("SMSMessage", Any)])),
    ("UnusedAccountValidityDays", Any),
]);
const SCHEMA: Shape = List(&Object(&[
    ("AttributeDataType", Any),
    ("DeveloperOnlyAttribute", Any),
    ("Mutable", Any),
    ("Name", Any),
    ("NumberAttributeConstraints", Object(&[("MaxValue", Any), ("MinValue", Any)])),
    ("Required", Any),
    ("StringAttributeConstraints", Object(&[("MaxLength", Any), ("MinLength", Any)])),
]));
const ADD_ONS: Shape = Object(&[
    ("AdvancedSecurityAdditionalFlows", Object(&[("CustomAuthMode", Any)])),
    ("AdvancedSecurityMode", Any),
]);
const RECOVERY: Shape = Object(&[("RecoveryMechanisms", List(&Object(&[("Name", Any), ("Priority", Any)])))]);
const UPDATES: Shape = Object(&[("AttributesRequireVerificationBeforeUpdate", Any)]);
const CASE: Shape = Object(&[("CaseSensitive", Any)]);

macro_rules! triggers {
    ($($more:expr),*) => {
        Object(&[
            ("CreateAuthChallenge", Any),
            ("CustomEmailSender", LAMBDA),
            ("CustomMessage", Any),
            ("CustomSMSSender", LAMBDA),
            ("DefineAuthChallenge", Any),
            ("KMSKeyID", Any),
            ("PostAuthentication", Any),
            ("PostConfirmation", Any),
            ("PreAuthentication", Any),
            ("PreSignUp", Any),
            ("PreTokenGeneration", Any),
            ("PreTokenGenerationConfig", LAMBDA),
            ("UserMigration", Any),
            ("VerifyAuthChallengeResponse", Any),
            $($more),*
        ])
    };
}

/// What both `CreateUserPool` and `AWS::Cognito::UserPool` take, and what only one of them does.
macro_rules! pool {
    ($($more:expr),* $(,)?) => {
        &[
            ("AccountRecoverySetting", RECOVERY),
            ("AdminCreateUserConfig", ADMIN_CREATE_USER),
            ("AliasAttributes", Any),
            ("AutoVerifiedAttributes", Any),
            ("DeletionProtection", Any),
            ("DeviceConfiguration", DEVICE),
            ("EmailConfiguration", EMAIL),
            ("EmailVerificationMessage", Any),
            ("EmailVerificationSubject", Any),
            ("MfaConfiguration", Any),
            ("Policies", POLICIES),
            ("Schema", SCHEMA),
            ("SmsAuthenticationMessage", Any),
            ("SmsVerificationMessage", Any),
            ("UserAttributeUpdateSettings", UPDATES),
            ("UserPoolAddOns", ADD_ONS),
            ("UserPoolTags", Any),
            ("UserPoolTier", Any),
            ("UsernameAttributes", Any),
            ("UsernameConfiguration", CASE),
            ("VerificationMessageTemplate", VERIFICATION),
            $($more),*
        ]
    };
}

const SMS_API: Shape = Object(&[
    (
        "EumsSms",
        Object(&[
            ("CallerArn", Any),
            ("ConfigurationSetName", Any),
            ("ExternalId", Any),
            ("InEntityId", Any),
            ("InTemplateId", Any),
            ("OriginationIdentity", Any),
            ("Region", Any),
        ]),
    ),
    ("ExternalId", Any),
    ("SnsCallerArn", Any),
    ("SnsRegion", Any),
]);
const SMS_TEMPLATE: Shape = Object(&[("ExternalId", Any), ("SnsCallerArn", Any), ("SnsRegion", Any)]);

/// `CreateUserPool`.
pub(super) const CREATE_USER_POOL: Members = pool![
    ("AcrConfiguration", Any),
    ("IssuerConfiguration", Object(&[("Type", Any)])),
    ("KeyConfiguration", Object(&[("KeyType", Any), ("KmsKeyArn", Any)])),
    ("LambdaConfig", triggers![("InboundFederation", LAMBDA)]),
    ("PoolName", Any),
    ("SmsConfiguration", SMS_API),
];

/// `AWS::Cognito::UserPool`.
pub(super) const USER_POOL: Members = pool![
    ("EmailAuthenticationMessage", Any),
    ("EmailAuthenticationSubject", Any),
    ("EnabledMfas", Any),
    ("LambdaConfig", triggers![]),
    ("SmsConfiguration", SMS_TEMPLATE),
    ("UserPoolName", Any),
    ("WebAuthnRelyingPartyID", Any),
    ("WebAuthnUserVerification", Any),
];

/// `SetUserPoolMfaConfig`.
pub(super) const SET_USER_POOL_MFA_CONFIG: Members = &[
    ("EmailMfaConfiguration", Object(&[("Message", Any), ("Subject", Any)])),
    ("MfaConfiguration", Any),
    ("SmsMfaConfiguration", Object(&[("SmsAuthenticationMessage", Any), ("SmsConfiguration", SMS_API)])),
    ("SoftwareTokenMfaConfiguration", Object(&[("Enabled", Any)])),
    (
        "WebAuthnConfiguration",
        Object(&[("FactorConfiguration", Any), ("RelyingPartyId", Any), ("UserVerification", Any)]),
    ),
];

macro_rules! client {
    ($($more:expr),* $(,)?) => {
        &[
            ("AccessTokenValidity", Any),
            ("AllowedOAuthFlows", Any),
            ("AllowedOAuthFlowsUserPoolClient", Any),
            ("AllowedOAuthScopes", Any),
            (
                "AnalyticsConfiguration",
                Object(&[
                    ("ApplicationArn", Any),
                    ("ApplicationId", Any),
                    ("ExternalId", Any),
                    ("RoleArn", Any),
                    ("UserDataShared", Any),
                ]),
            ),
            ("AuthSessionValidity", Any),
            ("CallbackURLs", Any),
            ("ClientName", Any),
            ("DefaultRedirectURI", Any),
            ("EnablePropagateAdditionalUserContextData", Any),
            ("EnableTokenRevocation", Any),
            ("ExplicitAuthFlows", Any),
            ("GenerateSecret", Any),
            ("IdTokenValidity", Any),
            ("LogoutURLs", Any),
            ("PreventUserExistenceErrors", Any),
            ("ReadAttributes", Any),
            ("RefreshTokenRotation", Object(&[("Feature", Any), ("RetryGracePeriodSeconds", Any)])),
            ("RefreshTokenValidity", Any),
            ("SupportedIdentityProviders", Any),
            ("TokenValidityUnits", Object(&[("AccessToken", Any), ("IdToken", Any), ("RefreshToken", Any)])),
            ("WriteAttributes", Any),
            $($more),*
        ]
    };
}

/// `AWS::Cognito::UserPoolClient`.
pub(super) const USER_POOL_CLIENT: Members = client![];

/// `CreateUserPoolClient`.
pub(super) const CREATE_USER_POOL_CLIENT: Members = client![("ClientSecret", Any)];

macro_rules! provider {
    ($($more:expr),* $(,)?) => {
        &[
            ("AttributeMapping", Any),
            ("IdpIdentifiers", Any),
            ("ProviderDetails", Any),
            ("ProviderName", Any),
            ("ProviderType", Any),
            $($more),*
        ]
    };
}

/// `AWS::Cognito::UserPoolIdentityProvider`.
pub(super) const IDENTITY_PROVIDER: Members = provider![];

/// `CreateIdentityProvider`.
pub(super) const CREATE_IDENTITY_PROVIDER: Members = provider![("AcrMapping", Any)];

/// `CreateResourceServer` and `AWS::Cognito::UserPoolResourceServer`.
pub(super) const RESOURCE_SERVER: Members = &[
    ("Identifier", Any),
    ("Name", Any),
    ("Scopes", List(&Object(&[("ScopeDescription", Any), ("ScopeName", Any)]))),
];

/// `CreateUserPoolDomain`.
pub(super) const CREATE_USER_POOL_DOMAIN: Members = &[
    ("CustomDomainConfig", Object(&[("CertificateArn", Any), ("SecurityPolicy", Any)])),
    ("Domain", Any),
    ("ManagedLoginVersion", Any),
    (
        "Routing",
        Object(&[("Failover", Object(&[("PrimaryRoute53HealthCheckId", Any), ("SecondaryRegion", Any)]))]),
    ),
];

/// `AWS::Cognito::UserPoolDomain`.
pub(super) const USER_POOL_DOMAIN: Members = &[
    ("CustomDomainConfig", Object(&[("CertificateArn", Any)])),
    ("Domain", Any),
    ("ManagedLoginVersion", Any),
];

/// `SetUICustomization` and `AWS::Cognito::UserPoolUICustomizationAttachment`.
pub(super) const UI_CUSTOMIZATION: Members = &[("CSS", Any), ("ClientId", Any)];

const ACTION: Shape = Object(&[("EventAction", Any), ("Notify", Any)]);
const NOTICE: Shape = Object(&[("HtmlBody", Any), ("Subject", Any), ("TextBody", Any)]);

/// `SetRiskConfiguration` and `AWS::Cognito::UserPoolRiskConfigurationAttachment`.
pub(super) const RISK_CONFIGURATION: Members = &[
    (
        "AccountTakeoverRiskConfiguration",
        Object(&[
            ("Actions", Object(&[("HighAction", ACTION), ("LowAction", ACTION), ("MediumAction", ACTION)])),
            (
                "NotifyConfiguration",
                Object(&[
                    ("BlockEmail", NOTICE),
                    ("From", Any),
                    ("MfaEmail", NOTICE),
                    ("NoActionEmail", NOTICE),
                    ("ReplyTo", Any),
                    ("SourceArn", Any),
                ]),
            ),
        ]),
    ),
    ("ClientId", Any),
    (
        "CompromisedCredentialsRiskConfiguration",
        Object(&[("Actions", Object(&[("EventAction", Any)])), ("EventFilter", Any)]),
    ),
    ("RiskExceptionConfiguration", Object(&[("BlockedIPRangeList", Any), ("SkippedIPRangeList", Any)])),
];

/// `SetLogDeliveryConfiguration` and `AWS::Cognito::LogDeliveryConfiguration`.
pub(super) const LOG_DELIVERY: Members = &[(
    "LogConfigurations",
    List(&Object(&[
        ("CloudWatchLogsConfiguration", Object(&[("LogGroupArn", Any)])),
        ("EventSource", Any),
        ("FirehoseConfiguration", Object(&[("StreamArn", Any)])),
        ("LogLevel", Any),
        ("S3Configuration", Object(&[("BucketArn", Any)])),
    ])),
)];
