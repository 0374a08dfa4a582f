"""Batched least squares with a penalty on finite differences: banded systems, solved for a whole batch at once.

Arrays in this file have time first, so that one step of the recursion over time touches contiguous memory:
`diagonals_PTB[p, t]` is the entry (t, t + p) of the symmetric matrix of every batch member.
"""

from __future__ import annotations

import functools
import math

import numpy as np


def difference_matrix(steps: int, order: int) -> np.ndarray:
    """The [steps - order, steps] matrix of n-th finite differences, n = `order`; no rows where steps are too few."""
    coefficients = [(-1.0) ** (order - k) * math.comb(order, k) for k in range(order + 1)]
    matrix = np.zeros((max(steps - order, 0), steps))
    for row in range(steps - order):
        matrix[row, row : row + order + 1] = coefficients
    return matrix


@functools.lru_cache(maxsize=32)
def penalty(steps: int, order: int, weight: float, dt_s: float) -> np.ndarray:
    """Dense [steps, steps] matrix of weight * |n-th derivative|^2: D'D / dt^2n. Read-only, as it is shared."""
    differences = difference_matrix(steps, order)
    matrix = weight / dt_s ** (2 * order) * differences.T @ differences
    matrix.flags.writeable = False
    return matrix


@functools.lru_cache(maxsize=32)
def smoother(steps: int, order: int, weight: float, ridge: float, dt_s: float, fixed_start: bool) -> np.ndarray:
    """Dense [steps, steps] matrix that maps data to the values which follow it smoothly. Read-only.

    Minimises |x - data|^2 + weight |x^(order)|^2 + ridge |x|^2. With `fixed_start` the penalty also sees a value in
    front of the first one, held at zero.
    """
    smooth = penalty(steps + fixed_start, order, weight, dt_s)[fixed_start:, fixed_start:]
    matrix = np.linalg.inv(smooth + (1.0 + ridge) * np.eye(steps))
    matrix.flags.writeable = False
    return matrix


def matrix_diagonals(matrix: np.ndarray, width: int) -> np.ndarray:
    """The main and the `width` upper diagonals of a symmetric [T, T] matrix as [width + 1, T, 1]; rests are zero."""
    steps = len(matrix)
    diagonals = np.zeros((width + 1, steps, 1))
    for p in range(min(width + 1, steps)):
        diagonals[p, : steps - p, 0] = np.diagonal(matrix, p)
    return diagonals


def solve_banded(diagonals_PTB: np.ndarray, right_TB: np.ndarray) -> np.ndarray:
    """Solve one symmetric positive definite banded system per batch member: x_TB, in float64, given back as it came.

    Factorises A = U' D U with unit upper triangular U, row by row. No pivoting: the systems here are data terms plus
    a penalty plus a ridge, and so are positive definite.
    """
    dtype = right_TB.dtype
    diagonals_PTB, right_TB = diagonals_PTB.astype(np.float64), right_TB.astype(np.float64)
    width, steps = len(diagonals_PTB) - 1, len(right_TB)
    pivots_TB = diagonals_PTB[0]
    for t in range(steps):
        reach = min(width, steps - 1 - t)
        row = diagonals_PTB[1 : reach + 1, t]
        factors = row / pivots_TB[t]
        right_TB[t + 1 : t + 1 + reach] -= factors * right_TB[t]
        for p in range(reach):
            diagonals_PTB[: reach - p, t + 1 + p] -= factors[p] * row[p:]
        row[...] = factors
    right_TB /= pivots_TB
    for t in range(steps - 2, -1, -1):
        reach = min(width, steps - 1 - t)
        right_TB[t] -= np.einsum("pb,pb->b", diagonals_PTB[1 : reach + 1, t], right_TB[t + 1 : t + 1 + reach])
    return right_TB.astype(dtype, copy=False)
