"""The files that the tests here read, as plain dictionaries."""

import json
from pathlib import Path

from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
POOL_TEMPLATE = ROOT / "pool.yaml"
WORKFLOW = ROOT / "statemachines" / "export-workflow.asl.json"

# What stands for the template's DefinitionSubstitutions, of the longest form that AWS allows.
SUBSTITUTIONS = {
    "Partition": "aws-us-gov",
    "CoordinatorArn": "arn:aws-us-gov:lambda:us-gov-east-1:111122223333:function:" + "f" * 64,
    "TopicArn": "arn:aws-us-gov:sns:us-gov-east-1:111122223333:" + "t" * 256,
    "UserPoolId": "us-gov-east-1_" + "P" * 16,
    "SnsPreference": "INFO_AND_ERRORS",
}


def template(path=TEMPLATE):
    """The template, with its short tags (!Ref) in their long form."""
    return json.loads(json.dumps(cfn_yaml.load(str(path)), default=str))


def resources(kind, path=TEMPLATE):
    """Name and properties of every resource of a type."""
    return {
        name: resource["Properties"]
        for name, resource in template(path)["Resources"].items()
        if resource["Type"] == kind
    }


def workflow(**substitutions):
    """The state machine, its substitutions filled in."""
    text = WORKFLOW.read_text()
    for name, value in (SUBSTITUTIONS | substitutions).items():
        text = text.replace("${" + name + "}", value)
    return json.loads(text)


def inlined():
    """The template with its state machine inside, which is where cfn-lint checks it.

    Its schema knows no partition but aws, no expression for Seconds and no Output of Succeed, all of
    which the language's specification has. asl-validator, which does, sees the file unchanged.
    """
    definition = workflow(Partition="aws")
    for state in definition["States"].values():
        if state["Type"] == "Wait":
            state["Seconds"] = 5
        if state["Type"] == "Succeed":
            del state["Output"]
    document = template()
    machines = [r for r in document["Resources"].values() if r["Type"] == "AWS::Serverless::StateMachine"]
    for machine in machines:
        properties = machine["Properties"]
        machine["Type"] = "AWS::StepFunctions::StateMachine"
        machine["Properties"] = {
            "RoleArn": properties["Role"],
            "Definition": definition,
        }
    assert machines
    return document


def literals(value):
    """Every string of a document, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from literals(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from literals(inner)
    elif isinstance(value, str):
        yield value


def as_list(value):
    return value if isinstance(value, list) else [value]
