"""What the validators of others say about the template and the state machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from project import POOL_TEMPLATE, ROOT, TEMPLATE, WORKFLOWS, inlined, workflow

# One of each partition, and two of the largest: what a Region lacks is an error.
REGIONS = ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"]
CFN_LINT = [str(Path(sys.executable).parent / "cfn-lint"), "--regions", *REGIONS, "--template"]
ASL_VALIDATOR = ROOT / "tests" / "static" / "node_modules" / ".bin" / "asl-validator"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def lint(tmp_path, document):
    file = tmp_path / "template.json"
    file.write_text(json.dumps(document))
    return run(*CFN_LINT, str(file))


def validate(tmp_path, definition):
    file = tmp_path / "definition.asl.json"
    file.write_text(json.dumps(definition))
    return run(str(ASL_VALIDATOR), "--json-path", str(file))


@pytest.mark.parametrize("path", [TEMPLATE, POOL_TEMPLATE], ids=lambda path: path.name)
def test_cfn_lint_accepts_the_templates(path):
    code, said = run(*CFN_LINT, str(path))
    assert code == 0, said


def test_cfn_lint_accepts_the_state_machines_inside_the_template(tmp_path):
    code, said = lint(tmp_path, inlined())
    assert code == 0, said


@pytest.mark.parametrize("machine", ["ExportWorkflow", "ImportWorkflow"])
def test_cfn_lint_looks_into_the_state_machines(tmp_path, machine):
    document = inlined()
    machine = document["Resources"][machine]["Properties"]["Definition"]
    del machine["States"]["Begin"]["Resource"]
    code, said = lint(tmp_path, document)
    assert code != 0 and "Resource" in said, said


@pytest.mark.parametrize("which", WORKFLOWS)
def test_the_validator_of_the_language_accepts_the_state_machine(tmp_path, which):
    code, said = validate(tmp_path, workflow(which))
    assert code == 0, said


@pytest.mark.parametrize("which", WORKFLOWS)
def test_the_validator_of_the_language_refuses_a_missing_target(tmp_path, which):
    definition = workflow(which)
    definition["States"]["Begin"]["Next"] = "Nowhere"
    code, said = validate(tmp_path, definition)
    assert code != 0, said
