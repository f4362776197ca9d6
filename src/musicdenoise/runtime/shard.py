"""One of several equal parts of a list, for machines that need not know of each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from musicdenoise.errors import UsageError

_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The ``number``-th of ``count`` parts.

    Parameters
    ----------
    number, count
        Which part, from 1 on, and how many there are.

    Raises
    ------
    UsageError
        If ``number`` is not between 1 and ``count``.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise _wrong(f"{self.number}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard of a text such as ``"2/4"``.

        Raises
        ------
        UsageError
            If the text means no shard.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if match is None:
            raise _wrong(text)
        return cls(number=int(match[1]), count=int(match[2]))

    def part(self, items: Sequence[_Item], key: Callable[[_Item], str]) -> list[_Item]:
        """Every ``count``-th item of the sorted list, beginning with the ``number``-th.

        The parts of all shards have every item once, and their lengths differ by one at most.

        Parameters
        ----------
        items
            The same for all shards, in any order.
        key
            What is sorted by; different for each item.
        """
        return sorted(items, key=key)[self.number - 1 :: self.count]

    @property
    def name(self) -> str:
        """For names of files: ``2_of_4``."""
        return f"{self.number}_of_{self.count}"


def _wrong(given: str) -> UsageError:
    return UsageError(
        f"{{shard}} is {given!r}; it must be I/N, with I from 1 to N: 1/4, 2/4, 3/4 and 4/4 are four parts",
        shard=given,
    )
