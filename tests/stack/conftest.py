import pytest

from doings import personal, told
from stack import Options, Stack

# Whoever fills and changes pools here is not whom the quotas judge.
SIMULATOR = (
    "--users", "60", "--groups", "5", "--seed", "11",
    "--quota", "UserCreation=1000", "--quota", "UserUpdate=1000", "--quota", "UserPoolUpdate=1000",
    "--quota", "UserPoolResourceUpdate=1000",
)


@pytest.fixture(scope="module")
def stack():
    """Of one file's tests: so files can be tested at the same time, and in any order."""
    options = Options(simulator=SIMULATOR, wait_scale=0.1, watch_cognito=True)
    with Stack(options) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def discreet(stack):
    """In the end, nothing personal was told of whatever a file's tests did, not of what failed either."""
    yield
    everything = "\n".join(line for lines in told(stack).values() for line in lines)
    values = personal(stack)
    assert "somebody00001" in values and "failed" in everything
    assert [value for value in values if value in everything] == []


@pytest.fixture
def pools(stack):
    """Makes pools that no other test uses."""
    return lambda **settings: stack.make_pool("of-one-test", **settings)
