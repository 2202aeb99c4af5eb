import torch

from tests import gpu_check


def test_without_a_gpu_it_says_so_and_is_no_failure(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_check.main(["--out", str(tmp_path / "out")]) == 0
    assert "There is no GPU here" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_the_report_has_what_each_part_said_and_which_failed(monkeypatch, tmp_path):
    ran = []

    def run(command, timeout, **options):
        ran.append((command[2], timeout, options["env"]["KVERASER_TEST_DEVICE"]))
        if "bench" in command:
            raise gpu_check.subprocess.TimeoutExpired(command, timeout, output=b"8,192 tokens\n")
        return gpu_check.subprocess.CompletedProcess(command, 0, b"5 passed\n")

    monkeypatch.setattr(gpu_check.subprocess, "run", run)
    assert gpu_check.main(["--device", "cpu", "--shape", "smollm2-135m", "--out", str(tmp_path)]) == 1
    report = (tmp_path / "report.md").read_text()
    assert "went well" in report
    assert "5 passed" in report
    assert "was stopped after 310 s" in report
    assert "8,192 tokens" in report
    assert [device for *_, device in ran] == ["cpu", "cpu"]
    assert sum(limit for _, limit, _ in ran) < 480


def test_the_largest_model_that_fits_is_taken(monkeypatch):
    for gigabytes, name in ((80, "qwen3-8b"), (16, "qwen3-1.7b"), (2, "qwen3-0.6b")):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda size=gigabytes * 2**30: (size, size))
        assert gpu_check.fitting_shape() == name
