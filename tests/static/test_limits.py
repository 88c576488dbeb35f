"""Step Functions' limits: 25,000 events in a history, 256 KiB in a payload."""

import json
import math
import re

from project import CODE, Machine

EXPORT, IMPORT = Machine("export"), Machine("import")

EVENTS = 25_000
PAYLOAD = 256 * 1024
USERS_OF_THE_LARGEST_POOL = 40_000_000
PAGE = 60

# Events of one passage: entered and exited, and for a task also scheduled, started and succeeded.
EVENTS_OF = {"Task": 5, "Wait": 2, "Choice": 2, "Pass": 2, "Succeed": 2, "Fail": 1}
# Each attempt that fails is scheduled, started and failed.
EVENTS_OF_AN_ATTEMPT = 3


def code(file):
    return (CODE / file).read_text()


COORDINATOR, IMPORTS, JOBS = (code(f) for f in ("workflow/coordinator.rs", "workflow/import.rs", "import/jobs.rs"))


def constant(name, text=COORDINATOR):
    """A number of the code's, such as `48.0 * 3600.0`."""
    (found,) = re.findall(rf"const {name}: \w+ = ([\d._* ]+);", text)
    return math.prod(float(factor) for factor in found.replace("_", "").split("*"))


SHORTEST_WAIT = constant("SHORTEST_WAIT")
LONGEST_WAIT = constant("LONGEST_WAIT")
LONGEST_RUN = constant("LONGEST_RUN_SECONDS")


def wait_seconds(remaining):
    """What the coordinator answers: a twentieth of what is left, within its limits."""
    return max(SHORTEST_WAIT, min(LONGEST_WAIT, remaining / 20))


def events_of(*names, machine=EXPORT):
    return sum(EVENTS_OF[machine.states[name]["Type"]] for name in names)


def retries_of(name, machine=EXPORT):
    return sum(retry["MaxAttempts"] for retry in machine.states[name].get("Retry", []))


def rounds(seconds):
    """How many times the loop goes round while so many seconds of work are done."""
    count = 0
    while seconds > 0:
        seconds -= wait_seconds(seconds)
        count += 1
    return count + 1


def history(*passes):
    """Events of an execution whose passes, each followed by a comparison, take so many seconds."""
    once = events_of("Start", "IsPoolKnown", "Begin", "Finish", "WhomToTell", "Notify", "HowItEnded", "Complete")
    loop = events_of("Wait", "Progress", "AllWritten")
    reconcile = events_of("Reconcile", "Verdict")
    return 1 + once + sum(rounds(seconds) * loop + reconcile for seconds in passes)


# Seconds for everyone of the largest pool, each in one group, at the whole quota of UserList.
RATE = 30
LARGEST = 2 * USERS_OF_THE_LARGEST_POOL / PAGE / RATE


def worst_retries(count):
    return count * EVENTS_OF_AN_ATTEMPT


def test_the_loop_is_the_one_counted():
    assert EXPORT.states["Wait"]["Next"] == "Progress"
    assert EXPORT.states["Progress"]["Next"] == "AllWritten"
    assert EXPORT.states["AllWritten"]["Default"] == "Wait"
    assert EXPORT.states["Wait"]["Seconds"] == "{% $WaitSeconds %}"


def test_the_coordinator_waits_as_assumed():
    assert "seconds_left / 20.0" in COORDINATOR and "clamp(SHORTEST_WAIT, LONGEST_WAIT)" in COORDINATOR
    assert EXPORT.states["Reconcile"]["Assign"]["WaitSeconds"] == SHORTEST_WAIT


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
    once = worst_retries(sum(retries_of(name) for name in EXPORT.states))
    assert history(*[LARGEST] * 4) + 100 * worst_retries(retries_of("Progress")) + once < EVENTS


def test_a_fixed_wait_would_not_fit():
    """Why the wait grows: every 5 seconds, the largest pool needs too many events."""
    assert LARGEST / SHORTEST_WAIT * events_of("Wait", "Progress", "AllWritten") > EVENTS


# An import of 40 million users, each in one group, at the whole quotas.

# By jobs: their users are unfinished in no way, most have a row.
UPDATE_RATE, RECOVERY_RATE = 25, 30
# A row: name, address, whether it is verified, a name or two, and the commas of the others.
BYTES_OF_A_ROW = 200
BATCH = 25
IMPORT_WAIT = constant("LONGEST_WAIT", IMPORTS)


def rounds_of_a_phase(records, rate):
    """How many times the loop goes round: half of what is on its way, until all is; then a twentieth. At first
    no longer than a tenth of what it took so far."""
    in_flight = constant("MOST_IN_FLIGHT", IMPORTS) * BATCH
    count, left, so_far = 0, records, 0
    while left > 0:
        ahead = min(left, in_flight)
        part = constant("LOOKS_FOR_THE_END", IMPORTS) if ahead == left else 2
        most = min(IMPORT_WAIT, max(constant("LONGEST_FIRST_WAIT", IMPORTS), so_far / 10))
        wait = max(constant("SHORTEST_WAIT", IMPORTS), min(most, ahead / rate / part))
        left -= rate * wait
        so_far += wait
        count += 1
    return count + 1


def rounds_of_a_job(rows, rate):
    """A first look early, then after three quarters of what is left, but no shorter than a fiftieth."""
    takes = rows / rate
    count, left = 1, takes - min(constant("FIRST_LOOK", JOBS), takes / 20)
    while left > 0:
        wait = max(left * 0.75, takes / 50, constant("SHORTEST_LOOK", JOBS))
        left -= min(wait, constant("LONGEST_LOOK", JOBS))
        count += 1
    return count + 1


def events_of_an_import(rounds_of_users, rounds_of_updates, machine=IMPORT):
    once = events_of(
        "Start", "WhatIsAsked", "Begin", "Finish", "WhomToTell", "Notify", "HowItEnded", "Complete", machine=machine)
    users = rounds_of_users * events_of("CreateUsers", "UsersCreated", "WaitForUsers", machine=machine)
    updates = rounds_of_updates * events_of("Progress", "Replayed", "WaitForUpdates", machine=machine)
    # Twice each: a listing, and passes over everyone, two to match and four to compare, in invocations of 13
    # minutes at 2 records a millisecond.
    invocations = 6 * math.ceil(USERS_OF_THE_LARGEST_POOL / 2_000 / 780)
    looking = 2 * (events_of("ListToMatch", "ListToVerify", machine=machine)
                   + invocations * events_of("Match", "Matched", machine=machine))
    return 1 + once + users + updates + looking


def test_the_loops_of_an_import_are_those_counted():
    assert "(seconds_left / part).min(most)" in IMPORTS and "LOOKS_FOR_THE_END } else { 2.0 }" in IMPORTS
    assert "(so_far / 10.0).max(LONGEST_FIRST_WAIT)" in IMPORTS
    assert "left * 0.75 / pace" in JOBS and "job.rows as f64 / pace / 50.0" in JOBS
    for action, choice, wait in (("CreateUsers", "UsersCreated", "WaitForUsers"), ("Progress", "Replayed", "WaitForUpdates")):
        assert IMPORT.states[action]["Next"] == choice
        assert IMPORT.states[choice]["Default"] == wait
        assert IMPORT.states[wait]["Seconds"] == "{% $WaitSeconds %}"
        assert IMPORT.states[wait]["Next"] == action


def test_forty_million_users_fit_by_jobs():
    ((most_rows, most_bytes),) = re.findall(r"Self { rows: ([\d_]+), bytes: ([\d_]+) }", JOBS)
    rows = min(int(most_rows), int(most_bytes) / BYTES_OF_A_ROW)
    jobs = USERS_OF_THE_LARGEST_POOL / rows
    assert jobs < 1_000, "of a pool, ever"
    for rate in (35, 350):
        users = jobs * rounds_of_a_job(rows, rate)
        assert events_of_an_import(users, rounds_of_a_phase(USERS_OF_THE_LARGEST_POOL, UPDATE_RATE)) < EVENTS, rate


def test_forty_million_users_fit_by_the_admin_api():
    users = rounds_of_a_phase(USERS_OF_THE_LARGEST_POOL, RECOVERY_RATE)
    assert events_of_an_import(users, rounds_of_a_phase(USERS_OF_THE_LARGEST_POOL, UPDATE_RATE)) < EVENTS / 2


def test_a_fixed_wait_would_not_fit_an_import():
    """Why the wait grows: every 5 minutes, the memberships alone need too many events."""
    assert USERS_OF_THE_LARGEST_POOL / UPDATE_RATE / 300 * events_of("Progress", "Replayed", "WaitForUpdates", machine=IMPORT) > EVENTS


def test_two_days_of_waiting_for_a_turn_fit():
    """While somebody else's import job runs."""
    shortest, longest = constant("SHORTEST_TURN", JOBS), constant("LONGEST_TURN", JOBS)
    waited, count = 0, 0
    while waited < constant("LONGEST_WAIT", JOBS):
        waited += max(shortest, min(longest, waited / 10))
        count += 1
    assert events_of_an_import(count, 0) < EVENTS / 2


def test_the_lock_outlasts_every_wait_and_what_follows():
    """An action takes 15 minutes at most; its lease begins anew after each wait."""
    lease = constant("LEASE_MILLIS", code("workflow/mod.rs")) / 1000
    assert LONGEST_WAIT + 900 < lease
    assert "self.hold(execution, attempt, wait)" in IMPORTS and "millis + LEASE_MILLIS" in IMPORTS


def test_no_state_passes_on_what_it_was_given():
    """Variables hold what is known, so payloads are the arguments and results of one task. A plan is
    passed on, once, to be the output."""
    for name, state in [*EXPORT.states.items(), *IMPORT.states.items()]:
        if state["Type"] in ("Fail", "Succeed"):
            continue
        assert state["Output"] == ({} if name != "Plan" else "{% $states.result.Payload %}"), name
        for part in state.get("Choices", []) + state.get("Catch", []):
            assert part["Output"] == {}, name


def test_the_largest_arguments_fit():
    """The longest values that can come: a cause of 32,768 characters, each 6 bytes as JSON; an input of as
    many as Start lets pass."""
    (most,) = [int(m[1]) for c in IMPORT.states["Start"]["Choices"] if (m := re.search(r"> (\d{4,})", c["Condition"]))]
    longest = {"$Failure.Cause": "\\u0001" * 32_768, "$Ending.Message": "\\u0001" * 32_768, "$Input": "\\u0001" * most}
    for machine in (EXPORT, IMPORT):
        for name, state in machine.states.items():
            text = json.dumps(state.get("Arguments", {}))
            for variable, value in longest.items():
                text = text.replace("{% " + variable + " %}", value)
            assert len(text.encode()) < PAYLOAD, name
        assert len(json.dumps(machine.definition).encode()) < 1024 * 1024, "of a definition, 1 MB"
