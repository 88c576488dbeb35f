import pytest

from project import WORKFLOWS, Machine


@pytest.fixture(scope="session", params=WORKFLOWS)
def machine(request):
    """Each state machine."""
    return Machine(request.param)
