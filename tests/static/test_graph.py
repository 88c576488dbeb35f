"""The state machine as a graph: where it can go, and that it always ends and always tells."""

import json
import re

from project import ROOT, workflow

DEFINITION = workflow()
STATES = DEFINITION["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
COORDINATOR = {name: task for name, task in TASKS.items() if task["Resource"].endswith(":lambda:invoke")}
ENDS = {name for name, state in STATES.items() if state["Type"] in ("Succeed", "Fail")}


def targets(state):
    """Every state that may follow."""
    found = [state[key] for key in ("Next", "Default") if key in state]
    found += [choice["Next"] for choice in state.get("Choices", [])]
    found += [catch["Next"] for catch in state.get("Catch", [])]
    return set(found)


def reachable(start, without=()):
    """Every state on some way from one state, not passing through others."""
    seen, ahead = set(), [start]
    while ahead:
        name = ahead.pop()
        if name in seen or name in without:
            continue
        seen.add(name)
        ahead.extend(targets(STATES[name]))
    return seen


def test_every_target_exists():
    assert DEFINITION["StartAt"] in STATES
    missing = {name: targets(state) - STATES.keys() for name, state in STATES.items()}
    assert not any(missing.values()), missing


def test_every_state_can_be_reached():
    assert reachable(DEFINITION["StartAt"]) == STATES.keys()


def test_every_state_can_end():
    assert ENDS
    stuck = [name for name in STATES if not reachable(name) & ENDS]
    assert not stuck


def test_every_state_says_what_it_is_for():
    silent = [name for name, state in STATES.items() if len(state.get("Comment", "")) < 20]
    assert not silent


def test_the_language_is_jsonata_throughout():
    assert DEFINITION["QueryLanguage"] == "JSONata"
    paths = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "QueryLanguage"}
    assert not [name for name, state in STATES.items() if paths & state.keys()]


def test_the_whole_has_no_time_out_and_every_task_has_one():
    assert "TimeoutSeconds" not in DEFINITION, "it would end the execution without any Catch"
    assert TASKS
    for name, task in TASKS.items():
        assert 0 < task["TimeoutSeconds"] <= 930, name


def test_every_retry_is_jittered_and_bounded():
    for name, task in TASKS.items():
        assert task["Retry"], name
        for retry in task["Retry"]:
            assert retry["JitterStrategy"] == "FULL", name
            assert retry["MaxDelaySeconds"] > retry["IntervalSeconds"] > 0, name
            assert 0 < retry["MaxAttempts"] <= 10, name
            assert "States.ALL" not in retry["ErrorEquals"], f"{name} would repeat what cannot help"


def test_what_passes_is_tried_again():
    passing = {
        "store_unavailable",
        "unavailable",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "Lambda.Unknown",
        "Sandbox.Timedout",
        "States.Timeout",
    }
    for name, task in COORDINATOR.items():
        retried = {error for retry in task["Retry"] for error in retry["ErrorEquals"]}
        assert passing <= retried, name
        assert ("draining" in retried) == (name == "Begin")


def test_every_error_named_is_one_of_the_code():
    """Names in small letters are the functions' own: a misspelt one would never match."""
    kinds = set(re.findall(r'=> "([a-z_]+)"', (ROOT / "shared" / "src" / "error.rs").read_text()))
    rules = [rule for task in TASKS.values() for rule in task["Retry"] + task["Catch"]]
    named = {error for rule in rules for error in rule["ErrorEquals"] if error.islower()}
    assert named == {"already_running", "draining", "store_unavailable", "unavailable"}
    assert named <= kinds


def test_every_task_catches_everything_last():
    for name, task in TASKS.items():
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_an_error_without_a_cause_is_marked_too():
    # The Amazon States Language asks for an Error, and only recommends a Cause; what is not there
    # cannot be assigned.
    for name, state in STATES.items():
        for catcher in state.get("Catch", []):
            cause = catcher.get("Assign", {}).get("Failure", {}).get("Cause")
            if cause is not None:
                assert cause.startswith("{% $exists($states.errorOutput.Cause) ? "), name


def test_every_failure_is_marked_and_told():
    for name, task in COORDINATOR.items():
        last = task["Catch"][-1]["Next"]
        assert last == ("Notify" if name == "MarkFailed" else "MarkFailed"), name
    # From there no way leads to an end past the notification, except where errors only are wanted
    # and the run turned out to be Complete.
    assert reachable("MarkFailed", without=["Notify"]) & ENDS == {"Complete"}
    only = [choice["Condition"] for choice in STATES["WhomToTell"]["Choices"]]
    assert only == ["{% $Ending.Status = 'Complete' and 'INFO_AND_ERRORS' = 'ERRORS_ONLY' %}"]


def test_no_end_is_reached_unmarked():
    """Only a run that is refused at once ends without Finish or MarkFailed."""
    start = DEFINITION["StartAt"]
    assert reachable(start, without=["Finish", "MarkFailed"]) & ENDS == {"AlreadyRunning"}
    refused = STATES["Begin"]["Catch"][0]
    assert refused["ErrorEquals"] == ["already_running"] and refused["Next"] == "AlreadyRunning"
    before = {name for name, state in STATES.items() if "AlreadyRunning" in targets(state)}
    assert before == {"Begin"}


def test_actions_are_those_of_the_coordinator():
    sent = {task["Arguments"]["Payload"]["Action"] for task in COORDINATOR.values()}
    assert sent == {"begin", "progress", "reconcile", "finish", "fail"}
    fields = {
        "begin": set(),
        "progress": {"RunId", "Last"},
        "reconcile": {"RunId", "AllowShrink"},
        "finish": {"RunId", "Held"},
        "fail": {"RunId", "Error", "Cause"},
    }
    for name, task in COORDINATOR.items():
        payload = task["Arguments"]["Payload"]
        common = {"Action", "UserPoolId", "Execution"}
        assert payload.keys() - common == fields[payload["Action"]], name


def ways_out(state):
    """Each state that may follow, with what is assigned on the way. A task that fails assigns nothing."""
    assigned = state.get("Assign", {}).keys()
    for key in ("Next", "Default"):
        if key in state:
            yield state[key], assigned
    for choice in state.get("Choices", []):
        yield choice["Next"], choice.get("Assign", {}).keys()
    for catch in state.get("Catch", []):
        yield catch["Next"], catch.get("Assign", {}).keys()


def test_every_variable_is_assigned_before_it_is_read():
    """Whatever way was taken: reading a variable that is not there ends an execution uncaught."""
    known = {DEFINITION["StartAt"]: set()}
    ahead = [DEFINITION["StartAt"]]
    while ahead:
        name = ahead.pop()
        for target, assigned in ways_out(STATES[name]):
            here = known[name] | assigned
            if target not in known or known[target] - here:
                known[target] = known.get(target, here) & here
                ahead.append(target)
    for name, state in STATES.items():
        text = json.dumps({key: value for key, value in state.items() if key != "Comment"})
        read = set(re.findall(r"\$([A-Za-z]\w*)\b(?!\()", text)) - {"states"}
        assert read <= known[name], f"{name} reads {read - known[name]}"
