"""Words and characters: what a text is split into, that nothing is lost, and which of the two is proposed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threephase.data.scripts import has_no_spaces, proposed_units, share_without_spaces
from threephase.data.units import join_units, split_units
from threephase.study.source_params import CHARACTERS, WORDS

# Latin with marks, Chinese, Japanese, Thai with marks, Burmese, Korean, Devanagari, signs, an emoji of several parts.
letters = st.sampled_from([*"ae9 \u0301我的。かカー", *"ที่กำ", *"မြန်", *"한नि", *"'.-", "👩\u200d👧", "\u200b"])
texts = (
    st.lists(letters | st.characters(exclude_categories=["Cs"]), max_size=20).map("".join).map(str.split).map(" ".join)
)


@given(texts, st.sampled_from([WORDS, CHARACTERS]))
def test_all_units_together_are_the_text(text, units):
    parts = split_units(text, units)
    assert join_units(parts, units) == text
    assert bool(parts) == bool(text) and all(part.strip() for part in parts)


@given(texts)
def test_words_are_what_white_space_parts(text):
    assert split_units(text, WORDS) == text.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我喜欢 iPhone 15，很好。", ["我", "喜", "欢", " iPhone", " 15", "，", "很", "好", "。"]),
        ("ข้าวที่ ร้าน", ["ข้", "า", "ว", "ที่", " ร้", "า", "น"]),
        ("カタカナとひらがな", [*"カタカナとひらがな"]),
        ("ភាសាខ្មែរ", ["ភា", "សា", "ខ្មែ", "រ"]),
        ("བོད་སྐད", ["བོ", "ད", "་", "སྐ", "ད"]),
        ("한국어 문장", ["한국어", " 문장"]),
        ("cafe\u0301 नमस्ते", ["cafe\u0301", " नमस्ते"]),
    ],
)
def test_characters_keep_their_marks_and_words_of_other_scripts_stay_whole(text, expected):
    assert split_units(text, CHARACTERS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("很好", True),
        ("我喜欢 iPhone 15，很好。", True),
        ("ฉันชอบกินข้าว ที่ร้านนี้", True),
        ("မြန်မာဘာသာ", True),
        ("日本語のテキストです", True),
        # Parted by somebody, for a program that wants words.
        ("我 喜欢 苹果", False),
        ("ฉัน ชอบ กิน ข้าว", False),
        ("한국어 문장 입니다", False),
        ("the word 猫 is Chinese", False),
        ("unbelievable", False),
        ("नमस्ते दुनिया", False),
        ("", False),
        ("!!! ???", False),
    ],
)
def test_texts_without_spaces_are_known_by_their_script(text, expected):
    assert has_no_spaces(text) == expected


def test_characters_are_proposed_where_half_of_the_texts_have_no_spaces():
    assert share_without_spaces(["很好", "good"]) == 0.5 and share_without_spaces([]) == 0
    assert proposed_units(["很好", "good"]) == CHARACTERS
    assert proposed_units(["很好", "good", "bad"]) == proposed_units([]) == WORDS
