"""The ImportWorkflow as deployed, restoring into pools of our simulated Cognito that are new."""

import json
import re

import pytest

import records
from doings import (
    complete, exported, fill_for_import, idle, is_complete, is_restored, is_write_of, new_pool, of_run, place, rename,
    send,
)
from stack import until

pytestmark = pytest.mark.usefixtures("discreet")

# 80 % (QuotaShare) of what Cognito allows, in any second, over all functions.
SHARES = {
    "UserList": 24, "UserUpdate": 20, "UserResourceUpdate": 20, "UserAccountRecovery": 24, "UserPoolRead": 12,
    "UserPoolResourceRead": 16, "UserPoolResourceUpdate": 12,
}
OF_ONE_POOL = 4


def everything(stack, pool):
    """All that is stored, and what a pool holds."""
    tables = [sorted(stack.scan(table), key=place) for table in (stack.backup_table, stack.run_table)]
    return tables, records.of_pool(stack.cognito, pool)


@pytest.fixture(scope="module")
def plan(stack):
    """What an import of the stack's own pool would do. Its plan writes nothing and tells nobody."""
    pool, new = stack.pools[0], stack.simulator.empty
    complete(stack, pool)
    stack.notifications()
    before = everything(stack, new)
    planned = stack.wait(stack.start_import(new, SourceUserPoolId=pool, PlanOnly=True))
    is_complete(planned)
    assert everything(stack, new) == before
    assert stack.notifications() == []
    return json.loads(planned.output)


def test_a_plan_says_what_an_import_would_do(stack, plan):
    totals = records.of_pool(stack.cognito, stack.pools[0]).totals()
    assert {name: plan[name] for name in totals} == totals
    assert plan["incompatible"] == [] and plan["create_with"] == "import-job"
    assert 0 < plan["users_by_job"] < plan["users_to_create"] < totals["users"]


def test_everyone_of_a_pool_with_federated_users_is_restored_by_jobs_or_listed(stack, plan):
    pool, new = stack.pools[0], stack.simulator.empty
    old = records.of_pool(stack.cognito, pool)
    stack.simulator.begin_metering()
    ended = stack.run_import(new, SourceUserPoolId=pool)
    meter = stack.simulator.meter()
    assert (ended.status, ended.error) == ("FAILED", "PartiallyFailed")
    record = stack.import_of(new)
    assert record["status"] == "partial" and record["compared"]["differences"] == 0
    listed = is_restored(stack, record, old, new)
    ((subject, text),) = stack.notifications()
    assert subject == f"Cognito import partially failed: {new}"
    assert f"Users        {plan['users_to_create']}\n" in text and f"  by jobs    {plan['users_by_job']}\n" in text
    assert f"Not restored {listed}\n" in text and "comes from an identity provider" in text

    # An operator sees the same.
    report = stack.tool("report", "--user-pool-id", new, status=3)
    assert report["users_created"] == plan["users_to_create"] and report["differences"] == 0
    assert len(report["failures"]) == listed

    # The rates, over all functions; whom it bills; whom it tells.
    for category, share in SHARES.items():
        used = meter["categories"].get(category, {"peak_attempts": 0, "throttled": 0})
        assert used["peak_attempts"] <= share and used["throttled"] == 0, category
    assert all(used["peak_attempts"] <= OF_ONE_POOL for used in meter["per_pool"].values())
    assert meter["billed_users"] == plan["billed_users"]
    assert meter["messages_sent"] == meter["federated_users_broken"] == 0


def test_started_twice_with_every_message_twice_and_run_again(stack):
    pool, old = exported(stack, users=30)
    new = new_pool(stack)
    stack.notifications()
    seen = len(stack.bodies("ReplayQueue"))
    repeated = []

    def repeat():
        bodies = stack.bodies("ReplayQueue")[seen + len(repeated):]
        send(stack, "ReplayQueue", bodies)
        repeated.extend(bodies)

    asked = {"SourceUserPoolId": pool, "CreateUsersWith": "AdminApi"}
    started = [stack.start_import(new, **asked) for _ in range(2)]
    ended = [stack.wait_for_import(execution, new, repeat) for execution in started]
    ended.sort(key=lambda execution: execution.status)
    assert ended[0].error == "AlreadyRunning"
    is_complete(ended[1])
    assert len(repeated) >= 4
    record = stack.import_of(new)
    assert record["status"] == "complete"
    assert is_restored(stack, record, old, new) == 0
    # Only the one that ran is told of.
    ((subject, _),) = stack.notifications()
    assert subject == f"Cognito import complete: {new}"

    # Once more: nothing is left to do, and the messages of both are late.
    first = records.of_pool(stack.cognito, new)
    created = stack.cognito_proxy.asked["ReplayUpdates", "AdminCreateUser"]
    stack.free_lock(f"{new}/import")
    is_complete(stack.run_import(new, repeat, **asked))
    idle(stack)
    settled = everything(stack, new)
    assert settled[1] == first
    send(stack, "ReplayQueue", repeated)
    idle(stack)
    assert everything(stack, new) == settled
    assert stack.cognito_proxy.asked["ReplayUpdates", "AdminCreateUser"] == created
    assert stack.depth("ReplayDeadLetters") == 0


def test_an_earlier_run_is_restored_while_the_old_pool_is_exported(stack):
    pool, old = exported(stack)
    run = records.runs(stack.backup(pool))[-1]
    rename(stack, pool, "somebody00001", "Another name")
    stack.cognito.admin_delete_user(UserPoolId=pool, Username="somebody00003")
    complete(stack, pool)
    rename(stack, pool, "somebody00004", "One more name")
    new = new_pool(stack)
    stack.free_lock(pool)
    # Its workers stand still until the import has begun, and then write while that reads.
    held = stack.proxy.broken(is_write_of(b"One more name"), "refuse")
    with held:
        export = stack.start(pool, AllowShrink=True)
        execution = stack.start_import(new, AsOf=run["id"], CreateUsersWith="AdminApi")
        until(lambda: stack.import_of(new), "the import does not begin")
    is_complete(stack.wait_for_import(execution, new))
    assert stack.wait(export).status == "SUCCEEDED"
    record = stack.import_of(new)
    assert (record["run"], record["as_of"]) == (run["id"], run["ended_at"])
    assert is_restored(stack, record, old, new) == 0


def test_killed_functions_lose_nothing_and_create_nobody_twice(stack):
    pool = stack.make_pool("old")
    fill_for_import(stack, pool, users=24)
    # No row of a job can carry these.
    for number in range(16, 24):
        unverified = [{"Name": "email_verified", "Value": "false"}]
        stack.cognito.admin_update_user_attributes(
            UserPoolId=pool, Username=f"somebody{number:05}", UserAttributes=unverified)
    complete(stack, pool)
    old = records.of_pool(stack.cognito, pool)
    new = new_pool(stack)
    killed = len(stack.killed)

    def kill(kind, proxy, function, operation, skip=0, text=b""):
        calls = stack.calls_of(function)
        return proxy.fault(
            lambda call: calls(call) and call.operation == operation and text in call.body, kind, skip=skip,
            first=lambda: stack.kill(function))

    # Whatever it was about to do, or had just done.
    with stack.visibility(seconds=3):
        faults = [
            kill("drop_after", stack.proxy, "ImportCoordinator", "SendMessageBatch", text=b"memberships"),
            kill("drop_after", stack.cognito_proxy, "ImportCoordinator", "CreateUserImportJob"),
            kill("drop_after", stack.cognito_proxy, "ImportCoordinator", "StartUserImportJob"),
            kill("drop_before", stack.proxy, "ImportCoordinator", "PutItem", skip=2),
            kill("drop_before", stack.proxy, "ImportCoordinator", "BatchWriteItem", skip=2, text=b"#MAP"),
            kill("drop_after", stack.cognito_proxy, "ReplayUpdates", "CreateGroup"),
            kill("drop_after", stack.cognito_proxy, "ReplayUpdates", "AdminCreateUser"),
            kill("drop_before", stack.proxy, "ReplayUpdates", "BatchWriteItem", skip=5),
            kill("drop_after", stack.cognito_proxy, "ReplayUpdates", "AdminAddUserToGroup", skip=5),
        ]
        is_complete(stack.run_import(new, SourceUserPoolId=pool))
        assert [fault.struck for fault in faults] == [1] * len(faults)
        assert len(stack.killed) - killed >= len(faults)
        idle(stack)
    assert is_restored(stack, stack.import_of(new), old, new) == 0
    assert stack.depth("ReplayDeadLetters") == 0


def test_a_batch_that_cannot_be_replayed_fails_the_import_by_name(stack):
    pool, old = exported(stack)
    new = new_pool(stack)
    (poisoned,) = [sub for sub, user in old.users.items() if user["username"] == "somebody00005"]
    asked = {"SourceUserPoolId": pool, "CreateUsersWith": "AdminApi"}
    stack.notifications()
    with stack.visibility(seconds=1), stack.proxy.broken(is_worker_writing(poisoned), "refuse"):
        # And one that nobody can read stops nobody else.
        send(stack, "ReplayQueue", ["not of this version"])
        failed = stack.run_import(new, **asked)
        until(lambda: stack.depth("ReplayDeadLetters") == 2, "the batch is not in the dead-letter queue")
    assert (failed.status, failed.error) == ("FAILED", "Failed")
    ((subject, text),) = stack.notifications()
    assert subject == f"Cognito import failed: {new}"
    assert re.search(r"batch \d+ of the users to create could not be replayed \(store\)", text), text
    assert "dead-letter queue" in text and "start it again with the same input" in text
    record = stack.import_of(new)
    assert record["status"] == "failed" and "could not be replayed" in record["reason"]

    # The cause has passed: it goes on, and the dead letter may be sent again at any time.
    stack.free_lock(f"{new}/import")
    execution = stack.start_import(new, **asked)
    until(lambda: of_run(stack, "ReplayQueue", stack.import_of(new)["id"]), "nothing is sent")
    letters = stack.drain("ReplayDeadLetters")
    send(stack, "ReplayQueue", [letter for letter in letters if letter != "not of this version"])
    is_complete(stack.wait_for_import(execution, new))
    assert is_restored(stack, stack.import_of(new), old, new) == 0


def is_worker_writing(sub):
    writes = ("PutItem", "BatchWriteItem")
    return lambda call: (
        call.function == "ReplayUpdates" and call.operation in writes and sub.encode() in call.body)


def test_a_pool_that_cannot_take_the_backup_is_refused_before_anything_is_written(stack):
    new = new_pool(stack)
    stack.cognito.admin_create_user(UserPoolId=new, Username="somebody-else", MessageAction="SUPPRESS")
    stack.notifications()
    refused = stack.run_import(new, SourceUserPoolId=stack.pools[0])
    assert (refused.status, refused.error) == ("FAILED", "Failed")
    assert stack.import_of(new) is None
    ((_, text),) = stack.notifications()
    assert f"user pool {new} is not empty" in text and "Nothing was written" in text


def test_a_listing_that_fails_is_named(stack):
    """The same definition, but that a listing which failed is not tried for half an hour."""
    deployed = stack.stepfunctions.describe_state_machine(stateMachineArn=stack.import_machine)
    definition = json.loads(deployed["definition"])
    for name in ("ListToMatch", "ListToVerify"):
        definition["States"][name]["Retry"][0]["MaxAttempts"] = 0
    impatient = stack.stepfunctions.create_state_machine(
        name="impatient", definition=json.dumps(definition), roleArn=deployed["roleArn"])
    pool, _ = exported(stack)
    new = new_pool(stack)
    stack.notifications()
    broken = stack.proxy.broken(lambda call: call.function == "ExportCoordinator", "refuse")
    with broken:
        failed = stack.wait_for_import(stack.stepfunctions.start_execution(
            stateMachineArn=impatient["stateMachineArn"],
            input=json.dumps({"NewUserPoolId": new, "SourceUserPoolId": pool, "CreateUsersWith": "AdminApi"}),
        )["executionArn"], new)
    assert (failed.status, failed.error) == ("FAILED", "Failed")
    text = stack.notifications()[-1][1]
    assert "the new pool could not be listed" in text and "executions of backup-test-export" in text
    assert stack.import_of(new)["status"] == "failed"


@pytest.mark.parametrize("asked, wrong", [
    ({}, "NewUserPoolId must be"),
    ({"NewUserPoolId": 5}, "NewUserPoolId must be"),
    ({"NewUserPoolId": "us-east-1_Aa0", "asOf": "2026-11-22"}, "it has a field that is none of"),
    ([], "it is no JSON object"),
])
def test_an_input_that_is_wrong_is_refused_with_the_reason(stack, asked, wrong):
    stack.notifications()
    execution = stack.stepfunctions.start_execution(stateMachineArn=stack.import_machine, input=json.dumps(asked))
    refused = stack.wait(execution["executionArn"])
    assert (refused.status, refused.error) == ("FAILED", "WrongInput") and wrong in refused.cause
    ((_, text),) = stack.notifications()
    assert wrong in text and "Nothing was touched" in text


def test_an_aborted_import_is_told_and_goes_on_after_its_lease(stack):
    pool, old = exported(stack)
    new = new_pool(stack)
    stack.notifications()
    aborted = stack.start_import(new, SourceUserPoolId=pool, CreateUsersWith="AdminApi")
    until(lambda: stack.import_of(new), "the import does not begin")
    stack.stepfunctions.stop_execution(executionArn=aborted)
    ((_, text),) = until(stack.notifications, "nobody is told")
    assert "An import was ended from outside (ABORTED)" in text
    refused = stack.run_import(new, SourceUserPoolId=pool, CreateUsersWith="AdminApi")
    assert refused.error == "AlreadyRunning"
    stack.free_lock(f"{new}/import")
    is_complete(stack.run_import(new, SourceUserPoolId=pool, CreateUsersWith="AdminApi"))
    assert is_restored(stack, stack.import_of(new), old, new) == 0
