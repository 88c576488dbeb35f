import pytest

from stack import Options, Stack

# Whoever fills and changes pools here is not whom the quotas judge.
SIMULATOR = (
    "--users", "300", "--groups", "6", "--seed", "11",
    "--quota", "UserCreation=1000", "--quota", "UserUpdate=1000", "--quota", "UserPoolUpdate=1000",
    "--quota", "UserPoolResourceUpdate=1000",
)


@pytest.fixture(scope="session")
def stack():
    options = Options(simulator=SIMULATOR, pools=17, wait_scale=0.1)
    with Stack(options) as deployed:
        yield deployed
