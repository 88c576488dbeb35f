"""The files that the tests here read, as plain dictionaries."""

import json
from pathlib import Path

from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
POOL_TEMPLATE = ROOT / "pool.yaml"
WORKFLOWS = {name: ROOT / "statemachines" / f"{name}-workflow.asl.json" for name in ("export", "import")}
CODE = ROOT / "shared" / "src"

# What stands for the template's DefinitionSubstitutions, of the longest form that AWS allows.
SUBSTITUTIONS = {
    "Partition": "aws-us-gov",
    "CoordinatorArn": "arn:aws-us-gov:lambda:us-gov-east-1:111122223333:function:" + "f" * 64,
    "ExportWorkflowArn": "arn:aws-us-gov:states:us-gov-east-1:111122223333:stateMachine:" + "w" * 80,
    "ExportWorkflowName": "w" * 80,
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


def workflow(which, **substitutions):
    """A state machine, its substitutions filled in."""
    text = WORKFLOWS[which].read_text()
    for name, value in (SUBSTITUTIONS | substitutions).items():
        text = text.replace("${" + name + "}", value)
    return json.loads(text)


class Machine:
    """A state machine as a graph."""

    def __init__(self, which, definition=None):
        self.which = which
        self.definition = definition or workflow(which)
        self.start = self.definition["StartAt"]
        self.states = self.definition["States"]
        self.tasks = {name: state for name, state in self.states.items() if state["Type"] == "Task"}
        self.actions = self._tasks_of(":lambda:invoke")
        self.nested = self._tasks_of(":states:startExecution.sync:2")
        self.ends = {name for name, state in self.states.items() if state["Type"] in ("Succeed", "Fail")}

    def _tasks_of(self, resource):
        return {name: task for name, task in self.tasks.items() if task["Resource"].endswith(resource)}

    def reachable(self, start, without=()):
        """Every state on some way from one state, not passing through others."""
        seen, ahead = set(), [start]
        while ahead:
            name = ahead.pop()
            if name in seen or name in without:
                continue
            seen.add(name)
            ahead.extend(targets(self.states[name]))
        return seen


def targets(state):
    """Every state that may follow."""
    found = [state[key] for key in ("Next", "Default") if key in state]
    found += [choice["Next"] for choice in state.get("Choices", [])]
    found += [catch["Next"] for catch in state.get("Catch", [])]
    return set(found)


def inlined():
    """The template with its state machines inside, which is where cfn-lint checks them.

    Its schema knows no partition but aws, no expression for Seconds and no Output of Succeed, all of
    which the language's specification has. asl-validator, which does, sees the files unchanged.
    """
    document = template()
    machines = [r for r in document["Resources"].values() if r["Type"] == "AWS::Serverless::StateMachine"]
    for machine in machines:
        properties = machine["Properties"]
        (which,) = [name for name, path in WORKFLOWS.items() if properties["DefinitionUri"].endswith(path.name)]
        definition = workflow(which, Partition="aws")
        for state in definition["States"].values():
            if state["Type"] == "Wait":
                state["Seconds"] = 5
            if state["Type"] == "Succeed":
                state.pop("Output", None)
        machine["Type"] = "AWS::StepFunctions::StateMachine"
        machine["Properties"] = {
            "RoleArn": properties["Role"],
            "Definition": definition,
        }
    assert len(machines) == len(WORKFLOWS)
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
