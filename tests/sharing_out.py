"""Which tests run in one process of `pytest -n`: those that would else set up twice what takes long.

xdist's own `--dist loadgroup` does it by a mark, and version 3.8 leaves the mark unseen with pytest 9.2.
"""

from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "the browser, and the servers of its tests": ("tests/browser/",),
    "the packaged model, and the documents that it has prefilled": (
        "tests/test_report.py::test_the_packaged_model",
        "tests/test_readme.py",
        "tests/test_samples.py",
        "tests/test_packaged_model.py",
    ),
}
"""What the tests of a group share, and how their ids begin."""


class Groups(LoadScopeScheduling):
    """The groups first, the one of most tests before the others, and then all other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group, starts in GROUPS.items() if nodeid.startswith(starts)), nodeid)
