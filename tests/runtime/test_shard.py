"""Shards: together they have every item once."""

import random

import pytest

from musicdenoise.errors import UsageError
from musicdenoise.runtime.shard import Shard


@pytest.mark.parametrize(("size", "count"), [(0, 3), (1, 1), (2, 5), (12, 4), (101, 7)])
def test_shards_are_disjoint_complete_and_equal_in_any_order(size: int, count: int) -> None:
    rng = random.Random(size)
    names = [f"{number}.wav" for number in range(size)]
    parts = []
    for number in range(1, count + 1):
        rng.shuffle(names)  # another machine may list them in another order
        parts.append(Shard.parse(f"{number}/{count}").part(names, str))
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    "text", ["3/2", "0/4", "a/b", "", "1", "1/2/3", "-1/2", "1/0", "/", "1/", "\u0661/2"]
)
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match=r"it must be I/N, with I from 1 to N") as caught:
        Shard.parse(text)
    assert str(caught.value).startswith(f"shard is {text!r};")
    assert caught.value.fields == {"shard": text}
