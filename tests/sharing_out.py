"""Which tests run in one process of `pytest -n`: those that would else set up twice what takes long.

xdist's own `--dist loadgroup` does it by a mark, and version 3.8 leaves the mark unseen with pytest 9.2.
"""

from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/browser/": "the browser, and the servers of its tests",
    "tests/test_report.py::test_the_packaged_model": "the packaged model, and the documents that it has prefilled",
    "tests/test_readme.py": "the packaged model, and the documents that it has prefilled",
    "tests/test_samples.py": "the packaged model, and the documents that it has prefilled",
    "tests/test_packaged_model.py": "the packaged model, and the documents that it has prefilled",
}


class Groups(LoadScopeScheduling):
    """The groups first, the one of most tests before the others, and then all other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for start, group in GROUPS.items() if nodeid.startswith(start)), nodeid)
