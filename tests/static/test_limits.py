"""Step Functions' limits: 25,000 events in a history, 256 KiB in a payload."""

import json
import math

from project import workflow

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


def wait_seconds(remaining):
    """What the coordinator answers: a twentieth of what is left, from 5 seconds to 5 minutes."""
    return max(5, min(300, remaining / 20))


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


def history(calls, per_second, listed_again=3):
    """Events of an execution that makes so many calls, and then lists what is left some times."""
    once = events_of("Start", "Begin", "Finish", "WhomToTell", "Notify", "HowItEnded", "Complete")
    loop = events_of("Wait", "Progress", "AllWritten")
    reconcile = events_of("Reconcile", "Verdict")
    passes = [math.ceil(calls / per_second)] * (1 + listed_again)
    return 1 + once + sum(rounds(seconds) * loop + reconcile for seconds in passes)


def worst_retries(count):
    return count * EVENTS_OF_AN_ATTEMPT


def test_the_loop_is_the_one_counted():
    assert STATES["Wait"]["Next"] == "Progress"
    assert STATES["Progress"]["Next"] == "AllWritten"
    assert STATES["AllWritten"]["Default"] == "Wait"
    assert STATES["Wait"]["Seconds"] == "{% $WaitSeconds %}"


def test_forty_million_users_fit():
    """Everyone, each in one group, and all of it listed four times over, at the whole quota."""
    calls = 2 * USERS_OF_THE_LARGEST_POOL / PAGE
    assert history(calls, per_second=30) < EVENTS / 2
    # At a third of the rate it takes 37 hours for each pass, and still fits.
    assert history(calls, per_second=10, listed_again=2) < EVENTS


def test_ten_thousand_groups_fit():
    assert history(calls=10_000 * 2, per_second=30) < EVENTS / 5


def test_every_task_of_the_loop_may_need_every_retry_now_and_then():
    once = worst_retries(sum(retries_of(name) for name in STATES))
    calls = 2 * USERS_OF_THE_LARGEST_POOL / PAGE
    assert history(calls, per_second=30) + 100 * worst_retries(retries_of("Progress")) + once < EVENTS


def test_a_fixed_wait_would_not_fit():
    """Why the wait grows: every 5 seconds, the largest pool needs too many events."""
    seconds = 2 * USERS_OF_THE_LARGEST_POOL / PAGE / 30
    assert seconds / 5 * events_of("Wait", "Progress", "AllWritten") > EVENTS


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
