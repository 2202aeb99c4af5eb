import pytest

from kveraser_core.evaluation.metrics import contains, exact_match, f1, interval, normalise, repeats_itself
from kveraser_core.evaluation.report import write_report


def test_answers_are_compared_as_squad_does():
    assert normalise("The  Quick, (brown) fox!") == "quick brown fox"
    assert contains("It is 30 days.", "30 days")
    assert not contains("It is 130 days.", "30 days")
    assert not contains("anything", "")


def test_an_exact_match_is_one_after_normalising():
    assert exact_match("The 30 days.", "30 days")
    assert not exact_match("It is 30 days.", "30 days")


def test_f1_by_hand():
    assert f1("the cat sat", "a cat") == pytest.approx(2 / 3)
    assert f1("dog", "cat") == 0
    assert f1("", "") == 1


def test_an_answer_repeats_itself_if_eight_words_come_twice():
    fact = "a toll of thirty coins is paid at the quay by noon"
    assert repeats_itself(f"{fact} and {fact}")
    assert not repeats_itself(f"{fact}, not before nine at the quay by noon")
    assert not repeats_itself("")


def test_the_interval_holds_the_mean_and_narrows_with_n():
    few, many = [0.0, 1.0] * 5, [0.0, 1.0] * 500
    mean, low, high = interval(few)
    assert mean == 0.5
    assert low < 0.5 < high
    wide = high - low
    _, low, high = interval(many)
    # The standard error of 1,000 coins is 0.0158; the interval spans 2 * 1.96 of it.
    assert high - low == pytest.approx(0.062, abs=0.006)
    assert wide > 5 * (high - low)


def result(task, number, method, kl, answer, leak):
    """A row of results about a question whose answer is `noon`, which full recompute has right in example 0 only."""
    return {
        "task": task,
        "tokens": 512,
        "number": number,
        "method": method,
        "gold": "noon",
        "answer": answer,
        "correct": contains(answer, "noon"),
        "reference_correct": number == 0,
        "f1": f1(answer, "noon"),
        "leak": leak,
        "top1": 1.0,
        "kl": kl,
        "erase_s": 0.25,
        "ttft_s": 0.5,
        "extra_bytes": 3 * 2**20,
    }


def test_the_report_by_hand(tmp_path):
    rows = [
        result("needle", 0, "full_recompute", 0.0, "noon", False),
        result("needle", 1, "full_recompute", 0.0, "dusk", False),
        result("needle", 0, "kveraser_repair:96", 0.5, "at noon", True),
        result("needle", 1, "kveraser_repair:96", 0.5, "noon", False),
        result("needle", 0, "local_repair", 0.25, "dusk", True),
        result("needle", 1, "local_repair", 0.25, "dusk", True),
        result("harmless", 0, "full_recompute", 0.0, "noon", None),
        result("harmless", 0, "local_repair", 0.125, "noon", None),
    ]
    write_report(rows, "kveraser evaluate", tmp_path)
    report = (tmp_path / "report.md").read_text()
    needle = report[report.index("## needle") : report.index("## harmless")]
    assert "512 tokens, n = 2, of which full recompute answers 1 right" in needle
    tables = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")]
        for line in needle.splitlines()
        if "|" in line
    }
    assert list(tables)[2:] == ["`local_repair`", "`kveraser_repair:96`", "`full_recompute`"]
    kl, top1, right, difference, kept, exact, score, leak, erase, first, extra = tables["`kveraser_repair:96`"][2:-1]
    assert kl == "0.5000 (0.5000 to 0.5000)"
    assert right == "1.000 (1.000 to 1.000)"
    assert difference == "+50.0 (+0.0 to +100.0)"
    assert kept == "1 of 1"
    assert exact == "0.500 (0.000 to 1.000)"
    assert score == "0.833 (0.667 to 1.000)"
    assert leak == "0.500 (0.000 to 1.000)"
    assert (top1, erase, first, extra) == (
        "1.000 (1.000 to 1.000)",
        "0.250 (0.250 to 0.250)",
        "0.500 (0.500 to 0.500)",
        "3.0",
    )
    assert tables["`local_repair`"][5] == "-50.0 (-100.0 to +0.0)"
    assert "| `local_repair` | 0.2500 (0.2500 to 0.2500) | 0.1250 (0.1250 to 0.1250) |" in report
    assert "all lengths, n = 3, of which full recompute answers 2 right" in report
    assert "| - |" in report[report.index("## harmless") :]
