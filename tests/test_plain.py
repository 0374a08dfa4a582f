"""Values on their way into JSON files."""

from __future__ import annotations

import json

import numpy as np

from recipes.plain import plain


def test_what_is_no_number_is_null_at_any_depth_and_nothing_else_is() -> None:
    given = {
        "mean": float("nan"),
        "ci95": (np.float64(-0.5), np.inf),
        "rows": [{"p": np.float32(0.25), "n": 3}],
        "of": "a",
    }
    assert json.dumps(plain(given), allow_nan=False) == (
        '{"mean": null, "ci95": [-0.5, null], "rows": [{"p": 0.25, "n": 3}], "of": "a"}'
    )
