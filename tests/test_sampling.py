from collections import Counter

import pytest

from lungscan_monai.sampling import StratifiedSampler

RECORDS = [{"label": int(index < 12)} for index in range(48)]


def test_every_case_is_drawn_once():
    assert sorted(StratifiedSampler(RECORDS)) == list(range(48))


@pytest.mark.parametrize("epoch", range(5))
def test_every_batch_has_the_classes_in_proportion(epoch):
    sampler = StratifiedSampler(RECORDS, seed=3)
    sampler.set_epoch(epoch)
    order = list(sampler)
    counts = [sum(RECORDS[index]["label"] for index in order[start : start + 16]) for start in range(0, 48, 16)]
    assert all(abs(count - 4) <= 1 for count in counts)


def test_the_order_depends_on_the_epoch_and_nothing_else():
    first, second = StratifiedSampler(RECORDS, seed=1), StratifiedSampler(RECORDS, seed=1)
    assert list(first) == list(second)
    second.set_epoch(1)
    assert list(first) != list(second)


def test_ranks_share_the_cases_and_draw_equally_many():
    records = RECORDS[:47]
    shares = [list(StratifiedSampler(records, num_replicas=2, rank=rank)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == 24
    counts = Counter(shares[0] + shares[1])
    assert set(counts) == set(range(47)) and sum(counts.values()) == 48
