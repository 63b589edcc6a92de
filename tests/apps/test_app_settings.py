"""A service that is open to a network asks for a token."""

from __future__ import annotations

import pytest

from lungscan_monai.apps.app_settings import AppSettings, is_token, read_token, require_token_beyond_loopback
from lungscan_monai.errors import ConfigError


def test_settings_survive_the_way_through_a_command_line():
    settings = AppSettings(("a b", 'c"d'), ("example.org",), "/t", "id")
    assert AppSettings.from_argument(settings.to_argument()) == settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_beyond_this_machine_a_token_is_needed(host, tmp_path):
    with pytest.raises(ConfigError, match="--token-file"):
        require_token_beyond_loopback(host, None)
    (tmp_path / "token").write_text("0123456789abcdef\n")
    require_token_beyond_loopback(host, tmp_path / "token")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_this_machine_none_is(host):
    require_token_beyond_loopback(host, None)


def test_a_short_or_missing_token_is_refused(tmp_path):
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(ConfigError, match="at least 16"):
        read_token(tmp_path / "token")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path / "nothing")


def test_only_the_right_token_is_the_token():
    assert is_token("0123456789abcdef", "0123456789abcdef")
    assert not is_token("0123456789abcdeF", "0123456789abcdef")
    assert not is_token("", "0123456789abcdef")
