import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from kveraser_core.packaged_model import packaged_model; print(packaged_model())"


@pytest.mark.packaged
def test_two_processes_that_start_at_once_convert_it_safely(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0], results
    folders = {Path(out.strip()) for out, _ in results}
    assert len(folders) == 1
    (folder,) = folders
    assert (folder / "model.safetensors").is_file()
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
