"""The README as PyPI shows it: its links lead somewhere, there and here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[1]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)]+)\)")


def test_links_lead_to_files() -> None:
    links = LINK.findall((HOME / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 10
    for link in links:
        assert link.startswith("https://") or (HOME / link.partition("#")[0]).exists(), link


def test_a_release_has_absolute_links_and_the_address_of_its_repository(tmp_path: Path) -> None:
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(HOME / name, tmp_path)
    script = [sys.executable, HOME / ".ci" / "absolute_links.py", "somebody/music", "v1.2.3"]
    subprocess.run(script, cwd=tmp_path, check=True)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert all(link.startswith("https://") for link in LINK.findall(text))
    assert "](https://github.com/somebody/music/blob/v1.2.3/docs/denoise.md)" in text
    assert "](https://raw.githubusercontent.com/somebody/music/v1.2.3/docs/examples/spectrograms.png)" in text
    assert LINK.sub("", text) == LINK.sub("", (HOME / "README.md").read_text(encoding="utf-8"))
    project = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    assert 'Issues = "https://github.com/somebody/music/issues"\n' in project
    assert "pypi.org" not in project
    assert project.count("[project.") == (HOME / "pyproject.toml").read_text(encoding="utf-8").count(
        "[project."
    )
