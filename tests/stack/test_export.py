"""The ExportWorkflow as deployed: the template, the state machine and the real functions, on
MiniStack, exporting from our simulated Cognito. Each test has pools of its own."""

import json
import time

import pytest

import records
from doings import (
    add_settings, add_user, complete, empty, fill, idle, is_as_the_pool, is_write_of, of_run, place, rename, send,
)
from stack import SECOND_REGION, until

pytestmark = pytest.mark.usefixtures("discreet")

# 80 % (QuotaShare) of the 30 that Cognito allows.
LIST_RATE = 24


@pytest.fixture(scope="module")
def first(stack):
    """The first run of the stack's own pool; the meter before it and after; and who is told."""
    before = stack.simulator.meter()
    stack.notifications()
    run = complete(stack, stack.pools[0])
    return run, before, stack.simulator.meter(), stack.notifications()


def test_every_user_group_and_membership_is_exported(stack, first):
    pool = stack.pools[0]
    run, before, meter, notifications = first
    expected = is_as_the_pool(stack, pool)
    assert run["manifest"]["totals"] == expected.totals()
    assert run["manifest"]["changes"]["new"] == sum(expected.totals().values())
    ((subject, text),) = notifications
    assert subject == f"Cognito export complete: {pool}"
    assert f"Users        {len(expected.users)}\n" in text
    # An export of users costs calls that bill nobody, within the rate.
    assert meter["billed_users"] == before["billed_users"]
    assert meter["categories"]["UserList"]["throttled"] == 0
    assert meter["categories"]["UserList"]["peak_attempts"] <= LIST_RATE
    assert stack.depth("ListDeadLetters") == stack.depth("PageDeadLetters") == 0


def test_a_second_run_waits_for_the_first_ones_workers_and_writes_nothing_unchanged(stack, first):
    pool = stack.pools[0]
    # Whatever came between, this one has just ended.
    complete(stack, pool)
    before, writes = stack.backup(pool), stack.proxy.writes[stack.backup_table]
    # No pool is named: it is the stack's own.
    execution = stack.start()
    # The first run has just ended: its workers may be on their way for a minute.
    until(lambda: "draining" in errors(stack, execution), "nothing was tried again")
    stack.free_lock(pool)
    assert stack.wait(execution).status == "SUCCEEDED"
    after = stack.backup(pool)
    assert records.versions(after) == records.versions(before)
    run = records.runs(after)[-1]
    totals = run["manifest"]["totals"]
    assert run["manifest"]["changes"] == {"new": 0, "changed": 0, "gone": 0, "unchanged": sum(totals.values())}
    writes = stack.proxy.writes[stack.backup_table] - writes
    assert writes / totals["users"] <= 0.05, f"{writes} writes for {totals['users']} unchanged users"


def test_settings_are_saved_whole_without_their_secrets(stack, pools):
    pool = pools()
    add_settings(stack, pool)
    complete(stack, pool)
    settings = stack.tool_lines("show", "settings", "--from-pool", pool)[0]["settings"]
    assert settings["UserPool"]["Id"] == pool and "NotSaved" not in settings
    assert [client["ClientName"] for client in settings["UserPoolClients"]] == ["web"]
    assert [provider["ProviderName"] for provider in settings["IdentityProviders"]] == ["Google"]
    assert settings["Domains"] and settings["UICustomizations"]
    assert settings["UserPoolClients"][0]["ClientSecret"] is None
    assert settings["IdentityProviders"][0]["ProviderDetails"]["client_secret"] is None


def errors(stack, execution):
    events = stack.history(execution)
    return [event["taskFailedEventDetails"]["error"] for event in events if event["type"] == "TaskFailed"]


def test_what_changed_or_left_is_in_the_history(stack, pools):
    pool = pools()
    fill(stack, pool)
    first = complete(stack, pool)
    as_it_was = records.of_pool(stack.cognito, pool)
    rename(stack, pool, "somebody00001", "Another name")
    stack.cognito.admin_delete_user(UserPoolId=pool, Username="somebody00003")
    stack.cognito.admin_remove_user_from_group(UserPoolId=pool, Username="somebody00000", GroupName="department-0")
    add_user(stack, pool, "newcomer")
    second = complete(stack, pool)
    is_as_the_pool(stack, pool)
    assert second["manifest"]["changes"]["new"] == 1
    assert second["manifest"]["changes"]["changed"] == 1
    assert second["manifest"]["changes"]["gone"] == 2
    items = stack.backup(pool)
    assert records.of_backup(items, first["ended_at"]) == as_it_was
    ended = [item for item in items if item["pk"].endswith(records.HISTORY)]
    assert len(ended) == 3
    # RetentionDays later, and not before, DynamoDB may remove them.
    assert all(int(item["expires_at"]) - time.time() > 89 * 86400 for item in ended)


def test_an_emptied_pool_is_held_and_the_backup_stays_whole(stack, pools):
    pool = pools()
    fill(stack, pool)
    complete(stack, pool)
    whole = records.versions(stack.backup(pool))
    as_it_was = records.of_pool(stack.cognito, pool)
    empty(stack, pool)
    stack.notifications()
    stack.free_lock(pool)
    held = stack.run(pool)
    assert (held.status, held.error) == ("FAILED", "Held")
    assert records.versions(stack.backup(pool)) == whole
    ((subject, text),) = stack.notifications()
    assert subject == f"Cognito export held: {pool}"
    assert "What to do:" in text and '"AllowShrink": true' in text
    assert records.runs(stack.backup(pool))[-1]["status"] == "held"

    # Meant to be so: then everyone is gone, and still in the history.
    run = complete(stack, pool, AllowShrink=True)
    assert run["manifest"]["totals"]["users"] == 0
    items = stack.backup(pool)
    assert records.of_backup(items).users == {}
    first = records.runs(items)[0]
    assert records.of_backup(items, first["ended_at"]) == as_it_was


def test_of_two_starts_at_once_one_runs(stack, pools):
    pool = pools()
    fill(stack, pool)
    stack.notifications()
    executions = [stack.start(pool) for _ in range(2)]
    ended = sorted((stack.wait(execution) for execution in executions), key=lambda execution: execution.status)
    assert [execution.status for execution in ended] == ["FAILED", "SUCCEEDED"]
    assert ended[0].error == "AlreadyRunning"
    is_as_the_pool(stack, pool)
    assert [run["status"] for run in records.runs(stack.backup(pool))] == ["complete"]
    # Only the run that ran is told of.
    assert len(stack.notifications()) == 1


def test_two_pools_are_exported_at_the_same_time(stack, pools):
    pair = [pools(), pools()]
    for pool in pair:
        fill(stack, pool)
    executions = [stack.start(pool) for pool in pair]
    assert [stack.wait(execution).status for execution in executions] == ["SUCCEEDED"] * 2
    for pool in pair:
        is_as_the_pool(stack, pool)
    began, ended = ([records.runs(stack.backup(pool))[0][when] for pool in pair] for when in ("started_at", "ended_at"))
    assert max(began) < min(ended), "they ran one after the other: this proves nothing"


def test_messages_that_come_twice_or_late_change_nothing(stack, pools):
    pool = pools()
    fill(stack, pool, users=130)
    first = complete(stack, pool)
    of_first = {queue: of_run(stack, queue, first["id"]) for queue in ("ListQueue", "PageQueue")}
    # A page that is applied late would bring this name back.
    rename(stack, pool, "somebody00001", "Another name")

    stack.free_lock(pool)
    execution = stack.start(pool)
    run = until(lambda: running(stack, pool), "the second run does not begin")
    for queue, bodies in of_first.items():
        send(stack, queue, bodies)
    # Twice, as soon as they are sent; those of pages while others are still listed.
    until(lambda: of_run(stack, "PageQueue", run["id"]), "no page is sent")
    for queue in of_first:
        send(stack, queue, of_run(stack, queue, run["id"]))
    assert stack.wait(execution).status == "SUCCEEDED"
    is_as_the_pool(stack, pool)
    manifest = records.runs(stack.backup(pool))[-1]["manifest"]
    assert (manifest["changes"]["new"], manifest["changes"]["changed"], manifest["changes"]["gone"]) == (0, 1, 0)

    # Both runs are dead now.
    idle(stack)
    settled = stack.backup(pool)
    for queue, bodies in of_first.items():
        send(stack, queue, bodies + of_run(stack, queue, run["id"]))
    idle(stack)
    assert sorted(stack.backup(pool), key=place) == sorted(settled, key=place)


def running(stack, pool):
    return next((run for run in records.runs(stack.backup(pool)) if run["status"] == "running"), None)


@pytest.mark.parametrize("function", ["ListPages", "WritePages"])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_killed_worker_loses_nothing(stack, pools, function, kind):
    pool = pools()
    fill(stack, pool, users=130)
    killed = len(stack.killed)
    # Whatever it was about to do at its 2nd, 7th and 10th request, or had just done.
    with stack.visibility(seconds=5):
        faults = [
            stack.proxy.fault(stack.calls_of(function), kind, skip=skip, first=lambda: stack.kill(function))
            for skip in (1, 5, 7)
        ]
        complete(stack, pool)
        assert [fault.struck for fault in faults] == [1, 1, 1]
        assert len(stack.killed) - killed >= 3
        is_as_the_pool(stack, pool)
        idle(stack)
    assert stack.depth("ListDeadLetters") == stack.depth("PageDeadLetters") == 0


def test_a_page_that_cannot_be_written_fails_its_run_by_name(stack, pools):
    pool = pools()
    fill(stack, pool)
    first = complete(stack, pool)
    as_it_was = records.of_pool(stack.cognito, pool)
    rename(stack, pool, "somebody00001", "Another name")
    stack.notifications()
    stack.free_lock(pool)
    with stack.visibility(seconds=1), stack.proxy.broken(is_write_of(b"Another name"), "refuse"):
        failed = stack.run(pool)
        until(lambda: stack.depth("PageDeadLetters"), "the page is not in the dead-letter queue")
    assert (failed.status, failed.error) == ("FAILED", "Failed")
    ((subject, text),) = stack.notifications()
    assert subject == f"Cognito export failed: {pool}"
    assert "could not be written" in text and "What to do:" in text
    run = records.runs(stack.backup(pool))[-1]
    assert (run["status"], run["manifest"]) == ("failed", None)
    assert records.of_backup(stack.backup(pool), first["ended_at"]) == as_it_was

    # The lock was given back; and what is in the dead-letter queue may be sent again at any time.
    complete(stack, pool)
    is_as_the_pool(stack, pool)
    settled = stack.backup(pool)
    send(stack, "PageQueue", stack.drain("PageDeadLetters"))
    idle(stack)
    assert sorted(stack.backup(pool), key=place) == sorted(settled, key=place)


def test_a_page_that_fails_once_is_written_soon(stack, pools):
    pool = pools()
    fill(stack, pool)
    fault = stack.proxy.fault(is_write_of(b"Name of somebody00001"), "refuse")
    again = stack.proxy.calls["ChangeMessageVisibility"]
    # Long before the queue's time-out of minutes, because the function says so.
    complete(stack, pool)
    assert fault.struck == 1
    assert stack.proxy.calls["ChangeMessageVisibility"] == again + 1
    is_as_the_pool(stack, pool)


@pytest.mark.parametrize("queue", ["ListQueue", "PageQueue"])
def test_a_message_that_nobody_can_read_ends_in_the_dead_letter_queue(stack, pools, queue):
    pool = pools()
    fill(stack, pool)
    dead = queue.replace("Queue", "DeadLetters")
    with stack.visibility(seconds=1):
        send(stack, queue, ["not of this version"])
        complete(stack, pool)
        until(lambda: stack.depth(dead), "it is not in the dead-letter queue")
    assert stack.drain(dead) == ["not of this version"]
    is_as_the_pool(stack, pool)


def test_an_aborted_run_leaks_nothing_and_blocks_no_longer_than_its_lease(stack, pools):
    pool = pools()
    fill(stack, pool)
    first = complete(stack, pool)
    as_it_was = records.of_pool(stack.cognito, pool)
    rename(stack, pool, "somebody00001", "Another name")
    rename(stack, pool, "somebody00002", "One more name")
    stack.notifications()
    stack.free_lock(pool)
    # One change is saved, the other is not.
    with stack.visibility(seconds=1), stack.proxy.broken(is_write_of(b"Another name"), "drop_before"):
        aborted = stack.start(pool)
        until(lambda: b"One more name" in json.dumps(stack.scan(stack.backup_table), default=str).encode(), "not saved")
        stack.stepfunctions.stop_execution(executionArn=aborted)
    assert stack.wait(aborted).status == "ABORTED"
    ((_, text),) = until(stack.notifications, "nobody is told")
    assert "ABORTED" in text
    assert records.of_backup(stack.backup(pool), first["ended_at"]) == as_it_was

    refused = stack.run(pool)
    assert (refused.status, refused.error) == ("FAILED", "AlreadyRunning")
    complete(stack, pool)
    is_as_the_pool(stack, pool)
    assert [run["status"] for run in records.runs(stack.backup(pool))] == ["complete", "failed", "complete"]
    assert records.of_backup(stack.backup(pool), first["ended_at"]) == as_it_was


def test_each_schedule_starts_an_export_of_its_pool(stack, pools, first):
    another = pools()
    fill(stack, another)
    stack.deploy_pool(another)
    scheduler = stack.client("scheduler")
    names = [schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]]
    targets = [scheduler.get_schedule(Name=name)["Target"] for name in names]
    for target in targets:
        assert target["Arn"] == stack.machine
        stack.free_lock(json.loads(target["Input"])["UserPoolId"])
    inputs = [target["Input"] for target in targets]
    assert {json.loads(text)["UserPoolId"] for text in inputs} == {stack.pools[0], another}
    started = [stack.stepfunctions.start_execution(stateMachineArn=stack.machine, input=text) for text in inputs]
    ended = [stack.wait(execution["executionArn"]) for execution in started]
    assert [execution.status for execution in ended] == ["SUCCEEDED"] * 2
    is_as_the_pool(stack, another)


def test_the_second_region_has_every_item(stack, pools):
    pool = pools()
    fill(stack, pool)
    stack.replicate()
    complete(stack, pool)
    replica = stack.backup(pool, SECOND_REGION)
    assert sorted(replica, key=place) == sorted(stack.backup(pool), key=place)
    assert records.of_backup(replica) == records.of_pool(stack.cognito, pool)
