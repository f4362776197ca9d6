"""The house rules: imports point downwards, and the command line starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import musicdenoise

SOURCE = Path(musicdenoise.__file__).parent

# A package may import itself and what stands below it (docs/design.md).
LAYERS = [
    {"__main__"},
    {"cli"},
    {"serving", "fleet"},
    {"denoising", "training", "evaluation", "dataset"},
    {"data", "weights"},
    {"audio"},
    {"core"},
    {"runtime", "kinds"},
    {"errors"},
]
APART = [("denoising", "data")]  # further down, but none of its business
# The same inside `audio`.
AUDIO_LAYERS = [
    {"__init__"},
    {"embedded"},
    {"reader", "writer"},
    {"pipes"},
    {"backends"},
    {"bitrate", "identify"},
    {"tags"},
    {"containers"},
    {"folder", "dither", "target"},
    {"formats"},
    {"types"},
]
ONLY_IN = {
    "typer": {"cli"},
    "rich": {"cli"},
    "soundfile": {"audio/backends"},
    "av": {"audio/backends", "audio/pipes"},
    "onnx": {"weights"},
    "onnxruntime": {"weights"},
    "huggingface_hub": {"weights"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "mutagen": {"audio/tags", "audio/bitrate.py"},
    "fsspec": {"runtime/remote.py"},
    "distributed": {"fleet/workers.py"},
    "dask": {"fleet/workers.py"},
}
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            if node.module == "musicdenoise":
                names.update(f"musicdenoise.{alias.name}" for alias in node.names)
    return names


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def layer(name: str, layers: list[set[str]] = LAYERS) -> int:
    return next(i for i, rooms in enumerate(layers) if name in rooms)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path: Path) -> None:
    own = room(path)
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] == "musicdenoise" and len(parts) > 1 and parts[1] != own:
            assert layer(parts[1]) > layer(own), f"{path} imports {name}"
            assert (own, parts[1]) not in APART, f"{path} imports {name}"
        if parts[0] in ONLY_IN:
            place = path.relative_to(SOURCE).as_posix()
            assert any(place.startswith(allowed) for allowed in ONLY_IN[parts[0]]), f"{path} imports {name}"


@pytest.mark.parametrize("path", sorted((SOURCE / "audio").rglob("*.py")), ids=lambda path: path.name)
def test_imports_point_downwards_inside_audio(path: Path) -> None:
    own = path.relative_to(SOURCE / "audio").parts[0].removesuffix(".py")
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[:2] == ["musicdenoise", "audio"] and len(parts) > 2 and parts[2] != own:
            assert layer(parts[2], AUDIO_LAYERS) > layer(own, AUDIO_LAYERS), f"{path} imports {name}"


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\n"
        "from musicdenoise.cli.app import app\n"
        "for arguments in (['--help'], ['denoise', '--help'], ['train', '--help'], ['eval', '--help']):\n"
        "    try:\n"
        "        app(arguments)\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code, stop.code\n"
        "heavy = {'torch', 'torchaudio', 'numpy', 'scipy', 'av', 'soundfile', 'uvicorn'}\n"
        "heavy = (heavy | {'fsspec', 'distributed'}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


def test_public_names() -> None:
    assert sorted(musicdenoise.__all__) == musicdenoise.__all__
    for name in musicdenoise.__all__:
        assert name == "__version__" or getattr(musicdenoise, name).__name__ == name
    assert set(musicdenoise.__all__) <= set(dir(musicdenoise))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = musicdenoise.nothing


def test_denoising_starts_without_compiler_resampler_and_pictures(
    tmp_path: Path, write_wav, noisy_tune, mini_weights: Path
) -> None:
    song = write_wav("song.wav", noisy_tune[:, :20_000])
    code = (
        "import sys\n"
        "from musicdenoise.cli.app import app\n"
        f"sys.argv = ['musicdenoise', 'denoise', {str(song)!r}, '--weights', {str(mini_weights)!r}]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "slow = {'torch._dynamo', 'torch._inductor', 'sympy', 'torchaudio', 'scipy', 'matplotlib', 'av'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "song_denoised.wav").exists()
