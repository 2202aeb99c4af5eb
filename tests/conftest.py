"""How the tests run: who needs the fixtures, which tests stay together, and in which order."""

import pytest

from tests.sharing_out import Groups


def pytest_configure(config: pytest.Config) -> None:
    """The fixtures take seconds to import, which a process does without that only shares tests out."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("tests.fixtures")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In one process the browser and its servers come last: they would slow down what runs beside them."""
    items.sort(key=lambda item: "browser" in item.path.parts)
