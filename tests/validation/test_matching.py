"""Who is who: one to one, by falling similarity, within a photo and a class."""

from tests.validation.persons import make_person
from yolo_edge.validation.matching import match_persons


def test_the_order_of_the_other_models_persons_does_not_matter():
    persons = [make_person(), make_person(300), make_person(600)]
    matches = match_persons({1: persons}, {1: persons[::-1]})
    assert [match.other for match in matches] == persons
    assert all(match.is_found and match.similarity == 1 for match in matches)


def test_two_persons_need_two_partners():
    one, other = make_person(), make_person(shift=1)
    matches = match_persons({1: [one, other]}, {1: [make_person()]})
    assert [match.is_found for match in matches] == [True, False]
    assert matches[1].other is None and matches[1].similarity == 0


def test_the_most_similar_pair_goes_first():
    left, right = make_person(shift=0), make_person(shift=6)
    matches = match_persons({1: [left, right]}, {1: [make_person(shift=5), make_person(shift=-20)]})
    assert matches[1].other.keypoints[0, 0] == make_person(shift=5).keypoints[0, 0]


def test_scores_decide_who_counts():
    unsure, faint = make_person(score=0.49), make_person(score=0.24)
    assert match_persons({1: [unsure]}, {1: [make_person()]}) == []
    assert not match_persons({1: [make_person()]}, {1: [faint]})[0].is_found
    assert match_persons({1: [make_person()]}, {1: [make_person(score=0.26)]})[0].is_found


def test_other_photos_and_classes_are_no_partners():
    person = make_person()
    assert not match_persons({1: [person]}, {2: [person]})[0].is_found
    assert not match_persons({1: [person]}, {1: [make_person(class_index=1)]})[0].is_found
