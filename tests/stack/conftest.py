import pytest

from doings import exported, new_pool
from stack import Options, Stack, Standby

# Whoever fills and changes pools here is not whom the quotas judge.
SIMULATOR = (
    "--users", "60", "--groups", "5", "--seed", "11",
    "--quota", "UserCreation=1000", "--quota", "UserUpdate=1000", "--quota", "UserPoolUpdate=1000",
    "--quota", "UserPoolResourceUpdate=1000",
)


@pytest.fixture(scope="session")
def stack():
    options = Options(simulator=SIMULATOR, wait_scale=0.1, watch_cognito=True)
    with Stack(options) as deployed:
        yield deployed


@pytest.fixture(scope="session")
def standby(stack):
    """The second Region after the first is lost: all there is of that is the replica, with the pool
    `lost`. In MiniStack the roles of both have the same names: from here on, functions of the first
    may do nothing any more."""
    lost = exported(stack)
    stack.replicate()
    stack.dynamodb.update_table(TableName=stack.backup_table, DeletionProtectionEnabled=False)
    stack.dynamodb.delete_table(TableName=stack.backup_table)
    deployed = Standby(stack, {"NewUserPoolId": new_pool(stack)})
    deployed.lost = lost
    return deployed


@pytest.fixture
def pools(stack):
    """Makes pools that no other test uses."""
    return lambda **settings: stack.make_pool("of-one-test", **settings)
