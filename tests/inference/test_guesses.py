"""What a column is taken for, and what its comment says."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sidecar.inference import Profile, Roles, guess_table

from .desk import infer


def column(values: list[Any], name: str = "x", **how: Any) -> Any:
    return infer([{name: value} for value in values], **how)


def keys(values: list[Any], name: str = "x", **how: Any) -> dict[str, str]:
    return dict(column(values, name, **how).guess(name).keys)


AGES = [18 + index % 60 for index in range(1000)]


class TestNumbers:
    def test_whole_numbers_get_room_and_keep_their_sign(self) -> None:
        inferred = column(AGES)
        assert inferred.guess("x").keys == {"type": "int", "min": "3", "max": "92"}
        assert "seen in 1000 of 1000 rows; whole numbers 18 to 77" in inferred.comment("x")
        assert inferred.refuses({"x": -999}) == ("x.min",)
        assert inferred.refuses({"x": 40.5}) == ("x.type",)

    def test_a_few_rows_have_seen_little(self) -> None:
        assert keys([10, 12]) == {"type": "int", "min": "8", "max": "14"}

    def test_never_below_zero_when_nothing_was(self) -> None:
        assert keys([1.0, 400.0, 20.5])["min"] == "0"
        assert keys([-1.0, -400.0, -20.5])["max"] == "0"

    def test_a_share_is_recognised(self) -> None:
        inferred = column([0.1, 0.5, 0.93])
        assert inferred.guess("x").keys == {"type": "float", "min": "0", "max": "1"}
        assert "taken for a share" in inferred.comment("x")

    def test_a_flag_is_recognised(self) -> None:
        assert "a flag?" in column([0, 1, 1, 0]).comment("x")

    def test_an_outlier_is_let_in_and_shown_beside_the_quantiles(self) -> None:
        inferred = column([*AGES, *AGES, 5000])
        assert inferred.refuses({"x": 5000}) == ()
        assert "whole numbers 18 to 5000 (0.1 %: 18, median 47, 99.9 %: 77)" in inferred.comment("x")

    def test_a_constant_says_so_and_is_not_pinned(self) -> None:
        inferred = column([7] * 50)
        assert inferred.guess("x").keys == {"type": "int", "min": "0"}
        assert "constant" in inferred.comment("x")
        assert inferred.guess("x").looks == ("constant",)

    def test_whole_numbers_that_are_all_different_may_be_an_identifier(self) -> None:
        assert "nearly unique; an identifier?" in column(list(range(100, 200))).comment("x")
        assert keys(list(range(100, 200)), "customer_id") == {"type": "int", "role": "key", "min": "0"}

    def test_a_person_knows_better(self) -> None:
        assert keys([3, 3, 4], keys=["x"])["role"] == "key"

    def test_no_bound_is_rounded_across_what_was_seen(self) -> None:
        values = [2**60 + 1, 2**60 + 2, float(2**60)]  # doubles are 256 apart there
        inferred = column(values)
        assert [inferred.refuses({"x": value}) for value in values] == [(), (), ()]

    def test_numbers_beyond_two_to_the_53_are_pointed_out(self) -> None:
        assert "2^53" in column([2**60, 2**60 + 1]).comment("x")


class TestSentinels:
    def test_what_stands_apart_is_taken_for_missing(self) -> None:
        inferred = column([*AGES, -999, -999, 999999])
        assert inferred.guess("x").keys["missing_values"] == "[-999, 999999]"
        assert inferred.guess("x").keys["max"] == "92"
        assert "-999 (2 rows), 999999 (1 row)" in inferred.comment("x")

    @pytest.mark.parametrize("lexical", [True, False])
    def test_the_only_negative_is_one_however_far_the_others_reach(self, lexical: bool) -> None:
        incomes: list[Any] = [index * 1000.5 for index in range(100)]
        inferred = column([str(each) if lexical else each for each in [*incomes, -999]], lexical=lexical)
        assert inferred.guess("x").keys["missing_values"] == "[-999]"
        assert inferred.guess("x").keys["min"] == "0"
        assert inferred.refuses({"x": "-500" if lexical else -500}) == ("x.min",)
        debts = column([*incomes, -1000.5, -999])
        assert "missing_values" not in debts.guess("x").keys
        few = column([5, 80_000, -999])
        assert "missing_values" not in few.guess("x").keys

    def test_what_is_among_the_others_is_a_number(self) -> None:
        inferred = column([*range(-2000, 2000, 10), 999, -999])
        assert "missing_values" not in inferred.guess("x").keys

    def test_the_only_negative_is_asked_about(self) -> None:
        inferred = column([*AGES, -1])
        assert "-1 is the only negative (1 row)" in inferred.comment("x")
        assert inferred.refuses({"x": -1}) == ()

    def test_words_among_numbers(self) -> None:
        found = keys(["5", "7", "N/A", "", "?", "12"], lexical=True)
        assert found["type"] == "int"
        assert found["missing_values"] == '["?", "N/A"]'
        assert found["nullable"] == "true"

    def test_nan_and_infinity(self) -> None:
        found = keys([1.5, float("nan"), float("inf"), 2.5])
        assert found["missing_values"] == "[NaN, Infinity]"

    def test_the_first_day_of_unix_in_a_column_of_days(self) -> None:
        inferred = column(["2024-03-01", "2025-04-02", "1970-01-01"], lexical=True)
        assert inferred.guess("x").keys["missing_values"] == '["1970-01-01"]'
        births = column(["1950-03-01", "1985-04-02", "1970-01-01"], lexical=True)
        assert "missing_values" not in births.guess("x").keys

    def test_an_empty_text_in_json(self) -> None:
        assert keys(["a", "b", ""])["missing_values"] == '[""]'


class TestWordsAmongNumbers:
    """What a hundred numbers and one word are: numbers, and a word for nothing."""

    @pytest.mark.parametrize("lexical", [True, False])
    def test_few_words_among_many_numbers_are_missing_values(self, lexical: bool) -> None:
        values: list[Any] = [str(age) if lexical else age for age in AGES]
        values += ["withheld", "withheld", "N/A", "not asked", "true"]
        inferred = column(values, lexical=lexical)
        assert inferred.guess("x").keys == {
            "type": "int", "min": "3", "max": "92", "nullable": "true",
            "missing_values": '["N/A", "not asked", "true", "withheld"]',
        }  # fmt: skip
        assert '"withheld" (2 rows)' in inferred.comment("x")
        assert "0.4 % are words: if they mean something, this is no number" in inferred.comment("x")
        assert "text among numbers" in inferred.guess("x").looks
        assert inferred.judge([{"x": value} for value in values]).would == "repaired"
        assert inferred.refuses({"x": "retired"}) == ("x.type",)

    def test_one_in_a_hundred_at_most(self) -> None:
        assert keys([*map(str, AGES[:99]), "n.a."], lexical=True)["type"] == "int"
        assert keys([*map(str, AGES[:98]), "n.a."], lexical=True)["type"] == "string"
        assert keys([*AGES[:99], "n.a."])["type"] == "int"
        assert keys([*AGES[:98], "n.a."])["type"] == "json"

    def test_parts_counted_apart_are_one_column(self) -> None:
        values = [*map(str, AGES), "a", "b"]
        assert keys(values, lexical=True, chunk=1)["missing_values"] == '["a", "b"]'
        parts = [Profile(lexical=True), Profile(lexical=True)]
        for part, its in zip(parts, (values[:500], values[500:]), strict=True):
            part.add([{"x": value} for value in its])
        parts[0].merge(parts[1])
        (guess,) = guess_table(parts[0], Roles()).features
        assert guess.keys["missing_values"] == '["a", "b"]'

    @pytest.mark.parametrize(
        ("others", "why"),
        [
            (["001", "x"], "text, not numbers: some have leading zeros, as identifiers have"),
            (["5 kg"], "text, not numbers: the others are too many, or no plain words"),
            (["<5"], "text, not numbers: the others are too many, or no plain words"),
            ([" 7"], "text, not numbers: the others are too many, or no plain words"),
            (["2020-01-01", "x"], "text, not numbers: the others are too many, or no plain words"),
            (["ada@example.org"], "text, not numbers: the others are too many, or no plain words"),
            (["3,14"], "numbers with a decimal comma: text"),
            (["x" * 41], "text, not numbers: the others are too many, or no plain words"),
            ([f"word {chr(97 + index)}" for index in range(11)], "text, not numbers: the others are too many"),
        ],
    )
    def test_anything_else_leaves_text_and_says_why(self, others: list[str], why: str) -> None:
        values = [*map(str, AGES), *map(str, AGES), *others]
        inferred = column(values, lexical=True)
        assert inferred.guess("x").type == "string"
        assert why in inferred.comment("x")
        assert inferred.judge([{"x": value} for value in values]).would == "ok"

    def test_a_personal_columns_words_are_not_shown(self) -> None:
        inferred = column([*map(str, range(10_000, 10_500)), "Ada"], name="mobile", lexical=True)
        assert inferred.guess("mobile").type == "string"
        assert "Ada" not in inferred.text


class TestText:
    def test_a_category_needs_twenty_rows_a_value(self) -> None:
        inferred = column(["a", "b"] * 20)
        assert inferred.guess("x").keys == {"type": "category", "values": "[a, b]", "on_violation": "reject"}
        assert inferred.refuses({"x": "c"}) == ("x.values",)
        assert keys(["a", "b"] * 19)["type"] == "string"

    def test_values_seen_once_make_new_values_likely(self) -> None:
        inferred = column(["a"] * 300 + ["b"] * 300 + ["c", "d", "e"])
        assert inferred.guess("x").keys["on_violation"] == "warn"
        assert "0.5 % of rows to come will have another one (Good-Turing)" in inferred.comment("x")

    def test_more_than_fifty_values_are_not_listed(self) -> None:
        assert keys([f"v{index % 51}" for index in range(5100)])["type"] == "string"

    def test_leading_zeros_stay_text(self) -> None:
        inferred = column([f"{index % 40:03d}" for index in range(600)], lexical=True)
        assert inferred.guess("x").keys == {"type": "string", "pattern": '"[0-9]+"', "max_length": "16"}
        assert inferred.refuses({"x": "1a"}) == ("x.pattern",)
        assert "leading zeros in 600 rows" in inferred.comment("x")

    def test_one_format_of_days_becomes_a_pattern_two_a_comment(self) -> None:
        one = column(["2024-03-01", "2025-04-02"], lexical=True)
        assert one.refuses({"x": "03/01/2024"}) == ("x.pattern",)
        two = column(["2024-03-01", "02.04.2025"], lexical=True)
        assert "2 formats: YYYY-MM-DD (1 row), DD.MM.YYYY (1 row)" in two.comment("x")
        assert two.guess("x").looks == ("dates in more than one format",)

    def test_rfc_3339_with_a_zone_is_a_timestamp(self) -> None:
        inferred = column(["2026-01-01T00:00:00Z", "2026-01-02T10:00:00.5+01:00"])
        assert inferred.guess("x").type == "timestamp"
        assert inferred.refuses({"x": "yesterday"}) == ("x.type",)

    def test_true_and_false(self) -> None:
        assert keys(["True", "False", ""], lexical=True) == {"type": "bool", "nullable": "true"}

    def test_decimal_commas_are_told(self) -> None:
        assert "decimal comma" in column(["3,14", "2,5"], lexical=True).comment("x")

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            (["3,14", "1,100"], "numbers with a decimal comma: text, until they are written with a point"),
            (["1,100,000", "1,100", "7"], "numbers with commas between thousands: text, until"),
            (["1,100", "950.5"], "numbers with commas between thousands: text, until they are written without them"),
            (["1,100", "950"], "part thousands, or are decimal commas (1,100 is 1100, or 1.1): text"),
            (["1,100.5", "3,14"], "numbers with decimal commas, or with commas between thousands: text"),
        ],
    )
    def test_what_commas_mean_is_told_in_every_way_they_can_be_read(self, values: list[str], said: str) -> None:
        inferred = column(values * 30, lexical=True)
        assert said in inferred.comment("x")
        assert inferred.guess("x").looks == ("commas in numbers",)

    def test_dates_as_spreadsheets_write_them_are_recognised(self) -> None:
        inferred = column([f"{day % 12 + 1}/{day % 28 + 1}/2024 {day % 24}:00" for day in range(84)], lexical=True)
        assert "years 2024 to 2024, dates as DD/MM/YYYY hh:mm or MM/DD/YYYY hh:mm (84 rows)" in inferred.comment("x")
        assert inferred.refuses({"x": "yesterday"}) == ("x.pattern",)

    def test_free_text_and_identifiers_are_not_listed(self) -> None:
        sentences = [f"the customer number {index} called and asked about the loan" for index in range(50)]
        assert keys(sentences)["type"] == "string"
        uuids = [str(random.Random(index).getrandbits(128)) for index in range(50)]
        assert keys(uuids, "application_id")["role"] == "key"


class TestPersonal:
    @pytest.mark.parametrize(
        "values",
        [
            ["ada@example.org", "bob@example.org"],
            ["+49 30 123456", "+44 20 7946 0958"],
            ["DE89370400440532013000", "GB29NWBK60161331926819"],
            ["123-45-6789", "987-65-4321"],
            ["4111 1111 1111 1111", "5500 0000 0000 0004"],
        ],
    )
    def test_recognised_by_what_it_looks_like(self, values: list[str]) -> None:
        inferred = column(values * 30)
        assert inferred.guess("x").keys["pii"] == "true"
        assert not any(value in inferred.text for value in values)

    @pytest.mark.parametrize("name", ["ssn", "customerEmail", "date_of_birth", "Last Name", "phone-number"])
    def test_recognised_by_its_name(self, name: str) -> None:
        inferred = infer([{name: f"secret{index % 2}"} for index in range(100)])
        assert inferred.guess(name).keys["pii"] == "true"
        assert "secret" not in inferred.text

    def test_numbers_of_a_personal_column_are_not_shown(self) -> None:
        inferred = infer([{"ssn": 123456789 + index} for index in range(100)])
        assert "123456" not in inferred.text


class TestPresence:
    def test_null_and_missing_are_kept_apart(self) -> None:
        inferred = infer([{"a": 1, "b": None}, {"a": 2}, {"a": 3, "b": 4}])
        assert inferred.guess("a").keys.keys() == {"type", "min", "max"}
        assert (inferred.guess("b").keys["nullable"], inferred.guess("b").keys["required"]) == ("true", "false")
        assert "empty or null in 1 row, not there in 1" in inferred.comment("b")

    def test_a_column_without_values(self) -> None:
        assert keys([None, None]) == {"type": "json", "nullable": "true"}

    def test_mixed_types_are_reported_with_counts(self) -> None:
        inferred = column([1, 2, "a", True, [1]])
        assert "mixed types: numbers (2 rows), booleans (1 row), texts (1 row)" in inferred.comment("x")
        assert inferred.guess("x").looks == ("mixed types",)
        text = column(["12", "7.5", "n.a.", "about 3"], lexical=True)
        assert "mixed: 2 rows like numbers, 2 do not, such as n.a., about 3" in text.comment("x")

    def test_vectors(self) -> None:
        assert keys([[1, 2], [3, 4]]) == {"type": '"int[2]"'}
        assert keys([[1.5], [3, 4]]) == {"type": '"float[]"'}
        assert keys([[1, "a"]]) == {"type": "json"}

    def test_left_out_with_a_reason(self) -> None:
        inferred = infer([{"a": 1, "": 2, "b": 3}], ignored=["b"])
        assert inferred.table.left_out == {"": "it has no name", "b": "--ignore"}

    def test_an_answer_has_no_role(self) -> None:
        inferred = infer([{"a": 1, "email": "x@y.de"}], predictions=["email"])
        assert inferred.policy.contract.prediction.keys() == {"email"}
        assert "pii" not in inferred.guess("email").keys
