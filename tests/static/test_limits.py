"""Step Functions' limits: 25,000 events in a history, 256 KiB in a payload."""

import json
import math
import re

from project import ROOT, workflow

DEFINITION = workflow()
STATES = DEFINITION["States"]

EVENTS = 25_000
PAYLOAD = 256 * 1024
USERS_OF_THE_LARGEST_POOL = 40_000_000
PAGE = 60

# Events of one passage: entered and exited, and for a task also scheduled, started and succeeded.
EVENTS_OF = {"Task": 5, "Wait": 2, "Choice": 2, "Pass": 2, "Succeed": 2, "Fail": 1}
# Each attempt that fails is scheduled, started and failed.
EVENTS_OF_AN_ATTEMPT = 3


COORDINATOR = (ROOT / "shared" / "src" / "workflow" / "coordinator.rs").read_text()


def constant(name):
    """A number of the coordinator's, such as `48.0 * 3600.0`."""
    (text,) = re.findall(rf"const {name}: \w+ = ([\d.* ]+);", COORDINATOR)
    return math.prod(float(factor) for factor in text.split("*"))


SHORTEST_WAIT = constant("SHORTEST_WAIT")
LONGEST_WAIT = constant("LONGEST_WAIT")
LONGEST_RUN = constant("LONGEST_RUN_SECONDS")


def wait_seconds(remaining):
    """What the coordinator answers: a twentieth of what is left, within its limits."""
    return max(SHORTEST_WAIT, min(LONGEST_WAIT, remaining / 20))


def events_of(*names):
    return sum(EVENTS_OF[STATES[name]["Type"]] for name in names)


def retries_of(name):
    return sum(retry["MaxAttempts"] for retry in STATES[name].get("Retry", []))


def rounds(seconds):
    """How many times the loop goes round while so many seconds of work are done."""
    count = 0
    while seconds > 0:
        seconds -= wait_seconds(seconds)
        count += 1
    return count + 1


def history(*passes):
    """Events of an execution whose passes, each followed by a comparison, take so many seconds."""
    once = events_of("Start", "Begin", "Finish", "WhomToTell", "Notify", "HowItEnded", "Complete")
    loop = events_of("Wait", "Progress", "AllWritten")
    reconcile = events_of("Reconcile", "Verdict")
    return 1 + once + sum(rounds(seconds) * loop + reconcile for seconds in passes)


# Seconds for everyone of the largest pool, each in one group, at the whole quota of UserList.
RATE = 30
LARGEST = 2 * USERS_OF_THE_LARGEST_POOL / PAGE / RATE


def worst_retries(count):
    return count * EVENTS_OF_AN_ATTEMPT


def test_the_loop_is_the_one_counted():
    assert STATES["Wait"]["Next"] == "Progress"
    assert STATES["Progress"]["Next"] == "AllWritten"
    assert STATES["AllWritten"]["Default"] == "Wait"
    assert STATES["Wait"]["Seconds"] == "{% $WaitSeconds %}"


def test_the_coordinator_waits_as_assumed():
    assert "seconds_left / 20.0" in COORDINATOR and "clamp(SHORTEST_WAIT, LONGEST_WAIT)" in COORDINATOR
    assert STATES["Reconcile"]["Assign"]["WaitSeconds"] == SHORTEST_WAIT


def test_forty_million_users_fit():
    """And all of it listed four times over, as a comparison may ask for."""
    assert LARGEST < LONGEST_RUN
    assert history(*[LARGEST] * 4) < EVENTS / 2


def test_the_longest_run_fits():
    """Progress fails a run that takes longer, so this bounds every history, whatever the pool."""
    assert history(LONGEST_RUN) < EVENTS / 2
    assert history(*[LONGEST_RUN / 10] * 10) < EVENTS


def test_ten_thousand_groups_fit():
    assert history(*[10_000 * 2 / RATE] * 4) < EVENTS / 5


def test_every_task_of_the_loop_may_need_every_retry_now_and_then():
    once = worst_retries(sum(retries_of(name) for name in STATES))
    assert history(*[LARGEST] * 4) + 100 * worst_retries(retries_of("Progress")) + once < EVENTS


def test_a_fixed_wait_would_not_fit():
    """Why the wait grows: every 5 seconds, the largest pool needs too many events."""
    assert LARGEST / SHORTEST_WAIT * events_of("Wait", "Progress", "AllWritten") > EVENTS


def test_no_state_passes_on_what_it_was_given():
    """Variables hold what is known, so payloads are the arguments and results of one task."""
    for name, state in STATES.items():
        if state["Type"] in ("Fail", "Succeed"):
            continue
        assert state["Output"] == {}, name
        for part in state.get("Choices", []) + state.get("Catch", []):
            assert part["Output"] == {}, name


def test_the_largest_arguments_fit():
    """The longest values that can come: a cause of 32,768 characters, each 6 bytes as JSON."""
    longest = {"$Failure.Cause": "\\u0001" * 32_768, "$Ending.Message": "\\u0001" * 32_768}
    for name, state in STATES.items():
        text = json.dumps(state.get("Arguments", {}))
        for variable, value in longest.items():
            text = text.replace("{% " + variable + " %}", value)
        assert len(text.encode()) < PAYLOAD, name
    assert len(json.dumps(DEFINITION).encode()) < 1024 * 1024, "of a definition, 1 MB"
