import pytest

from createos_mcp.contract.setting_rows import SEALING_BYTES, base_path, number, sealing_key


@pytest.mark.parametrize("raw", ["0", "0.0", "-1", "61", "nan", "inf", "ten", ""])
def test_a_number_is_above_zero_and_within_its_limit(raw: str) -> None:
    with pytest.raises(ValueError, match="expected a number of seconds up to 60"):
        number("seconds", 60)(raw)


def test_zero_is_a_number_where_it_means_something() -> None:
    assert number("seconds", 60, zero=True)("0") == 0
    assert number("seconds", 60)("60") == 60


def test_a_sealing_key_has_a_least_length_in_bytes_and_is_not_repeated() -> None:
    assert sealing_key("x" * SEALING_BYTES) == "x" * SEALING_BYTES
    assert sealing_key("ü" * (SEALING_BYTES // 2)) == "ü" * (SEALING_BYTES // 2)
    with pytest.raises(ValueError, match=f"at least {SEALING_BYTES}") as refusal:
        sealing_key("x" * (SEALING_BYTES - 1))
    assert "xxx" not in str(refusal.value)


@pytest.mark.parametrize(
    ("raw", "path"), [("/", ""), ("/createos", "/createos"), ("/team/createos/", "/team/createos")]
)
def test_a_base_path_has_no_slash_at_its_end(raw: str, path: str) -> None:
    assert base_path(raw) == path


@pytest.mark.parametrize("raw", ["createos", "/a b", "/a//b", "/a?b", "https://example.com/a"])
def test_what_is_not_a_path_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="expected a path such as /createos"):
        base_path(raw)
