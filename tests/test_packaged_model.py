import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from kveraser_core.model.generation import agreement
from kveraser_core.model.packaged import packaged_model

PROGRAM = "from kveraser_core.model.packaged import packaged_model; print(packaged_model())"


@pytest.mark.soak
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
    assert {entry.name for entry in folder.parent.iterdir()} == {folder.name, ".lock"}


@pytest.mark.packaged
def test_single_tokens_are_read_as_closely_to_fp32_as_many_at_once(packaged):
    """Four-bit weights for single tokens, in the model's own dtype, against transformers in fp32."""
    text = (Path(__file__).parents[1] / "assets" / "samples" / "agent-log.txt").read_text(encoding="utf-8")
    ids = packaged.tokenize(text)[0][:160]
    plain = AutoModelForCausalLM.from_pretrained(packaged_model(), dtype=torch.float32)
    with torch.no_grad():
        exact = plain(torch.tensor([ids])).logits[0, 100:]
    cache = packaged.new_cache(len(ids))
    packaged.encode(ids[:100], cache)
    single = torch.cat([packaged.logits(packaged.encode([token], cache)) for token in ids[100:]]).float()
    same, kl = agreement(exact, single)
    assert kl < 0.003
    assert same > 0.9
