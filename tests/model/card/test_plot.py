"""The loss curve is the same picture for the same points."""

from __future__ import annotations

import io
import math

from PIL import Image

from spacehand.model.card import plot
from spacehand.model.loss_history import Point

POINTS = tuple(
    Point(step, step / 10, math.exp(-step / 20), 1.2 if step % 10 == 0 else None) for step in range(1, 60)
)


def test_the_same_points_make_the_same_bytes():
    """
    A second publish draws the very same file, so that nothing moves.
    """
    first = plot.draw(POINTS)

    assert plot.draw(POINTS) == first
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.size == (800, 450)
        assert picture.info == {"Title": "Loss", "dpi": picture.info["dpi"]}


def test_the_name_follows_from_the_points():
    """
    Other points are another file; the same ones are not.
    """
    assert plot.name(POINTS) == plot.name(tuple(POINTS))
    assert plot.name(POINTS) != plot.name(POINTS[:-1])


def test_the_axis_counts_what_all_points_have():
    """
    Steps where all points have one, else epochs, else the records themselves.
    """
    by_epoch = [Point(None, 1.0, 2.0, None), Point(5, 2.0, 1.0, None)]
    bare = [Point(None, None, 2.0, None), Point(None, None, 1.0, None)]

    assert plot.lines(POINTS)[0] == "step"
    assert plot.lines(by_epoch) == ("epoch", [(1.0, 2.0), (2.0, 1.0)], [])
    assert plot.lines(bare) == ("record", [(1.0, 2.0), (2.0, 1.0)], [])


def test_one_point_is_no_curve():
    """
    A curve needs two points of one line.
    """
    assert not plot.is_drawable(POINTS[:1])
    assert plot.is_drawable(POINTS)


def test_a_very_long_training_is_drawn_quickly_enough():
    """
    A million records are thinned out before they are drawn.
    """
    points = tuple(Point(step, None, 1.0, None) for step in range(100_000))

    assert plot.draw(points).startswith(b"\x89PNG")
