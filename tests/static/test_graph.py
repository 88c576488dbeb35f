"""The state machines as graphs: where they can go, and that they always end and always tell."""

import json
import re

import pytest

import rust
from project import CODE, Machine, targets

# Ends that neither Finish nor MarkFailed leads to: nothing was begun.
UNMARKED = {"export": {"AlreadyRunning", "NoPool"}, "import": {"AlreadyRunning", "Planned"}}


def test_every_target_exists(machine):
    assert machine.start in machine.states
    missing = {name: targets(state) - machine.states.keys() for name, state in machine.states.items()}
    assert not any(missing.values()), missing


def test_every_state_can_be_reached(machine):
    assert machine.reachable(machine.start) == machine.states.keys()


def test_every_state_can_end(machine):
    assert machine.ends
    stuck = [name for name in machine.states if not machine.reachable(name) & machine.ends]
    assert not stuck


def test_every_state_says_what_it_is_for(machine):
    silent = [name for name, state in machine.states.items() if len(state.get("Comment", "")) < 20]
    assert not silent


def test_the_language_is_jsonata_throughout(machine):
    assert machine.definition["QueryLanguage"] == "JSONata"
    paths = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "QueryLanguage"}
    assert not [name for name, state in machine.states.items() if paths & state.keys()]


def test_the_whole_has_no_time_out_and_every_task_has_one(machine):
    """But for nested executions, each task of which has one."""
    assert "TimeoutSeconds" not in machine.definition, "it would end the execution without any Catch"
    assert machine.actions
    for name, task in machine.tasks.items():
        if name in machine.nested:
            assert "TimeoutSeconds" not in task, name
        else:
            assert 0 < task["TimeoutSeconds"] <= 930, name


def test_every_retry_is_jittered_and_bounded(machine):
    for name, task in machine.tasks.items():
        assert task["Retry"], name
        for retry in task["Retry"]:
            assert retry["JitterStrategy"] == "FULL", name
            assert retry["MaxDelaySeconds"] > retry["IntervalSeconds"] > 0, name
            assert 0 < retry["MaxAttempts"] <= 10, name
            assert "States.ALL" not in retry["ErrorEquals"], f"{name} would repeat what cannot help"


def test_what_passes_is_tried_again(machine):
    passing = rust.words("workflow/mod.rs", "RETRIED") | {
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "Lambda.Unknown",
        "Sandbox.Timedout",
        "States.Timeout",
    }
    for name, task in machine.actions.items():
        retried = {error for retry in task["Retry"] for error in retry["ErrorEquals"]}
        assert passing <= retried, name
        assert ("draining" in retried) == (name == "Begin")


def test_every_error_named_is_one_of_the_code(machine):
    """Names in small letters are the functions' own: a misspelt one would never match."""
    kinds = set(re.findall(r'=> "([a-z_]+)"', (CODE / "error.rs").read_text()))
    rules = [rule for task in machine.tasks.values() for rule in task["Retry"] + task["Catch"]]
    named = {error for rule in rules for error in rule["ErrorEquals"] if error.islower()}
    assert named == rust.words("workflow/mod.rs", "RETRIED") | rust.words("workflow/mod.rs", "ON_BEGIN")
    assert named <= kinds
    # One that the state machine raises itself is none of the code's, and is quoted as those are.
    raised = {name: failure["Error"] for name, failure in failures(machine) if not failure["Error"].startswith("{%")}
    assert set(raised) == machine.nested.keys()
    for name, error in raised.items():
        assert re.fullmatch("[a-z_]+", error) and error not in kinds, name


def failures(machine):
    """What is said of each error that is caught, by the state that caught it."""
    for name, state in machine.states.items():
        for catcher in state.get("Catch", []):
            if "Failure" in catcher.get("Assign", {}):
                yield name, catcher["Assign"]["Failure"]


def test_every_task_catches_everything_last(machine):
    for name, task in machine.tasks.items():
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_every_failure_has_a_cause_that_can_be_told(machine):
    # The Amazon States Language asks for an Error, and only recommends a Cause; what is not there
    # cannot be assigned.
    assert {name for name, _ in failures(machine)} == (machine.actions.keys() | machine.nested.keys()) - {"MarkFailed"}
    for name, failure in failures(machine):
        if name in machine.nested:
            # As a function's errors come: then its text is told.
            message = json.loads(failure["Cause"])["errorMessage"]
            assert "executions of " in message and not message.endswith("."), name
        else:
            assert failure["Cause"].startswith("{% $exists($states.errorOutput.Cause) ? "), name


def test_every_failure_is_marked_and_told(machine):
    for name, task in (machine.actions | machine.nested).items():
        last = task["Catch"][-1]["Next"]
        assert last == ("Notify" if name == "MarkFailed" else "MarkFailed"), name
    # From there no way leads to an end past the notification, except where errors only are wanted
    # and it turned out to be Complete.
    assert machine.reachable("MarkFailed", without=["Notify"]) & machine.ends == {"Complete"}
    only = [choice["Condition"] for choice in machine.states["WhomToTell"]["Choices"]]
    preferred = "'INFO_AND_ERRORS' = 'ERRORS_ONLY'"
    quiet = {"export": f"($Quiet or {preferred})", "import": preferred}[machine.which]
    assert only == [f"{{% $Ending.Status = 'Complete' and {quiet} %}}"]


def test_no_end_is_reached_unmarked(machine):
    """Only what is refused at once, or was only asked about, ends without Finish or MarkFailed."""
    without = ["Finish", "MarkFailed", "Refuse"]
    assert machine.reachable(machine.start, without) & machine.ends == UNMARKED[machine.which]
    refused = machine.states["Begin"]["Catch"][0]
    assert refused["ErrorEquals"] == ["already_running"] and refused["Next"] == "AlreadyRunning"
    before = {name for name, state in machine.states.items() if "AlreadyRunning" in targets(state)}
    assert before == {"Begin"}


def test_every_ending_has_an_end_of_its_own(machine):
    """And what is no success is a failure of the execution."""
    told = machine.states["HowItEnded"]
    by_status = {re.search("'(.+)'", choice["Condition"])[1]: choice["Next"] for choice in told["Choices"]}
    assert by_status == {status: status for status in by_status}
    assert "Complete" in by_status and told["Default"] == "Failed"
    succeeds = {name for name in machine.ends if machine.states[name]["Type"] == "Succeed"}
    assert succeeds - {"Planned"} == {"Complete"}
    for status in by_status.keys() - {"Complete"}:
        assert machine.states[status]["Error"] == status
        assert machine.states[status]["Cause"] == "{% $Ending.Message %}"


def test_actions_and_their_fields_are_those_of_the_code(machine):
    """Exactly: a field that is misspelt would be passed over without a word."""
    file, request, actions = {
        "export": ("workflow/coordinator.rs", "Request", "Action"),
        "import": ("workflow/import_request.rs", "ImportRequest", "ImportAction"),
    }[machine.which]
    known = rust.variants(file, actions)
    of_all = rust.fields(file, request) - {"Action"}
    sent = {task["Arguments"]["Payload"]["Action"]: task["Arguments"]["Payload"] for task in machine.actions.values()}
    assert sent.keys() == known.keys()
    for action, payload in sent.items():
        fields = payload.keys() - {"Action"}
        assert known[action] <= fields <= known[action] | of_all, action
        assert of_all - fields <= LEFT_OUT[machine.which, action], action


# What a request may do without: the run or the import, before it has begun; the attempt that failed.
LEFT_OUT = {
    ("export", "begin"): {"RunId"},
    ("import", "plan"): {"ImportId", "Attempt"},
    ("import", "begin"): {"ImportId", "Attempt"},
    ("import", "fail"): {"Attempt"},
} | {("export", action): set() for action in ("progress", "reconcile", "finish", "fail")} | {
    ("import", action): set() for action in ("create-users", "match", "progress", "verify", "finish")}


def test_the_answers_fields_are_those_of_the_code(machine):
    """What is taken of an answer is in one that the coordinator makes."""
    file = {"export": "workflow/coordinator.rs", "import": "workflow/import.rs"}[machine.which]
    answered = set(re.findall(r'json!\(\{ (.*?) \}\)', (CODE / file).read_text(), re.S))
    answered = {name for fields in answered for name in re.findall(r'"(\w+)":', fields)}
    for name, task in machine.actions.items():
        taken = set(re.findall(r"\$states\.result\.Payload\.(\w+)", json.dumps(task)))
        assert taken <= answered, name


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


def test_every_variable_is_assigned_before_it_is_read(machine):
    """Whatever way was taken: reading a variable that is not there ends an execution uncaught."""
    known = {machine.start: set()}
    ahead = [machine.start]
    while ahead:
        name = ahead.pop()
        for target, assigned in ways_out(machine.states[name]):
            here = known[name] | assigned
            if target not in known or known[target] - here:
                known[target] = known.get(target, here) & here
                ahead.append(target)
    for name, state in machine.states.items():
        text = json.dumps({key: value for key, value in state.items() if key != "Comment"})
        own = set(re.findall(r"function\(\$(\w+)\)", text))
        read = set(re.findall(r"\$([A-Za-z]\w*)\b(?!\()", text)) - {"states"} - own
        assert read <= known[name], f"{name} reads {read - known[name]}"


# The import alone

IMPORT = Machine("import")


def test_what_is_wrong_with_an_input_is_told():
    assert IMPORT.states["Refuse"]["Next"] == "Notify"
    ending = IMPORT.states["Refuse"]["Assign"]["Ending"]
    assert ending["Status"] == "WrongInput" and "$Wrong" in ending["Message"]
    assert len(ending["Subject"]) <= 100, "SNS takes no more"
    choices = IMPORT.states["Start"]["Choices"]
    assert {choice["Next"] for choice in choices} == {"Refuse"}
    assert all(choice["Assign"].keys() == {"Wrong"} for choice in choices)


def test_the_input_of_an_import_is_what_the_code_reads():
    start = IMPORT.states["Start"]
    known = set(re.findall(r"'(\w+)': \$states\.input\.(\w+)", start["Assign"]["Input"]))
    assert all(field == source for field, source in known)
    assert {field for field, _ in known} == rust.fields("workflow/import_request.rs", "ImportInput")
    for field, kind in (("CreateUsersWith", "CreateUsersWith"), ("UsersWithoutRow", "UsersWithoutRow")):
        (condition,) = [c["Condition"] for c in start["Choices"] if c["Assign"]["Wrong"].startswith(f"{field} must")]
        assert set(re.findall(r"'(\w+)'", condition)) == rust.variants("workflow/import_request.rs", kind, case=str).keys()


def test_a_pool_is_listed_whole_and_quietly():
    assert len(IMPORT.nested) == 2
    for name, task in IMPORT.nested.items():
        listed = dict(task["Arguments"]["Input"])
        assert listed.pop("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID") == "{% $states.context.Execution.Id %}"
        assert listed == {"UserPoolId": "{% $NewUserPoolId %}", "AllowShrink": True, "Quiet": True}, name
        # The export's Start reads them.
        start = Machine("export").states["Start"]["Assign"]
        assert all(f"$states.input.{field}" in json.dumps(start) for field in listed)
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.TaskFailed"]


@pytest.mark.parametrize("step", ["Match", "Verify"])
def test_a_pool_is_listed_a_second_time_at_most(step):
    asked = {"Match": "Matched", "Verify": "Verified"}[step]
    choices = {choice["Next"]: choice for choice in IMPORT.states[asked]["Choices"]}
    again = choices[f"ListTo{step}"]
    assert again["Condition"] == "{% $ListAgain and $not($Again) %}" and again["Assign"] == {"Again": True}
    assert choices[step]["Condition"] == "{% $not($Done) %}"
    assert list(choices) == [step, f"ListTo{step}"], "Done is asked first"


def test_a_step_begins_as_if_nothing_was_before():
    """What one loop knew of its progress says nothing to the next."""
    assert IMPORT.states["Start"]["Assign"]["Again"] is False
    assert IMPORT.states["Matched"]["Assign"] == {"Again": False}
    created = {choice["Next"]: choice.get("Assign") for choice in IMPORT.states["UsersCreated"]["Choices"]}
    assert created == {"ListToMatch": {"Last": None}, "Progress": {"Last": None}}
