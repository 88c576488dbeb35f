"""All that a deployment does, and what it tells of that; then its Region is lost, and the second has the replica
alone."""

import json

import pytest

import records
from doings import (
    add_settings, complete, empty, exported, is_as_the_pool, is_complete, is_restored, new_pool, personal, told,
)
from stack import Standby

COORDINATORS, WORKERS = ("ExportCoordinator", "ImportCoordinator"), ("ListPages", "WritePages", "ReplayUpdates")

# No group goes here, and nobody has a second factor or a link: in the simulations they have.
NOT_ASKED_FOR_HERE = {
    "ExportCoordinator": {"GetGroup"},
    "ReplayUpdates": {"AdminSetUserMFAPreference", "AdminLinkProviderForUser"},
}

# The table and who exports it on a schedule are the primary's.
OF_THE_PRIMARY = {"BackupTable", "Schedule", "NoCompleteRun"}
OF_THE_STANDBY = {"ReadReplica"}


@pytest.fixture(scope="module")
def done(stack):
    """The stack after exports, of which one was held, and imports, of which one was done in part."""
    complete(stack, stack.pools[0])
    ended = stack.run_import(stack.simulator.empty, SourceUserPoolId=stack.pools[0])
    assert ended.error == "PartiallyFailed"
    pool, old = exported(stack, users=60)
    new = new_pool(stack)
    is_complete(stack.run_import(new, SourceUserPoolId=pool, CreateUsersWith="AdminApi"))
    assert is_restored(stack, stack.import_of(new), old, new) == 0
    add_settings(stack, pool)
    empty(stack, pool)
    stack.free_lock(pool)
    assert stack.run(pool).error == "Held"
    stack.notifications()
    return stack


@pytest.fixture(scope="module")
def standby(done):
    """The second Region after the first is lost: all there is of that is the replica, with the pool
    `lost`. In MiniStack the roles of both have the same names: from here on, functions of the first
    may do nothing any more."""
    lost = exported(done)
    done.replicate()
    done.dynamodb.update_table(TableName=done.backup_table, DeletionProtectionEnabled=False)
    done.dynamodb.delete_table(TableName=done.backup_table)
    deployed = Standby(done, {"NewUserPoolId": new_pool(done)})
    deployed.lost = lost
    return deployed


@pytest.fixture(scope="module")
def restored(stack, standby):
    """The second Region after the lost pool came back there, and was backed up."""
    pool, old = standby.lost
    new = new_pool(stack)
    is_complete(standby.run_import(new, SourceUserPoolId=pool))
    assert is_restored(standby, standby.import_of(new), old, new) == 0
    complete(standby, new)
    standby.new = new
    return standby


def test_the_functions_policies_allow_all_they_ask_for(stack, restored):
    assert stack.proxy.calls["TransactWriteItems"]
    assert stack.proxy.denied == {}


def test_the_functions_ask_cognito_for_what_their_policies_allow_and_nothing_else(stack, restored):
    """The simulated Cognito asks nobody for permission: so what they asked for is compared."""
    asked = {}
    for function, operation in stack.cognito_proxy.asked:
        asked.setdefault(function, set()).add(operation)
    for function in COORDINATORS + WORKERS:
        expected = asked.get(function, set()) | NOT_ASKED_FOR_HERE.get(function, set())
        assert allowed(stack, f"{function}Role") == expected, function


def test_an_import_writes_its_own_items_and_no_record_of_a_pool(stack, restored):
    """Its policies name how keys begin, by `dynamodb:LeadingKeys`, which MiniStack passes over."""
    for function, own in (
        ("ImportCoordinator", {"IMPORT", "IMPORTS"}), ("ReplayUpdates", {"IMPORT"}),
        ("ExportCoordinator", {"POOL", "POOLS"}), ("WritePages", {"POOL"}),
    ):
        assert stack.proxy.leads[function, stack.backup_table] == own, function


def allowed(stack, role):
    """What a role may ask of Cognito."""
    found = set()
    name = stack.resources[role]
    for policy in stack.iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = stack.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        actions = [action for statement in document["Statement"] for action in as_list(statement["Action"])]
        found.update(action.removeprefix("cognito-idp:") for action in actions if action.startswith("cognito-idp:"))
    return found


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_nothing_personal_and_no_secret_is_told_anywhere(stack, restored):
    """Logs, notifications, and what executions remember."""
    everywhere = {**told(stack), **told(restored)}
    for place in (stack, restored):
        for function in COORDINATORS + WORKERS:
            assert everywhere[f"{place.region} /aws/lambda/{place.resources[function]}"], function
    everything = "\n".join(line for lines in everywhere.values() for line in lines)
    # Whatever was looked at is there to be found.
    for subject in ("Cognito export held", "Cognito import partially failed", "Cognito import complete"):
        assert subject in everything
    # The replica has all that the table of the first Region had.
    values = personal(restored)
    assert {"somebody00001", "Name of somebody00001"} <= values and len(values) > 500
    assert [value for value in values if value in everything] == []

    # Nor do tables and messages hold what gives access.
    for table in (restored.backup_table, restored.run_table):
        everything += json.dumps(restored.scan(table), default=str)
    everything += json.dumps(stack.scan(stack.run_table), default=str) + "".join(stack.bodies("ReplayQueue"))
    kept = stack.cognito_proxy.kept
    answers = [json.loads(answer)["UserImportJob"] for _, answer in kept["CreateUserImportJob"] if b"PreSigned" in answer]
    signatures = [job["PreSignedUrl"].rpartition("X-Amz-Signature=")[2] for job in answers]
    passwords = [json.loads(body)["Password"] for body, _ in kept["AdminSetUserPassword"]]
    clients = [json.loads(answer)["UserPoolClient"] for _, answer in kept["DescribeUserPoolClient"]]
    others = [client["ClientSecret"] for client in clients] + ["of-google-alone"]
    assert len(signatures) >= 2 and len(passwords) >= 50 and len(others) >= 2
    assert [secret for secret in signatures + passwords + others if secret in everything] == []


def test_messages_hold_keys_alone(done):
    """Groups' names, and the `sub` of users."""
    assert not [body for body in done.bodies("ReplayQueue") if "@" in body or "omebody" in body]


def test_the_standby_has_all_that_restores_and_exports(stack, standby):
    assert standby.kinds.keys() - stack.kinds.keys() == OF_THE_STANDBY
    assert stack.kinds.keys() - standby.kinds.keys() == OF_THE_PRIMARY
    assert stack.backup_table not in stack.dynamodb.list_tables()["TableNames"]


def test_an_export_without_a_pool_says_that_it_needs_one(standby):
    ended = standby.wait(standby.start())
    assert (ended.status, ended.error) == ("FAILED", "NoPool")


def test_a_pool_comes_back_from_the_replica_and_is_backed_up_there(restored):
    new = restored.new
    is_as_the_pool(restored, new)
    assert len(records.runs(restored.backup(new))) >= 3
    assert restored.tool("report", "--user-pool-id", new)["status"] == "complete"
    restored.notifications()
    assert [subject for subject, _ in restored.told] == [
        f"Cognito import complete: {new}", f"Cognito export complete: {new}"]
