import os

import pytest

from musicdenoise.__main__ import main
from musicdenoise.cli import app as module
from musicdenoise.core import allocator


@pytest.mark.parametrize(("own", "expected"), [(None, "passive"), ("active", "active")])
def test_the_process_is_set_up_before_the_command_runs(
    own: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", own or "")
    if own is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    seen = []
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda: seen.append("memory"))
    monkeypatch.setattr(module, "app", lambda: seen.append(os.environ["OMP_WAIT_POLICY"]))
    main()
    assert seen == ["memory", expected]
