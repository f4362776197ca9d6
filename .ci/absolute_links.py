"""Make the README and the metadata fit for PyPI, which shows them without the repository around them.

``python .ci/absolute_links.py OWNER/NAME TAG`` changes README.md and pyproject.toml in the current folder:
links and pictures lead to the files of that tag, and the package names its repository.
"""

import re
import sys
from pathlib import Path


def absolute_readme(text: str, repository: str, tag: str) -> str:
    """The README with absolute addresses."""
    pages, files = (
        f"https://github.com/{repository}/blob/{tag}/",
        f"https://raw.githubusercontent.com/{repository}/{tag}/",
    )

    def absolute(link: re.Match[str]) -> str:
        mark, text, target = link.groups()
        return f"{mark}[{text}]({files if mark else pages}{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)", absolute, text)


def with_urls(text: str, repository: str, tag: str) -> str:
    """The pyproject.toml with the addresses of the repository."""
    place = f"https://github.com/{repository}"
    urls = {
        "Homepage": place,
        "Documentation": f"{place}/blob/{tag}/docs/index.md",
        "Changelog": f"{place}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{place}/issues",
    }
    lines = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    return re.sub(r"(?<=\[project\.urls\]\n)(\w+ = .*\n)+", lines, text)


def main() -> None:
    """Change the files of the current folder."""
    repository, tag = sys.argv[1:]
    for name, change in (("README.md", absolute_readme), ("pyproject.toml", with_urls)):
        path = Path(name)
        path.write_text(change(path.read_text(encoding="utf-8"), repository, tag), encoding="utf-8")


if __name__ == "__main__":
    main()
