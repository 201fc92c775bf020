"""Where settings come from, and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from treadle.core.errors import ConfigError
from treadle.core.settings import Setting, load_settings


def config(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = config(tmp_path, 'model = "from-file"\nbase_url = "http://file"\n')
    settings = load_settings({"TREADLE_MODEL": "from-environment", "OTHER": "x"}, path)
    assert settings.values["model"] == Setting(
        "from-environment", "environment variable TREADLE_MODEL"
    )
    assert settings.values["base_url"] == Setting("http://file", f"config file {path}")
    assert settings.get("api_key") is None
    assert settings.environment["OTHER"] == "x"


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    path = config(tmp_path, 'model = "from-file"\n')
    assert load_settings({"TREADLE_MODEL": ""}, path).get("model") == "from-file"


def test_no_file_is_no_error(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path / "none.toml").values == {}


@pytest.mark.parametrize(
    "text",
    [
        "model = ",
        'modle = "typo"\n',
        "model = true\n",
        'model = ["a"]\n',
        '[model]\nname = "x"\n',
        "model = " + "[" * 10_000,
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    path = config(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings({}, path)
    assert caught.value.code == "bad_config_file"
    assert str(path) in caught.value.message


def test_what_is_no_text_file_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (binary, tmp_path):
        with pytest.raises(ConfigError, match="bad_config_file"):
            load_settings({}, path)


def test_numbers_are_checked(tmp_path: Path) -> None:
    path = config(tmp_path, "model_timeout = 2.5\n")
    assert load_settings({}, path).number("model_timeout", 60) == 2.5
    assert load_settings({}, tmp_path / "none").number("model_timeout", 60) == 60


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", "1e999"])
def test_a_number_that_makes_no_sense_names_its_source(tmp_path: Path, value: str) -> None:
    settings = load_settings({"TREADLE_MODEL_TIMEOUT": value}, tmp_path / "none")
    with pytest.raises(ConfigError, match="TREADLE_MODEL_TIMEOUT"):
        settings.number("model_timeout", 60)
