"""Recipes are read strictly: whatever cannot be used is refused in one line that names the file and the key."""

import string
from dataclasses import asdict, dataclass, field
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.reader import from_mapping, read_settings, to_yaml
from utils.errors import InputError


@dataclass
class Inner:
    width: int
    names: list[str] = field(default_factory=list)
    mode: Literal["fast", "exact"] = "fast"

    def __post_init__(self):
        if self.width < 0:
            raise InputError(f"width is {self.width}, it takes 0 or more")


@dataclass
class Outer:
    rate: float
    inner: Inner
    other: Inner | None = None
    widths: list[int] = field(default_factory=lambda: [1, 2])
    deep: bool = False
    title: str = "none"
    limit: float | None = None


GOOD = {"rate": 0.5, "inner": {"width": 3}}


@pytest.fixture
def refusal(tmp_path):
    """The message with which a recipe is refused, without the file's name at its beginning. It must be one line."""
    path = tmp_path / "recipe.yaml"

    def refuse(recipe, *overrides):
        path.write_text(recipe if isinstance(recipe, str) else yaml.safe_dump(recipe))
        with pytest.raises(InputError) as caught:
            read_settings(Outer, path, overrides)
        message = str(caught.value)
        assert "\n" not in message and message.startswith(f"{path}: ")
        return message.removeprefix(f"{path}: ")

    return refuse


@pytest.fixture
def read(tmp_path):
    def read(recipe, *overrides):
        (tmp_path / "recipe.yaml").write_text(recipe if isinstance(recipe, str) else yaml.safe_dump(recipe))
        return read_settings(Outer, tmp_path / "recipe.yaml", overrides)

    return read


def test_values_and_defaults(read):
    settings = read(GOOD | {"other": {"width": 1, "mode": "exact", "names": ["a", "b"]}, "deep": True})
    assert settings == Outer(0.5, Inner(3), Inner(1, ["a", "b"], "exact"), [1, 2], True, "none", None)


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("2", 2.0), ("1_0.5", 10.5), ("-.5", -0.5), ("1E5", 1e5)])
def test_every_spelling_of_a_number_is_a_float(read, text, value):
    settings = read(f"rate: {text}\ninner: {{width: 1}}\nlimit: {text}\n")
    assert settings.rate == settings.limit == value and type(settings.rate) is type(settings.limit) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rat": 1.0}, "unknown key rat; did you mean 'rate'?"),
        ({"inner": {"width": 1, "nmes": []}}, "unknown key inner.nmes; did you mean 'names'?"),
        ({"zzz": 1}, "unknown key zzz; known here: rate, inner, other, widths, deep, title, limit"),
        ({5: 1}, "unknown key 5; known here: rate, inner, other, widths, deep, title, limit"),
        ({"other": {}}, "required key other.width is missing; it takes a whole number"),
        ({"rate": "fast"}, "rate is 'fast', it takes a number"),
        ({"rate": None}, "rate is None, it takes a number"),
        ({"rate": True}, "rate is True, it takes a number"),
        ({"rate": [1]}, "rate is [1], it takes a number"),
        ({"inner": {"width": 1.0}}, "inner.width is 1.0, it takes a whole number"),
        ({"inner": {"width": True}}, "inner.width is True, it takes a whole number"),
        ({"inner": {"width": "1"}}, "inner.width is '1', it takes a whole number"),
        ({"inner": {"width": -1}}, "inner.width is -1, it takes 0 or more"),
        ({"other": {"width": -1}}, "other.width is -1, it takes 0 or more"),
        ({"inner": 5}, "inner is 5, it takes a mapping with the keys width, names, mode"),
        ({"inner": None}, "inner is None, it takes a mapping with the keys width, names, mode"),
        ({"other": [1]}, "other is [1], it takes a mapping with the keys width, names, mode"),
        ({"inner": {"width": 1, "mode": "exat"}}, "inner.mode is 'exat', it takes one of fast, exact; did you mean 'exact'?"),
        ({"inner": {"width": 1, "mode": 3}}, "inner.mode is 3, it takes one of fast, exact"),
        ({"widths": 3}, "widths is 3, it takes a list of a whole number"),
        ({"widths": [1, "2"]}, "widths[1] is '2', it takes a whole number"),
        ({"inner": {"width": 1, "names": ["a", 2]}}, "inner.names[1] is 2, it takes a text"),
        ({"deep": 1}, "deep is 1, it takes true or false"),
        ({"title": 1}, "title is 1, it takes a text"),
        ({"limit": "none"}, "limit is 'none', it takes a number"),
        ({"rate": float("nan")}, "rate is nan, it takes a number"),
        ({"limit": float("inf")}, "limit is inf, it takes a number"),
    ],
)
def test_refusals(refusal, change, message):
    assert refusal(GOOD | change) == message


def test_a_missing_key_is_named(refusal):
    assert refusal({"inner": {"width": 1}}) == "required key rate is missing; it takes a number"
    assert refusal({"rate": 1.0}) == "required key inner is missing; it takes a mapping with the keys width, names, mode"


@pytest.mark.parametrize("text", ["rate: [1", "a: b: c", "\tx: 1", "? [a]\n: 1", "!!python/object:os.system {}", '"\\x"', "a: *b"])
def test_broken_yaml(refusal, text):
    assert refusal(text).startswith("not valid YAML (")


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(9))
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}\n" for i in range(9))


@pytest.mark.parametrize(("text", "message"), [
    (LAUGHS, "more than 10,000 values, its aliases (*) written out"), (MERGES, "more than 10,000 values"),
    ("a: &a [*a]", "more than 10,000 values"), ("a: &a {b: *a}", "more than 10,000 values"), ("[" * 100_000, "nested too deeply"),
    ("{a: " * 5_000, "nested too deeply"), ("- " * 9_000 + "x", "nested too deeply"),
    ("rate: 1\n" + "#" * 2**18, "more than 262,144 bytes"),
    ("rate: !!bool x", "not valid YAML"), ("rate: !!timestamp x", "not valid YAML"), ("rate: !!int x", "not valid YAML"),
    ("rate: " + "9" * 5000, "not valid YAML"),
    ("rate: 0x" + "9" * 5000, "a whole number of more than 64 bits, line 1"),
    ("? [a, b]\n: 1", "not valid YAML"), ("rate: 2020-99-99", "not valid YAML"),
])  # fmt: skip
def test_yaml_that_takes_memory_or_makes_its_reader_stumble(refusal, text, message):
    assert len(text) < 10**6
    told = refusal(text)
    assert message in told and len(told) < 700


def test_what_a_message_shows_of_a_value_is_short(refusal):
    assert len(refusal(GOOD | {"rate": "x" * 10_000})) < 300 and len(refusal(GOOD | {"x" * 10_000: 1})) < 400


def test_many_keys_are_compared_at_once(refusal):
    assert "more than 10,000 values" in refusal("".join(f"k{i}: 1\n" for i in range(20_000)))


def test_aliases_of_a_few_values_are_read(read, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("rate: 1\ninner: &i {width: 1, names: [a]}\nother: {<<: *i, mode: exact}\n")
    assert read_settings(Outer, path).other == Inner(1, ["a"], "exact")


def test_what_is_merged_may_be_merged_and_changed_before(tmp_path):
    @dataclass
    class Recipe:
        first: Outer
        second: Inner

    path = tmp_path / "a.yaml"
    path.write_text("first:\n  rate: 1\n  inner: &i\n    <<: {width: 1, mode: exact}\n    width: 2\nsecond:\n  <<: *i\n  names: [a]\n")
    recipe = read_settings(Recipe, path)
    assert (recipe.first.inner, recipe.second) == (Inner(2, [], "exact"), Inner(2, ["a"], "exact"))


@pytest.mark.parametrize("text", ["rate: 1\nrate: 2\n", "inner: {width: 1, width: 2}\nrate: 1\n"])
def test_a_key_counts_once(refusal, text):
    assert "appears twice" in refusal(text)


def test_null_is_the_default_where_there_is_one(tmp_path):
    def read(*overrides):
        path = tmp_path / "a.yaml"
        path.write_text(yaml.safe_dump(GOOD))
        return read_settings(Outer, path, overrides)

    assert read("limit=2.5").limit == 2.5 and read("limit=2.5", "limit=null").limit is None
    assert read("inner.mode=exact", "inner.mode=null").inner.mode == "fast"


@pytest.mark.parametrize(("text", "found"), [("", "NoneType"), ("- 1", "list"), ("5", "int"), ("rate", "str")])
def test_a_recipe_is_a_mapping(refusal, text, found):
    assert refusal(text) == f"a recipe is a mapping of keys to values, found {found}"


def test_unreadable_files(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError) as caught:
            read_settings(Outer, path)
        assert str(caught.value).startswith(f"{path}: cannot read this recipe (") and "\n" not in str(caught.value)
    (tmp_path / "latin.yaml").write_bytes("title: é".encode("latin-1"))
    with pytest.raises(InputError, match="latin.yaml: not valid YAML"):
        read_settings(Outer, tmp_path / "latin.yaml")


def test_overrides_win_and_the_last_one_counts(read):
    settings = read(GOOD, "inner.width=7", "rate=1e-3", "widths=[5]", "deep=true", "other.width=1", "title=a=b", "rate=2e-3")
    assert settings == Outer(2e-3, Inner(7), Inner(1), [5], True, "a=b")
    assert read(GOOD | {"other": {"width": 1}}, "other=null").other is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("inner.widht=5", "unknown key inner.widht; did you mean 'width'?"),
        ("inner.width=", "inner.width is None, it takes a whole number"),
        ("inner.width=5 m", "inner.width is '5 m', it takes a whole number"),
        ("rate.deep=1", "rate is {'deep': 1}, it takes a number"),
        ("inner.width=-2", "inner.width is -2, it takes 0 or more"),
    ],
)
def test_overrides_are_checked_like_the_file(refusal, override, message):
    assert refusal(GOOD, override) == message


@pytest.mark.parametrize("override", ["rate", "=5", "", "rate=[1", "rate=a: b: c", "rate=!!bool x", "rate=" + "[" * 9_000])
def test_what_is_no_override(read, override):
    with pytest.raises(InputError) as caught:
        read(GOOD, override)
    message = str(caught.value)
    assert message.startswith(repr(override)[:200]) and "\n" not in message and len(message) < 400
    assert ("key.path=value" in message) == ("=" not in override[1:])


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
inners = st.builds(Inner, st.integers(0, 2**70), st.lists(names, max_size=3), st.sampled_from(["fast", "exact"]))
numbers = st.floats(allow_nan=False, allow_infinity=False)
outers = st.builds(Outer, numbers, inners, st.none() | inners, st.lists(st.integers(-9, 9), max_size=3), st.booleans(), names,
                   st.none() | numbers)  # fmt: skip


@given(outers)
def test_round_trip(settings):
    text = to_yaml(settings)
    assert from_mapping(Outer, yaml.safe_load(text), "recipe") == settings
    assert yaml.safe_load(text) == asdict(settings)


simple = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(string.ascii_letters, max_size=5)
keys = st.sampled_from(["rate", "inner", "other", "widths", "deep", "title", "limit", "width", "names", "mode"]) | st.integers()
anything = st.recursive(simple, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=4), max_leaves=8)


@given(st.dictionaries(keys, anything, max_size=7))
def test_any_mapping_is_read_or_refused_in_one_line(mapping):
    try:
        settings = from_mapping(Outer, mapping, "recipe")
    except InputError as error:
        assert str(error).startswith("recipe: ") and "\n" not in str(error)
    else:
        assert {type(settings.rate), type(settings.inner.width), type(settings.deep), type(settings.title)} == {float, int, bool, str}
