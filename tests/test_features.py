import pytest

from kveraser_core.engines.cpu import features
from kveraser_core.engines.cpu.features import VARIABLE, FeatureError, feature_level


@pytest.fixture
def cpu(monkeypatch):
    """Make this CPU one with the given instructions, and force a level or none."""

    def made(forced, **has):
        monkeypatch.setattr(features.platform, "machine", lambda: has.pop("machine", "x86_64"))
        for name in ("avx2", "avx512", "avx512_bf16"):
            monkeypatch.setattr(features.torch.cpu, f"_is_{name}_supported", lambda name=name: has.get(name, False))
        monkeypatch.setenv(VARIABLE, forced)

    return made


@pytest.mark.parametrize(
    ("has", "name"),
    [
        ({}, "sse"),
        ({"avx2": True}, "avx2"),
        ({"avx2": True, "avx512": True}, "avx512"),
        ({"avx2": True, "avx512": True, "avx512_bf16": True}, "avx512_bf16"),
        ({"machine": "aarch64"}, "vector128"),
    ],
)
def test_the_best_level_of_a_cpu_is_chosen_and_compiled_for_itself(cpu, has, name):
    cpu("", **has)
    assert feature_level().name == name
    assert feature_level().compiled_for is None


def test_a_lower_level_can_be_forced_and_is_compiled_for_cpus_of_it(cpu):
    cpu("avx2", avx2=True, avx512=True)
    assert feature_level().name == "avx2"
    assert feature_level().compiled_for == "x86-64-v3"


def test_a_level_that_the_cpu_does_not_have_is_refused_with_those_it_has(cpu):
    cpu("avx512", avx2=True)
    with pytest.raises(
        FeatureError, match="no feature level 'avx512': set KVERASER_CPU to avx2 or sse, or leave it out"
    ):
        feature_level()
