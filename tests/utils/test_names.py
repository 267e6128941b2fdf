"""Names never lead to another file or folder than their own."""

import pytest

from utils.names import is_area, is_area_of_city, is_name


@pytest.mark.parametrize("text", ["demo", "New York", "zürich-2", "東京", "_5kU", "a.b", "a" * 240, "ä" * 120])
def test_names(text):
    assert is_name(text) and is_area(text) and is_area_of_city(f"{text}/{text}")


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "-a", "/", "/a", "a/", "a/b", "../a", "a\nb", "a\0b", "a\tb", " a", "a ", "a\udcff",
                                  "a" * 241, "ä" * 121, "\u200b"])  # fmt: skip
def test_others(text):
    assert not is_name(text) and not is_area(text) and not is_area_of_city(f"demo/{text}") and not is_area_of_city(f"{text}/test")


@pytest.mark.parametrize("value", [None, 5, ["a"], True])
def test_what_is_no_text(value):
    assert not is_name(value) and not is_area(value) and not is_area_of_city(value)


def test_the_map_is_no_area():
    assert is_name("map") and not is_area("map") and not is_area_of_city("demo/map") and is_area_of_city("map/test")


def test_ids_may_start_with_a_dash():
    assert is_name("-0hT4k", may_start_with_dash=True) and not is_name("-0hT4k")
