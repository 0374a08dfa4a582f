"""Rubrics: the shipped ones, their arithmetic, and what is said of a broken file."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.errors import ConfigError
from rewards.critic.rubric import Choice, Criterion, Rubric, load_rubric

SHIPPED = ("paper", "behaviour_and_causes")


def rubric_file(folder, **changes):
    content = {
        "name": "mine",
        "criteria": [
            {"name": "grade", "question": "Good?", "choices": [{"grade": g, "description": f"g{g}"} for g in (0, 1)]}
        ],
        **changes,
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_the_default_is_the_papers_scale_of_0_to_5_with_one_criterion():
    rubric = load_rubric()
    assert rubric.name == "paper"
    assert [criterion.name for criterion in rubric.criteria] == ["grade"]
    assert rubric.criteria[0].grades == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert rubric.criteria[0].allowed == "0, 1, 2, 3, 4, 5"
    assert rubric.value_range == (0.0, 5.0)
    assert rubric.combine({"grade": 3.0}) == 3.0


def test_two_criteria_are_averaged_by_weight():
    rubric = load_rubric("behaviour_and_causes")
    assert [(c.name, c.weight) for c in rubric.criteria] == [("behaviour", 0.6), ("causes", 0.4)]
    assert rubric.combine({"behaviour": 5.0, "causes": 2.0}) == pytest.approx(3.8)
    assert rubric.value_range == (0.0, 5.0)


def test_scales_of_different_length_have_the_range_of_their_weighted_ends():
    choices = {grade: Choice(grade=grade, description="d") for grade in (-1.0, 0.0, 1.0, 10.0)}
    rubric = Rubric(
        name="r",
        criteria=(
            Criterion(name="a", question="?", choices=(choices[-1.0], choices[1.0]), weight=3.0),
            Criterion(name="b", question="?", choices=(choices[0.0], choices[10.0])),
        ),
    )
    assert rubric.value_range == (-0.75, 3.25)


@given(st.sampled_from(SHIPPED), st.data())
def test_a_better_grade_never_lowers_the_value_and_the_value_keeps_its_range(name, data):
    rubric = load_rubric(name)
    parts = {c.name: data.draw(st.sampled_from(c.grades)) for c in rubric.criteria}
    raised = data.draw(st.sampled_from(rubric.criteria))
    better = {**parts, raised.name: data.draw(st.sampled_from([g for g in raised.grades if g >= parts[raised.name]]))}
    low, high = rubric.value_range
    assert low <= rubric.combine(parts) <= rubric.combine(better) <= high


def test_ones_own_rubric_is_read_from_its_path(tmp_path):
    rubric = load_rubric(rubric_file(tmp_path))
    assert rubric.name == "mine" and rubric.value_range == (0.0, 1.0)


def test_grades_between_whole_ones_are_written_as_they_are(tmp_path):
    choices = [{"grade": g, "description": "d"} for g in (0, 0.5, 1.0)]
    rubric = load_rubric(rubric_file(tmp_path, criteria=[{"name": "a", "question": "?", "choices": choices}]))
    assert rubric.criteria[0].allowed == "0, 0.5, 1"


def test_an_unknown_name_is_told_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"got 'papr', allowed are behaviour_and_causes, paper and the path"):
        load_rubric("papr")


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    falling = [{"grade": g, "description": "d"} for g in (1, 0)]
    path = rubric_file(
        tmp_path,
        title="x",
        criteria=[
            {"name": "Bad Name", "question": "?", "choices": falling},
            {"name": "reason", "question": "?", "choices": falling[:1], "weight": -1},
            {"name": "b", "choices": [{"grade": ".nan", "description": "d"}, {"grade": 1, "description": ""}]},
        ],
    )
    with pytest.raises(ConfigError) as error:
        load_rubric(path)
    for part in (
        "title: unknown key",
        "criteria.0.name",
        "grades must rise from worst to best, got [1.0, 0.0]",
        "choose another name",
        "criteria.1.choices",
        "criteria.1.weight",
        "criteria.2.question: missing",
        "criteria.2.choices.0.grade",
        "criteria.2.choices.1.description",
    ):
        assert part in str(error.value), part


def test_two_criteria_of_one_name_are_refused(tmp_path):
    choices = [{"grade": g, "description": "d"} for g in (0, 1)]
    path = rubric_file(tmp_path, criteria=[{"name": "a", "question": "?", "choices": choices}] * 2)
    with pytest.raises(ConfigError, match="names given twice: a"):
        load_rubric(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_rubrics_describe_every_grade_differently(name):
    for criterion in load_rubric(name).criteria:
        described = [choice.description for choice in criterion.choices]
        assert len(set(described)) == len(described)
