"""Recipes: settings in TOML files, and what takes precedence over what."""

from dataclasses import replace
from pathlib import Path

import pytest

from musicdenoise.core.dcunet import DCUNetConfig
from musicdenoise.errors import ConfigurationError, UsageError
from musicdenoise.training.config import TrainConfig
from musicdenoise.training.recipe import Overrides, build_config, build_network, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_of_the_package_are_complete(name: str) -> None:
    config = build_config({"steps": 1, **load_recipe(name)})
    assert isinstance(config, TrainConfig)


def test_the_recipe_of_the_published_weights_is_the_default_but_for_length_and_optimizer() -> None:
    recipe = build_config(load_recipe("white"))
    changes = {"minutes": recipe.minutes, "validate_every_seconds": 480.0, "optimizer": "adamw"}
    assert recipe == build_config(changes)
    assert recipe.network == DCUNetConfig.tapered()


def test_the_reference_trains_its_own_network() -> None:
    config = build_config(load_recipe("reference"), Overrides(steps=5))
    assert config.network == DCUNetConfig.of_complexity(32, mask="component", level_reach=0)
    assert (config.schedule, config.batch_size, config.segment_frames) == ("onecycle", 4, 323)


def test_given_settings_take_precedence(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'minutes = 9.0\nseed = 3\nsegment_seconds = 3.7\n[network]\ncomplexity = 4\nmask = "polar"\n'
    )
    recipe = load_recipe(str(path))
    config = build_config(recipe, Overrides(batch_size=8, mask="component"))
    assert (config.minutes, config.seed, config.batch_size, config.segment_frames) == (9.0, 3, 8, 323)
    assert config.network == DCUNetConfig.of_complexity(4, mask="component")
    shortened = build_config(recipe, Overrides(steps=2))
    assert (shortened.minutes, shortened.steps) == (None, 2)


def test_the_network_of_initial_weights_is_kept() -> None:
    initial = DCUNetConfig.of_complexity(3)
    assert build_config({}, Overrides(steps=1), initial).network == initial
    other = build_config({}, Overrides(steps=1, complexity=2), initial).network
    assert other == DCUNetConfig.of_complexity(2)
    assert build_config(load_recipe("white"), initial=initial).network == initial


def test_what_a_recipe_says_without_channels_changes_the_network_of_initial_weights() -> None:
    initial = DCUNetConfig.of_complexity(3, profile_width=5)
    config = build_config({"network": {"compressions": [0.3]}, "steps": 1}, initial=initial)
    assert config.network == replace(initial, compressions=(0.3,))


def test_channels_of_the_recipes() -> None:
    assert build_config(load_recipe("gpu")).network == DCUNetConfig.deep(compressions=(0.3,))
    assert build_config(load_recipe("mixed")).network == DCUNetConfig.tapered(compressions=(0.3,))
    for initial in (DCUNetConfig.deep(), DCUNetConfig.tapered()):  # which the run begins with
        kept = replace(initial, profile_width=16, compressions=(0.3,))
        assert build_config(load_recipe("together"), initial=initial).network == kept


def test_a_profile_filter_is_put_behind_initial_weights() -> None:
    initial = DCUNetConfig.of_complexity(3, mask="component")
    config = build_config(load_recipe("profile"), initial=initial)
    assert config.network == replace(initial, profile_width=16)
    assert config.frozen_layers
    with pytest.raises(ConfigurationError, match="profile_width is 'wide'"):
        build_config({"network": {"profile_width": "wide"}, "steps": 1}, initial=initial)


def test_tables_of_channels_have_names() -> None:
    assert build_network({"channels": "tapered"}) == build_network({}) == DCUNetConfig.tapered()
    deep = build_network({"channels": "deep", "compressions": [0.3]})
    assert deep == DCUNetConfig.deep(compressions=(0.3,))
    for name in ("encoder_channels", "decoder_channels"):  # so that one widens into the other
        pairs = zip(getattr(DCUNetConfig.tapered(), name), getattr(deep, name), strict=True)
        assert all(few <= many for few, many in pairs)
    with pytest.raises(ConfigurationError, match=r'channels = "tapered" or "deep"'):
        build_network({"channels": "wide"})


def test_any_table_of_channels_can_be_given(tmp_path: Path) -> None:
    tapered = DCUNetConfig.tapered()
    path = tmp_path / "wide.toml"
    path.write_text(
        f"steps = 1\n[network]\nencoder_channels = {list(tapered.encoder_channels)}\n"
        f"decoder_channels = {list(tapered.decoder_channels)}\ncompressions = [0.3]\n"
    )
    assert build_config(load_recipe(str(path))).network == replace(tapered, compressions=(0.3,))
    for table in ({"encoder_channels": [1] * 10}, {"encoder_channels": 3, "decoder_channels": [1] * 10}):
        with pytest.raises(ConfigurationError, match="encoder_channels"):
            build_network(table)
    with pytest.raises(ConfigurationError, match=r"compressions is 0.3; it must be a list"):
        build_network({"compressions": 0.3})


def test_wrong_recipes_are_explained(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"no recipe 'magic': choose gpu, mixed, profile, recorded, reference, together, white",
    ):
        load_recipe("magic")
    path = tmp_path / "bad.toml"
    path.write_text("steps = ")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_recipe(str(path))
    path.write_text("speed = 3")
    with pytest.raises(ConfigurationError, match="unknown setting 'speed'"):
        load_recipe(str(path))
    for network in ({"complexity": 0}, {"channels": "wide"}, {"layers": 3}):
        with pytest.raises(ConfigurationError, match=r"complexity|network"):
            build_config({"steps": 1, "network": network})
    with pytest.raises(ConfigurationError, match="cannot be used"):
        build_config({"steps": 1, "stft": {"window": 3}})
    path.write_bytes("# Hörer\nsteps = 1".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"bad\.toml is not text in UTF-8"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('network = "deep"', r"network is 'deep'; .* below a line \[network\]"),
        ("stft = 512", r"stft is 512; it must be a table"),
        ("network = {mask = []}", r"cannot be used: unhashable"),
        ("snr_range_db = 5", r"snr_range_db is 5; it must be two numbers"),
        ("snr_range_db = [5]", r"snr_range_db is \[5\]; it must be two numbers"),
        ('target_snr_range_db = ["a", "b"]', r"target_snr_range_db is \['a', 'b'\]"),
        ("snr_range_db = [nan, 5]", r"snr_range_db is \[nan, 5\]"),
        ("segment_seconds = nan", r"segments of nan s"),
    ],
)
def test_values_of_other_types_are_explained(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"steps = 1\n{line}\n")
    with pytest.raises(ConfigurationError, match=message):
        build_config(load_recipe(str(path)))
