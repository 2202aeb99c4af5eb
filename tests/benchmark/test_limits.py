"""What a pass needs, and how long a machine takes for it at best."""

import torch

from kveraser_core.benchmark.contender import DECODED
from kveraser_core.benchmark.limits import Block, ModelSize, Work
from kveraser_core.benchmark.ours import Ours
from kveraser_core.benchmark.speeds import measure_speeds
from kveraser_core.documents.spans import Span
from tests.benchmark.plans import SPEEDS, ahead


def test_a_pass_needs_what_counting_by_hand_gives(llama, save_adapter):
    llama.load_eraser(save_adapter())
    size = ModelSize.of(llama)
    layer = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 96  # q, k and v, o, gate and up and down
    assert (size.projections, size.head, size.width) == (3 * layer, 64 * 420, 4)
    assert size.projections == sum(
        weight.numel() for name, weight in llama.model.named_parameters() if name.endswith("proj.weight")
    )
    assert size.adapter == sum(weight.numel() for weight in llama.eraser.weights.values())
    assert size.adapter == 3 * 4 * (4 * 64 + 64 + 2 * 32 + 64 + 3 * (64 + 96))
    assert size.token_bytes == 2 * 3 * 2 * 16 * 4
    assert size.reading([]) == Work()
    # two tokens behind ten see 11 and 12 keys; scores and sums take two operations for each of 4 heads of 16
    attention = 2 * 2 * 3 * 4 * 16 * (11 + 12)
    assert size.reading([Block(2, 10)]) == Work(2 * 2 * 3 * layer + attention, 4 * 3 * layer + 12 * 768)
    with_head = size.reading([Block(1, 10), Block(1, 4)], logits=1, adapted=1)
    attention = 2 * 2 * 3 * 4 * 16 * (11 + 5)
    assert with_head.flops == 2 * (2 * 3 * layer + 64 * 420 + size.adapter) + attention
    assert with_head.moved == 4 * (3 * layer + 64 * 420 + size.adapter) + 12 * 768


def test_a_limit_is_the_slower_of_operations_and_bytes():
    assert SPEEDS.seconds(Work(2e9, 1e8)) == 2.0
    assert SPEEDS.seconds(Work(1e9, 3e8)) == 3.0
    assert SPEEDS.seconds(Work(1e9, 3e8), Work(2e9, 1e8)) == 5.0


def test_every_way_knows_what_it_needs(llama, ids, save_adapter):
    llama.load_eraser(ahead(save_adapter()))
    ways = [
        "none",
        "mask",
        "delete_shift",
        "local_repair",
        "erratum",
        "kveraser_lookahead",
        "kveraser_repair",
        "full_recompute",
        "fresh_prefill",
    ]
    ours = Ours(llama, ways)
    ours.read(ids[:300])
    span = Span(64, 84)
    work = {way: ours.run(way, span).work for way in ours.ways}
    size, asked = ours.size, len(ours.question_ids)
    assert work["none"].erase == work["mask"].erase == work["delete_shift"].erase == []
    assert work["local_repair"].erase == [size.reading([Block(32, 64)])]
    assert work["kveraser_lookahead"].erase == [size.reading([Block(12, 64)], adapted=12)]
    assert work["kveraser_repair"].erase[0].flops > work["kveraser_lookahead"].erase[0].flops
    assert work["full_recompute"].erase == [size.reading([Block(216, 64)])]
    assert work["fresh_prefill"].erase == [size.reading([Block(280, 0)])]
    assert work["erratum"].first_token[-1].flops > work["none"].first_token[-1].flops
    assert work["full_recompute"].first_token == [
        size.reading([Block(216, 64)]),
        size.reading([Block(asked, 280)], logits=1),
    ]
    assert work["kveraser_lookahead"].first_token == [
        size.reading([Block(12, 64), Block(asked, 280)], logits=1, adapted=12)
    ]
    assert work["kveraser_lookahead"].decode == size.reading([Block(1, 280 + asked + DECODED // 2)], logits=1)


def test_speeds_are_those_of_the_dtype():
    speeds = measure_speeds(torch.device("cpu"), torch.float32, 64, 96)
    assert min(speeds) > 1e6
