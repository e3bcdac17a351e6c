"""Dataclasses from mappings: what is accepted becomes what was written, all else is refused by its full name."""

from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threephase.base.errors import UserError
from threephase.study.schema import (
    both,
    build,
    checked,
    distinct,
    named,
    none_twice,
    not_empty,
    number,
    one_of,
    read_yaml,
    refuse_unknown,
)

FILE = Path("some/params.yaml")


@dataclass(frozen=True)
class Inner:
    rate: float = checked(number(above=0, most=1))
    name: str = "unnamed"


@dataclass(frozen=True)
class Outer:
    count: int
    inner: Inner
    ratio: float | None = checked(number(least=0))
    per_variant: float | dict[str, float] = checked(number(above=0), default=1.0)
    length: int | str = 3
    names: list[str] = checked(distinct, default_factory=list)
    sections: dict[str, Inner] = field(default_factory=dict)
    flag: bool = False


MINIMAL = {"count": 1, "inner": {"rate": 0.5}, "ratio": None}


def test_build_keeps_what_was_written_and_fills_in_defaults():
    built = build(Outer, MINIMAL | {"names": ["a"], "sections": {"one": {"rate": 1}}, "length": "model"}, FILE)
    one = Inner(rate=1.0)
    assert built == Outer(1, Inner(0.5, "unnamed"), None, 1.0, "model", ["a"], {"one": one}, False)
    assert isinstance(built.sections["one"].rate, float)
    with pytest.raises(FrozenInstanceError):
        built.count = 2


REFUSED = [
    ({"count": 1.0}, "count: got 1.0, expected a whole number"),
    ({"count": True}, "count: got true, expected a whole number"),
    ({"count": "1"}, "count: got '1', expected a whole number"),
    ({"count": None}, "count: got null, expected a whole number"),
    ({"inner": 1}, "inner: got 1, expected a mapping of keys"),
    ({"inner": None}, "inner: got null, expected a mapping of keys"),
    ({"inner": {}}, "inner.rate: the key is missing, expected a number"),
    ({"inner": {"rate": True}}, "inner.rate: got true, expected a number"),
    ({"inner": {"rate": "0.5"}}, "inner.rate: got '0.5', expected a number"),
    ({"inner": {"rate": None}}, "inner.rate: got null, expected a number"),
    ({"inner": {"rate": 0}}, "inner.rate: got 0, expected a number above 0 and at most 1"),
    ({"inner": {"rate": float("inf")}}, "inner.rate: got inf, expected a number"),
    ({"inner": {"rate": 1, "nam": "x"}}, "inner.nam: unknown key (did you mean 'name'?), expected one of: rate, name"),
    ({"inner": {"rate": 1, "name": 7}}, "inner.name: got 7, expected a text"),
    ({"inner": {"rate": 1, "zzz": 7}}, "inner.zzz: unknown key, expected one of: rate, name"),
    ({"inner": {"rate": 1, 5: 7}}, "inner.5: unknown key, expected one of: rate, name"),
    ({"ratio": -1}, "ratio: got -1, expected a number at least 0"),
    ({"ratio": "none"}, "ratio: got 'none', expected a number or null"),
    ({"per_variant": {"ft": -1.0}}, "per_variant: got {'ft': -1.0}, expected a number above 0"),
    ({"per_variant": {"ft": "fast"}}, "per_variant.ft: got 'fast', expected a number"),
    ({"per_variant": [1.0]}, "per_variant: got [1.0], expected a number or a mapping, each value a number"),
    ({"length": 1.5}, "length: got 1.5, expected a whole number or a text"),
    ({"length": [1]}, "length: got [1], expected a whole number or a text"),
    ({"names": "ab"}, "names: got 'ab', expected a list, each entry a text"),
    ({"names": ["a", 1]}, "names[1]: got 1, expected a text"),
    ({"names": ["a", "a"]}, "names: got ['a', 'a'], expected a list of at least one entry, none of them twice"),
    ({"sections": {"one": {"rate": 2}}}, "sections.one.rate: got 2, expected a number above 0 and at most 1"),
    ({"sections": ["one"]}, "sections: got ['one'], expected a mapping, each value a mapping of keys"),
    (
        {"sections": {1: {"rate": 1}, "1": {"rate": 1}}},
        "sections: got {1: {'rate': 1}, '1': {'rate': 1}}, expected keys",
    ),
    ({"count": 10**16}, "count: got 10000000000000000, expected a whole number"),
    ({"count": 10**400}, "count: got 1000000000000"),
    ({"inner": {"rate": 10**400}}, "inner.rate: got 1000000000000"),
    ({"ratio": -1e16}, "ratio: got -1e+16, expected a number or null"),
    ({"flag": 1}, "flag: got 1, expected true or false"),
    ({"flag": "yes"}, "flag: got 'yes', expected true or false"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_refused_by_full_name(changes, said):
    with pytest.raises(UserError) as refusal:
        build(Outer, MINIMAL | changes, FILE)
    assert str(refusal.value).startswith(f"some/params.yaml: {said}")


@pytest.mark.parametrize("key", MINIMAL)
def test_a_missing_key_is_refused(key):
    with pytest.raises(UserError, match=f"^some/params.yaml: {key}: the key is missing, expected "):
        build(Outer, {name: value for name, value in MINIMAL.items() if name != key}, FILE)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(UserError) as refusal:
        build(Outer, MINIMAL | {"count": "x" * 1000}, FILE)
    assert len(str(refusal.value)) < 200


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bounds(value):
    assert (number(above=0, below=1)(value) is None) == (0 < value < 1)
    assert (number(least=0, most=1)(value) is None) == (0 <= value <= 1)
    assert (number(least=2)([5, value]) is None) == (value >= 2)
    assert (number(most=2)({"a": value, "b": 1}) is None) == (value <= 2)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5)))
def test_distinct(values):
    assert (distinct(values) is None) == (0 < len(values) == len(set(values)))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5)))
def test_none_twice_takes_an_empty_list_too(values):
    assert (none_twice(values) is None) == (len(values) == len(set(values)))


def test_checks_say_what_is_expected():
    assert one_of("a", None, True)("b") == "one of: 'a', null, true"
    assert one_of("a", None, True)("a") is None
    assert none_twice([1, 1]) == "a list, none of its entries twice"
    assert not_empty("") and not_empty({}) and not not_empty([0])
    assert both(distinct, number(above=0))([1, 1]) == distinct([1, 1])
    assert both(distinct, number(above=0))([1, 0]) == "a number above 0"
    assert both(distinct, number(above=0))([1, 2]) is None


@pytest.mark.parametrize("name", ["a", "7", "bbc_ten_seeds", "a" * 60])
def test_a_name(name):
    assert named(name) is None and named([name, "b"]) is None and named({name: 1}) is None


@pytest.mark.parametrize("name", ["", "_a", "A", "a-b", "a b", "a.b", "../a", "a;b", "$(a)", "é", "a\n", "a" * 61])
def test_what_is_no_name(name):
    expected = "a name of at most 60 small letters, digits and _ that begins with no _"
    assert named(name) == expected
    for value in (["a", name], {"a": 1, name: 2}):
        assert named(value).startswith(f"{expected}, unlike ")


def test_refuse_unknown():
    refuse_unknown(FILE, "variants", "ft", ["ft"])
    with pytest.raises(UserError, match=r"^some/params.yaml: variants: got 'tf', expected one of: ft, joint$"):
        refuse_unknown(FILE, "variants", "tf", ["ft", "joint"])
    with pytest.raises(UserError, match=r"expected one of: \(none\)$"):
        refuse_unknown(FILE, "variants", "tf", [])


def test_yaml_is_read_as_version_1_2(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("rate: 2e-05\nswitch: yes\nday: off\ncount: 010\ntext: naïve\n", encoding="utf-8")
    assert read_yaml(file) == {"rate": 2e-05, "switch": "yes", "day": "off", "count": 10, "text": "naïve"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: 2\na: 3\n", ', line 3: found duplicate key "a"'),
        (b"a: {b: 1, c: 2, b: 1}\n", ', line 1: found duplicate key "b"'),
        (b"a: [1\nb: 2\n", ", line 2: expected"),
        (b"a: \tb: 1\n", ", line 1: "),
        (b"a: caf\xe9\n", ": "),
        (b"a: \x00\n", ": "),
        (b"", ": got null, expected a mapping of keys"),
        (b"- a\n", ": got ['a'], expected a mapping of keys"),
        (b"a: 2024-13-45\n", ": month must be in 1..12"),
        (b"a: " + b"9" * 5000, ": Exceeds the limit"),
        (b"a: 0x" + b"f" * 5000, ": Exceeds the limit"),
        (b"a: " + b"[" * 21 + b"]" * 21, ", line 1: "),
        (b"a: &a [*a]\n", ": got more than a file of parameters holds"),
        (b"a: &a [1]\n" + b"".join(b"b%d: &b%d [*b%d]\n" % (n, n, n - 1) for n in range(1, 2)), ", line 2: "),
        (
            b"a0: &a0 [1, 2]\n" + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b"*a%d," % (n - 1) * 9) for n in range(1, 30)),
            ": got",
        ),
        (b"a0: &a0 [1]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(1, 30)), ": got more than"),
        (b"a: [" + b"1," * 20_001 + b"]\n", ": got more than a file of parameters holds"),
        (b"a: " + b"x" * 200_001, ": got more than a file of parameters holds"),
    ],
)
def test_what_is_not_a_mapping_in_yaml_is_refused(tmp_path, content, said):
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        read_yaml(file)
    assert str(refusal.value).startswith(f"{file}{said}") and "\n" not in str(refusal.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="Is a directory; expected a YAML file of parameters$"):
        read_yaml(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="params.yaml: no such file; expected a YAML file of parameters"):
        read_yaml(tmp_path / "params.yaml")
