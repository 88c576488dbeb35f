"""What `cognito-profiles settings` writes of a pool that has one of everything, as AWS would judge it.

The two documents are snapshots of the Rust tests in shared/src/settings/rebuild, which regenerate them.
"""

import json
import sys
from pathlib import Path

import cfnlint
import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from project import ROOT
from test_lint import REGIONS, run

# China has no user pools.
CFN_LINT = [str(Path(sys.executable).parent / "cfn-lint"), "--regions", *(r for r in REGIONS if not r.startswith("cn-"))]

SNAPSHOTS = ROOT / "shared" / "src" / "settings" / "rebuild" / "snapshots"


def snapshot(name):
    text = (SNAPSHOTS / f"cognito_profiles__settings__rebuild__tests__{name}.snap").read_text()
    return json.loads(text.split("\n---\n", 1)[1])


TEMPLATE = snapshot("template")
REQUESTS = snapshot("requests")["requests"]
MODEL = Session().get_service_model("cognito-idp")


def lint(tmp_path, document):
    file = tmp_path / "template.json"
    file.write_text(json.dumps(document))
    return run(*CFN_LINT, "--template", str(file))


def test_cfn_lint_accepts_the_template(tmp_path):
    code, said = lint(tmp_path, TEMPLATE)
    assert code == 0, said


def test_cfn_lint_looks_into_its_properties(tmp_path):
    document = snapshot("template")
    document["Resources"]["UserPool"]["Properties"]["IssuerConfiguration"] = {"Type": "ORIGINAL"}
    code, said = lint(tmp_path, document)
    assert code != 0 and "IssuerConfiguration" in said, said


def test_nothing_is_deleted_with_the_stack():
    for name, resource in TEMPLATE["Resources"].items():
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert resource["UpdateReplacePolicy"] == "Retain", name


def filled(request):
    """The request, with what is filled in and asked for."""
    body = json.loads(json.dumps(request["input"]))
    for member in request.get("fill", {}):
        assert member not in body
        body[member] = "us-east-1_New" if member == "UserPoolId" else "newclient"
    for path in request.get("ask", []):
        *way, last = path.split(".")
        inner = body
        for step in way:
            inner = inner[step]
        assert last not in inner
        inner[last] = "secret"
    return body


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request["operation"])
def test_the_model_of_the_api_accepts_each_request(request_):
    shape = MODEL.operation_model(request_["operation"]).input_shape
    report = ParamValidator().validate(filled(request_), shape)
    assert not report.has_errors(), report.generate_report()
    unknown = paths_of(filled(request_)) - members_of(shape)
    assert not unknown


def test_commands_are_those_of_the_operations():
    for request in REQUESTS:
        words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in request["operation"])
        expected = words.strip().replace(" ", "-").replace("-u-i-", "-ui-")
        assert request["command"] == expected


def test_members_are_filled_in_from_earlier_answers():
    for at, request in enumerate(REQUESTS):
        for member, source in request.get("fill", {}).items():
            assert source["request"] < at
            operation = MODEL.operation_model(REQUESTS[source["request"]]["operation"])
            shape = operation.output_shape
            for step in source["member"].split("."):
                shape = shape.members[step]
            assert shape.type_name == "string", member


def members_of(shape, path=""):
    """The path of every member of a shape; lists add nothing, maps may hold anything."""
    if shape.type_name == "structure":
        found = set()
        for name, member in shape.members.items():
            here = f"{path}.{name}" if path else name
            found |= {here} | members_of(member, here)
        return found
    if shape.type_name == "list":
        return members_of(shape.member, path)
    return set()


MAPS = ("UserPoolTags", "ProviderDetails", "AttributeMapping")


def paths_of(value, path=""):
    if isinstance(value, list):
        return set().union(*(paths_of(item, path) for item in value)) if value else set()
    if not isinstance(value, dict) or path.split(".")[-1] in MAPS:
        return set()
    found = set()
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        found |= {here} | paths_of(inner, here)
    return found


# What the API takes and no request needs, or the example does not have.
NOT_SENT = {
    "CreateUserPool": {
        # It is set by SetUserPoolMfaConfig, which has what it needs.
        "MfaConfiguration",
        # Replaced by members of VerificationMessageTemplate and Policies.
        "EmailVerificationMessage",
        "EmailVerificationSubject",
        "SmsVerificationMessage",
        "AdminCreateUserConfig.UnusedAccountValidityDays",
        # A pool has this or AliasAttributes.
        "UsernameAttributes",
    },
    # A pool sends by this or by SNS.
    "sms": {
        "SmsConfiguration.EumsSms",
        *(
            f"SmsConfiguration.EumsSms.{name}"
            for name in (
                "CallerArn",
                "ConfigurationSetName",
                "ExternalId",
                "InEntityId",
                "InTemplateId",
                "OriginationIdentity",
                "Region",
            )
        ),
    },
    # A client names its application in one of two ways.
    "CreateUserPoolClient": {"AnalyticsConfiguration.ApplicationId", "ClientSecret"},
    "CreateUserPoolDomain": {
        "Routing",
        "Routing.Failover",
        "Routing.Failover.PrimaryRoute53HealthCheckId",
        "Routing.Failover.SecondaryRegion",
    },
    "SetUICustomization": {"ImageFile"},
    "SetLogDeliveryConfiguration": {"LogConfigurations.S3Configuration", "LogConfigurations.S3Configuration.BucketArn"},
}


@pytest.mark.parametrize("operation", sorted({request["operation"] for request in REQUESTS}))
def test_everything_the_api_takes_is_sent(operation):
    """A member that a later API has shows here, once requirements.txt has that API."""
    sent = set().union(*(paths_of(filled(r)) for r in REQUESTS if r["operation"] == operation))
    sms = {"CreateUserPool": "", "SetUserPoolMfaConfig": "SmsMfaConfiguration."}.get(operation)
    exempt = NOT_SENT.get(operation, set()) | ({sms + path for path in NOT_SENT["sms"]} if sms is not None else set())
    missing = members_of(MODEL.operation_model(operation).input_shape) - sent
    assert missing == exempt


def schema_of(kind):
    name = kind.lower().replace("::", "-")
    folder = Path(cfnlint.__file__).parent / "data" / "schemas" / "providers" / "us_east_1"
    return json.loads((folder / f"{name}.json").read_text())


def properties_of(schema, node, path=""):
    found = set()
    node = resolve(schema, node)
    for name, inner in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found.add(here)
        inner = resolve(schema, inner)
        found |= properties_of(schema, resolve(schema, inner.get("items", inner)), here)
    return found


def resolve(schema, node):
    while "$ref" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
    return node


def resolved(value):
    """What a template has where it decides or refers: what it has if so, and a leaf."""
    if isinstance(value, dict) and "Fn::If" in value:
        return resolved(value["Fn::If"][1])
    if isinstance(value, dict) and ("Ref" in value or "Fn::GetAtt" in value):
        return None
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if isinstance(value, dict):
        return {name: resolved(inner) for name, inner in value.items()}
    return value


# What CloudFormation has and the example does not need.
NOT_WRITTEN = {
    "AWS::Cognito::UserPool": NOT_SENT["CreateUserPool"] - {"MfaConfiguration"},
    "AWS::Cognito::UserPoolClient": {"AnalyticsConfiguration.ApplicationId"},
    "AWS::Cognito::LogDeliveryConfiguration": NOT_SENT["SetLogDeliveryConfiguration"],
}


@pytest.mark.parametrize("kind", sorted({resource["Type"] for resource in TEMPLATE["Resources"].values()}))
def test_everything_cloudformation_takes_is_written(kind):
    """A property that a later registry has shows here, once requirements.txt has that cfn-lint."""
    schema = schema_of(kind)
    read_only = {path.removeprefix("/properties/") for path in schema.get("readOnlyProperties", [])}
    known = properties_of(schema, schema) - read_only
    written = set().union(
        *(paths_of(resolved(r["Properties"])) for r in TEMPLATE["Resources"].values() if r["Type"] == kind)
    )
    assert known - written == NOT_WRITTEN.get(kind, set())
