"""The second Region after the first is lost: the replica is all there is."""

import records
from doings import complete, is_as_the_pool, is_complete, is_restored, new_pool

# The table and who exports it on a schedule are the primary's.
OF_THE_PRIMARY = {"BackupTable", "Schedule", "NoCompleteRun"}
OF_THE_STANDBY = {"ReadReplica"}


def test_the_standby_has_all_that_restores_and_exports(stack, standby):
    assert standby.kinds.keys() - stack.kinds.keys() == OF_THE_STANDBY
    assert stack.kinds.keys() - standby.kinds.keys() == OF_THE_PRIMARY
    assert stack.backup_table not in stack.dynamodb.list_tables()["TableNames"]


def test_an_export_without_a_pool_says_that_it_needs_one(standby):
    ended = standby.wait(standby.start())
    assert (ended.status, ended.error) == ("FAILED", "NoPool")


def test_a_pool_comes_back_from_the_replica_and_is_backed_up_there(stack, standby):
    pool, old = standby.lost
    new = new_pool(stack)
    is_complete(standby.run_import(new, SourceUserPoolId=pool))
    assert is_restored(standby, standby.import_of(new), old, new) == 0

    complete(standby, new)
    is_as_the_pool(standby, new)
    assert len(records.runs(standby.backup(new))) >= 3
    assert standby.tool("report", "--user-pool-id", new)["status"] == "complete"
    assert [subject for subject, _ in standby.notifications()] == [
        f"Cognito import complete: {new}", f"Cognito export complete: {new}"]
