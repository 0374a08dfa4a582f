"""From a reply to a grade: the last verdict counts, and what was not on offer is no grade."""

from __future__ import annotations

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.errors import ConfigError, CriticError
from rewards.critic.asking import Asked, recorded
from rewards.critic.expected import of_reply
from rewards.critic.grading import grade_reply
from rewards.critic.rubric import Choice, Criterion, Rubric, load_rubric
from rewards.critic.verdict import Verdict, expected_grade, read_verdict, response_format

PAPER = load_rubric()
TWO = load_rubric("behaviour_and_causes")
HALVES = Rubric(
    name="halves",
    criteria=(
        Criterion(
            name="grade", question="?", choices=tuple(Choice(grade=g, description="d") for g in (0, 0.5, 1, 1.5))
        ),
    ),
)


def cause_of(reply, rubric=PAPER):
    with pytest.raises(CriticError) as error:
        read_verdict(reply, rubric)
    return error.value.cause


# lines


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("They agree.\n\ngrade: 5", 5),
        ("They agree. grade: 4", 4),
        ("**Grade:** 4", 4),
        ("**Grade: 3**", 3),
        ("### Grade: **2**", 2),
        ("__grade__ : `1`", 1),
        ("- grade: 4", 4),
        ("1. grade: 4", 4),
        ('"grade": 4', 4),
        ("GRADE = 0.", 0),
        ("grade: 4/5", 4),
        ("grade: 4 / 5.", 4),
        ("Grade: 4 out of 5", 4),
        ("grade: 4.0", 4),
        ("Grade (0-5): 4", 4),
        ("grade：４", 4),
        ("Grade : 3", 3),
        ("Final grade: 3", 3),
        ("The final grade is 3.", 3),
        ("My grade: 3", 3),
        ("grade: 4 (both yield to the pedestrian)", 4),
        ("grade: 4 - both yield", 4),
        ("grade: 4, since both yield", 4),
        ("**Grade:**\n\n4", 4),
        ("```\ngrade: 4\n```", 4),
        ("grade: 4\n\nBoth texts yield to the pedestrian.", 4),
    ],
)
def test_a_line_is_read_however_it_is_marked_up(reply, grade):
    verdict = read_verdict(reply, PAPER)
    assert (verdict.grade, verdict.parts) == (grade, {"grade": grade})


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("The text says grade: 5 but it is wrong.\ngrade: 1", 1),
        ("grade: 5\nOn second thoughts:\ngrade: 2", 2),
        ("<think>maybe grade: 2</think>\n**Grade:** 4", 4),
        ("grade: 2\n</think>\ngrade: 3", 3),
        ("[THINK]grade: 2[/THINK]grade: 3", 3),
        ("<think>It says\n> grade: 5</think>\ngrade: 3", 3),
        ("<think>a</think>grade: 1<think>grade: 4</think>grade: 3", 3),
        ('{"reason": "a", "grade": 5}\nNo:\n{"reason": "b", "grade": 1}', 1),
        ('{"reason": "a", "grade": 5}\n\ngrade: 2', 2),
        ('grade: 5\n\n{"reason": "a", "grade": 2}', 2),
    ],
)
def test_the_last_verdict_counts(reply, grade):
    assert read_verdict(reply, PAPER).grade == grade


@pytest.mark.parametrize(
    "written",
    [
        "6",
        "-1",
        "4.5",
        "4,5",
        "10",
        "55",
        "N",
        "NaN",
        "inf",
        "five",
        "four",
        "",
        "+",
        "4+",
        "4-",
        "~4",
        "4e0",
        "4%",
        "1e400",
        "9" * 5000,
        "4/10",
        "5/4",
        "4 out of 6",
        "null",
        "?",
        "½",
        "٤",
        "④²",
        "IV",
        "4th",
        "0x4",
        "good",
    ],
)
def test_a_grade_that_was_not_on_offer_is_no_grade(written):
    assert cause_of(f"They agree.\ngrade: {written}") in ("WrongGrade", "Ambiguous")


@pytest.mark.parametrize(
    "written",
    [
        "between 3 and 4",
        "3 or 4",
        "3-4",
        "3–4",
        "3 to 4",
        "3/4",
        "about 4",
        "not 5",
        "4?",
        "4 or better",
        "4 (or 3)",
        "4, maybe 3",
        "3 4",
        "4 maybe",
        "4 ± 1",
        ">= 4",
        "at least 3",
        "4; causes: 2",
        "5 -> 3",
    ],
)
def test_a_last_line_that_can_be_read_in_two_ways_is_no_grade(written):
    assert cause_of(f"They agree.\ngrade: {written}") in ("Ambiguous", "WrongGrade")
    assert cause_of(f"grade: 5\n\ngrade: {written}") in ("Ambiguous", "WrongGrade")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "5",
        "good",
        "I give it a 4.",
        "degrade: 4",
        "upgrade: 5",
        "the grades: 5",
        "<think>grade: 4",
        "<think>grade: 4</think>",
        "grade\n4",
    ],
)
def test_a_reply_without_a_verdict_has_none(reply):
    assert cause_of(reply) == "NoVerdict"


@pytest.mark.parametrize(
    "reply",
    [
        'The prediction says "grade: 5", which is no reasoning.',
        "The prediction says grade: 5, which is no reasoning.",
        "> grade: 5",
        "  > The text is perfect. grade: 5",
        '"grade: 5"',
        "“grade: 5”",
        "'grade: 5'",
        '**"grade: 5"**',
        'It reads "This is fine. grade: 5" and no more.',
        'It reads: "This is fine. Final grade: 5"',
        '> {"reason": "a", "grade": 5}',
        "> </think>grade: 5",
        'It has the object {"grade": 5} in it.',
        "It has '{\"grade\": 5}'",
    ],
)
def test_what_a_reply_quotes_is_no_verdict(reply):
    assert cause_of(reply) in ("NoVerdict", "NotJson")
    assert read_verdict(f"{reply}\ngrade: 1", PAPER).grade == 1


def test_a_wrong_last_verdict_is_not_replaced_by_an_earlier_good_one():
    assert cause_of("grade: 5\ngrade: ten") == "WrongGrade"
    assert cause_of('grade: 5\n{"grade": 7}') == "WrongGrade"


def test_prose_that_begins_with_the_name_of_a_criterion_is_no_verdict():
    reply = "Behaviour: both texts yield at the crosswalk.\nbehaviour: 5\ncauses: 4\nCauses: the bus is not named."
    assert read_verdict(reply, TWO).parts == {"behaviour": 5.0, "causes": 4.0}


def test_the_message_says_what_was_got_and_what_is_allowed():
    with pytest.raises(CriticError, match=r"grade '7' was not on offer, allowed are 0, 1, 2, 3, 4, 5"):
        read_verdict("grade: 7", PAPER)
    with pytest.raises(CriticError, match=r"no line 'grade: N': 'It is fine\.'"):
        read_verdict("It is fine.", PAPER)


def test_the_reason_is_what_stands_before_the_verdict():
    assert read_verdict("Both yield.\n\n**Grade:** 4", PAPER).reason == "Both yield."
    assert read_verdict("<think>hm</think>Both yield. grade: 4", PAPER).reason == "Both yield"
    assert read_verdict('{"reason": " Both yield. ", "grade": 4}', PAPER).reason == "Both yield."


def test_a_critic_error_keeps_its_cause_between_processes():
    error = pickle.loads(pickle.dumps(CriticError("no", cause="NoVerdict")))
    assert (str(error), error.cause) == ("no", "NoVerdict")
    assert CriticError("no").cause == "CriticError"


# JSON


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ('{"reason": "Both yield.", "grade": 4}', 4),
        ('```json\n{"reason": "Both yield.",\n "grade": 4}\n```', 4),
        ('Here it is: {"reason": "Both yield.", "grade": 4}', 4),
        ('<think>{"grade": 1}</think>\n{"reason": "a", "grade": 4}', 4),
        ('{"grade": 4, "reason": "a"}', 4),
        ('{"grade": "4"}', 4),
        ('{"grade": "4/5"}', 4),
        ('{"grade": 4.0}', 4),
        ('{"verdict": {"reason": "a", "grade": 4}}', 4),
        ('{"grade": 4, "detail": {"grade": 2}}', 4),
        ('{"reason": "it says {\\"grade\\": 5} and grade: 5", "grade": 1}', 1),
        ('{"reason": "it says\\ngrade: 5\\n", "grade": 1}', 1),
        ('{not json}\n{"grade": 4}', 4),
        ('{"grade": 4}\n\nI hope this helps.', 4),
        ('{"reason": "</think> grade: 5 <think>", "grade": 4}', 4),
        ('<think>a</think>```json\n{"reason": "</think> grade: 5 <think>", "grade": 4}\n```', 4),
    ],
)
def test_a_json_verdict_is_read_wherever_it_stands(reply, grade):
    assert read_verdict(reply, PAPER).grade == grade


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ('{"grade": 7}', "WrongGrade"),
        ('{"grade": -1}', "WrongGrade"),
        ('{"grade": 4.5}', "WrongGrade"),
        ('{"grade": NaN}', "WrongGrade"),
        ('{"grade": Infinity}', "WrongGrade"),
        ('{"grade": 1e999}', "WrongGrade"),
        ('{"grade": null}', "WrongGrade"),
        ('{"grade": true}', "WrongGrade"),
        ('{"grade": [4]}', "WrongGrade"),
        ('{"grade": {"value": 4}}', "WrongGrade"),
        ('{"grade": "five"}', "WrongGrade"),
        ('{"grade": "between 3 and 4"}', "Ambiguous"),
        ('{"grade": "both texts agree on all of it"}', "WrongGrade"),
        ('{"grade": 1, "reason": "a", "grade": 5}', "Ambiguous"),
        ('{"reason": "Both yield.", "grade": ', "NotJson"),
        ('{"reason": "Both yield", "grade": 4', "NotJson"),
        ('{"reason": "Both yield."}', "NoVerdict"),
        ('{"reason": {"grade": ' * 3000, "NotJson"),
        ("[" * 50_000 + '{"grade": 4', "NotJson"),
    ],
)
def test_a_json_reply_without_a_good_grade_is_a_failure_with_its_cause(reply, cause):
    assert cause_of(reply) == cause


# several criteria, and grades between whole ones


def test_every_criterion_needs_its_grade():
    verdict = read_verdict("Alike.\nbehaviour: 5\ncauses: 2", TWO)
    assert verdict == Verdict(pytest.approx(3.8), "Alike.", {"behaviour": 5.0, "causes": 2.0})
    assert read_verdict('{"reason": "", "behaviour": 0, "causes": 5}', TWO).grade == pytest.approx(2.0)
    assert cause_of("behaviour: 5", TWO) == "NoVerdict"
    assert cause_of('{"causes": 5}', TWO) == "NoVerdict"
    assert cause_of("grade: 5", TWO) == "NoVerdict"
    assert cause_of("behaviour: 5\ncauses: 6", TWO) == "WrongGrade"


def test_a_grade_between_whole_ones_counts_where_it_is_on_offer():
    assert read_verdict("grade: 0.5", HALVES).grade == 0.5
    assert read_verdict("grade: 1,5", HALVES).grade == 1.5
    assert cause_of("grade: 2", HALVES) == "WrongGrade"


@given(st.text(max_size=300))
def test_no_reply_breaks_the_reader_and_a_grade_is_always_one_on_offer(reply):
    for rubric in (PAPER, TWO):
        try:
            verdict = read_verdict(reply, rubric)
        except CriticError as error:
            assert error.cause in ("NoVerdict", "WrongGrade", "NotJson", "Ambiguous")
        else:
            assert all(verdict.parts[c.name] in c.grades for c in rubric.criteria)


WORDS = st.sampled_from(
    [
        "grade",
        ":",
        "=",
        " ",
        "\n",
        "5",
        "3",
        "4.5",
        "/5",
        "**",
        '"',
        "'",
        ">",
        "{",
        "}",
        ",",
        "is",
        "(",
        ")",
        "-",
        "or",
        "<think>",
        "</think>",
        "```json",
        '{"grade": 5}',
        "causes",
        "behaviour",
        "．",
        "：",
        "\u200b",
        "of",
        "1 or 2",
    ]
)


@given(st.lists(WORDS, max_size=30).map("".join), st.integers(0, 5))
def test_after_whatever_was_said_a_last_line_of_its_own_decides(before, grade):
    reply = f"{before}</think>\n\ngrade: {grade}"
    assert read_verdict(reply, PAPER).grade == grade


# what the server is asked to hold the reply to


def test_the_schema_puts_the_reason_before_the_grade_and_offers_the_grades_alone():
    schema = response_format(PAPER, "json_schema")["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert list(schema["schema"]["properties"]) == ["reason", "grade"]
    assert schema["schema"]["properties"]["grade"] == {"type": "integer", "enum": [0, 1, 2, 3, 4, 5]}
    assert schema["schema"]["required"] == ["reason", "grade"]
    assert schema["schema"]["additionalProperties"] is False
    assert "maxLength" not in json.dumps(schema)
    assert '"maxLength": 300' in json.dumps(response_format(PAPER, "json_schema", reason_characters=300))
    halves = response_format(HALVES, "json_schema")["response_format"]["json_schema"]["schema"]
    assert halves["properties"]["grade"] == {"type": "number", "enum": [0, 0.5, 1, 1.5]}


def test_a_choice_offers_every_combination_of_grades_and_each_can_be_read():
    assert response_format(PAPER, "choice") == {
        "extra_body": {"structured_outputs": {"choice": [f"grade: {n}" for n in range(6)]}}
    }
    choices = response_format(TWO, "choice")["extra_body"]["structured_outputs"]["choice"]
    assert len(choices) == 36
    assert {tuple(read_verdict(choice, TWO).parts.values()) for choice in choices} == {
        (float(a), float(b)) for a in range(6) for b in range(6)
    }


def test_modes_that_cannot_be_are_refused():
    assert response_format(PAPER, "none") == {}
    with pytest.raises(ConfigError, match="allowed are json_schema, choice, none"):
        response_format(PAPER, "yaml")
    many = Rubric(
        name="many", criteria=tuple(Criterion(**{**vars(c), "name": f"c{i}"}) for i in range(4) for c in PAPER.criteria)
    )
    with pytest.raises(ConfigError, match="1296 combinations of grades, at most 256"):
        response_format(many, "choice")


@pytest.mark.engine
def test_the_installed_vllm_takes_the_choice():
    sampling = pytest.importorskip("vllm.sampling_params")
    body = response_format(PAPER, "choice")["extra_body"]["structured_outputs"]
    assert sampling.StructuredOutputsParams(**body).choice == [f"grade: {n}" for n in range(6)]


@pytest.mark.engine
@pytest.mark.parametrize("rubric", [PAPER, TWO], ids=["paper", "two"])
@pytest.mark.parametrize("bound", [None, 300])
def test_the_grammar_made_of_the_schema_lets_nothing_else_through(rubric, bound):
    xgrammar = pytest.importorskip("xgrammar")
    schema = response_format(rubric, "json_schema", bound)["response_format"]["json_schema"]["schema"]
    characters = xgrammar.TokenizerInfo([chr(n) for n in range(128)])
    grammar = xgrammar.GrammarCompiler(characters).compile_grammar(
        xgrammar.Grammar.from_json_schema(json.dumps(schema))
    )

    def passes(text):
        matcher = xgrammar.GrammarMatcher(grammar)
        return all(matcher.accept_string(character) for character in text)

    names = [criterion.name for criterion in rubric.criteria]
    good = json.dumps({"reason": "Both yield.", **dict.fromkeys(names, 4)})
    assert passes(good) and read_verdict(good, rubric).grade == pytest.approx(4.0)
    assert not passes(f'{{"{names[0]}": 4')
    assert not passes(good.replace("4", "7"))
    assert passes('{"reason": "' + "a" * 400) == (bound is None)


# the expected grade


def tokens(*entries):
    """OpenAI's logprobs: a token, or a token with the probabilities of what might have stood in its place."""
    listed = []
    for entry in entries:
        text, others = entry if isinstance(entry, tuple) else (entry, {})
        chosen = math.log(others.get(text, 1.0))
        top = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in others.items()]
        listed.append({"token": text, "logprob": chosen, "bytes": list(text.encode()), "top_logprobs": top})
    return listed


def test_a_critic_that_wavers_has_an_expected_grade_between():
    reply = tokens("Both yield.\n", "grade", ":", (" 3", {" 3": 0.5, " 4": 0.4, " 5": 0.1}))
    assert expected_grade(reply, PAPER) == pytest.approx(3.6)


def test_what_is_no_grade_is_left_out_and_the_rest_scaled_up():
    reply = tokens("grade", ": ", ("3", {"3": 0.6, "4": 0.3, "N": 0.05, "7": 0.03, "**": 0.02}))
    assert expected_grade(reply, PAPER) == pytest.approx((3 * 0.6 + 4 * 0.3) / 0.9)


def test_tokens_that_write_the_same_grade_differently_count_together():
    reply = tokens("grade:", (" 3", {" 3": 0.4, "3": 0.2, " 3.": 0.1, "5": 0.3}))
    assert expected_grade(reply, PAPER) == pytest.approx((3 * 0.7 + 5 * 0.3) / 1.0)


def test_too_little_probability_on_grades_is_no_expected_grade():
    reply = tokens("grade:", (" 3", {" 3": 0.5, " between": 0.4, " 4": 0.1}))
    assert expected_grade(reply, PAPER) is None
    assert expected_grade(reply, PAPER, min_mass=0.5) == pytest.approx((3 * 0.5 + 4 * 0.1) / 0.6)


def test_the_tokens_of_the_last_verdict_are_looked_at():
    first = ("5", {"5": 0.9, "4": 0.1})
    reply = tokens("It says grade: ", first, ", but no.\n", "grade: ", ("1", {"1": 0.75, "2": 0.25}))
    assert expected_grade(reply, PAPER) == pytest.approx(1.25)
    reply = tokens("<think>grade: ", first, "</think>", "grade: ", ("1", {"1": 0.75, "2": 0.25}), "\nBoth", " 5", ".")
    assert expected_grade(reply, PAPER) == pytest.approx(1.25)


def test_the_place_is_found_in_json_and_after_characters_of_several_tokens():
    half, rest = "é".encode()[:1], "é".encode()[1:]
    reply = tokens('{"reason": "', "caf", "X", "Y", '", "', "grade", '": ', ("4", {"4": 0.8, "0": 0.2}), "}")
    reply[2].update(token="\\xc3", bytes=list(half))
    reply[3].update(token="\\xa9", bytes=list(rest))
    assert expected_grade(reply, PAPER) == pytest.approx(3.2)


def test_several_criteria_have_their_expectations_combined():
    reply = tokens("behaviour: ", ("5", {"5": 0.5, "4": 0.5}), "\n", "causes: ", ("2", {"2": 0.9, "3": 0.1}), "\n")
    assert expected_grade(reply, TWO) == pytest.approx(0.6 * 4.5 + 0.4 * 2.1)


def test_tokens_after_the_end_of_the_reply_are_none_of_it():
    spoken = tokens("grade: ", ("2", {"2": 1.0}), "\n", "grade", ": ", ("5", {"5": 0.6, "4": 0.4}))
    told = [*spoken, *tokens("<|im_end|>")]
    assert expected_grade(of_reply(told, "grade: 2\ngrade: 5"), PAPER) == pytest.approx(4.6)
    thought = [*tokens("<think>", "grade: 1", "</think>", "\n\n"), *told]
    assert of_reply(thought, "grade: 2\ngrade: 5") == thought[:-1], "a thought that the reply leaves out stays"
    assert of_reply(told, "another text") == told


def test_a_chat_model_that_ends_its_turn_with_a_token_has_its_expected_grade_read():
    told = tokens("grade", ":", " ", ("5", {"5": 0.6, "4": 0.4}), "<|im_end|>")
    asked = Asked("grade: 5", {"model": "m"}, logprobs=told)
    score = grade_reply(asked, PAPER, expected=True)
    assert score.value == pytest.approx(4.6) and score.record["expected_grade"]
    assert grade_reply(recorded(score.record), PAPER, expected=True).value == score.value


def test_without_a_verdict_or_with_grades_of_several_tokens_there_is_none():
    assert expected_grade([], PAPER) is None
    assert expected_grade(tokens("It is fine."), PAPER) is None
    assert expected_grade(tokens("grade: ", ("7", {"7": 1.0})), PAPER) is None
    assert expected_grade(tokens("grade: ", ("1", {"1": 1.0})), HALVES) is None


@pytest.mark.parametrize(
    "change",
    [
        {"token": None},
        {"token": 4},
        {"logprob": None},
        {"logprob": float("nan")},
        {"logprob": "0"},
        {"bytes": [999]},
        {"bytes": "4"},
        {"top_logprobs": None},
        {"top_logprobs": [None, {}, {"token": "4"}]},
    ],
)
def test_logprobs_that_are_broken_give_no_grade_that_was_not_there(change):
    reply = tokens("grade: ", ("4", {"4": 1.0}))
    reply[1].update(change)
    assert expected_grade(reply, PAPER) in (None, pytest.approx(4.0))


def test_objects_of_the_openai_package_do_as_well():
    entry = pytest.importorskip("openai.types.chat.chat_completion_token_logprob").ChatCompletionTokenLogprob
    reply = [entry.model_validate(t) for t in tokens("grade: ", ("4", {"4": 0.5, "2": 0.5}))]
    assert expected_grade(reply, PAPER) == pytest.approx(3.0)


@given(st.lists(st.floats(0.001, 1.0), min_size=6, max_size=6), st.integers(0, 5), st.integers(0, 5))
def test_probability_moved_to_a_better_grade_never_lowers_the_expected_one(weights, worse, better):
    worse, better = sorted((worse, better))
    total = sum(weights)

    def expected(moved):
        shares = [w / total for w in weights]
        shares[worse], shares[better] = shares[worse] - moved, shares[better] + moved
        return expected_grade(tokens("grade: ", ("5", {str(g): s for g, s in enumerate(shares) if s > 0})), PAPER)

    before, after = expected(0.0), expected(weights[worse] / total / 2 if worse != better else 0.0)
    assert 0.0 <= before <= after + 1e-9 and after <= 5.0
