"""The passes of a Stockham transform on vectors of eight lanes, one function for each factor.

In a pass of factor r over a length n, with n / r = legs and values that lie `stride` apart, number q of leg p becomes

    y[q + stride (r p + j)] = w**(j p) sum over k of x[q + stride (p + k legs)] exp(-2 pi i j k / r)

where w = exp(-2 pi i / n).

A complex number takes sixteen float32 values: eight real parts, then eight imaginary parts. `turns` holds w**(j p) for
j = 1 ... r - 1 from the place `turn` on, real and imaginary part, leg by leg.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.reconstruction.vectors import load8, multiply_add, multiply_subtract, spread8, store, take8

_kernel = partial(compiled, nogil=True, error_model="numpy")
_SINE_3 = np.float32(0.86602540378443864676)  # sin(2 pi / 3)
_COSINE_5, _COSINE_52 = np.float32(0.30901699437494742410), np.float32(-0.80901699437494742410)
_SINE_5, _SINE_52 = np.float32(0.95105651629515357212), np.float32(0.58778525229247312917)


@_kernel
def _put_turned(target: Any, at: int, real: Any, imag: Any, cosine: Any, sine: Any) -> None:
    store(target, at, multiply_subtract(real, cosine, imag * sine))
    store(target, at + 8, multiply_add(real, sine, imag * cosine))


@_kernel
def pass_of_4(
    values: Any, begin: int, target: Any, end: int, legs: int, stride: int, turns: Any, turn: int, half: bool
) -> None:
    """Do a pass of factor 4; with `half`, the second half of the values counts as zero."""
    leg, step = 16 * stride * legs, 16 * stride
    for p in range(legs):
        c1, s1 = take8(turns, turn + 6 * p), take8(turns, turn + 6 * p + 1)
        c2, s2 = take8(turns, turn + 6 * p + 2), take8(turns, turn + 6 * p + 3)
        c3, s3 = take8(turns, turn + 6 * p + 4), take8(turns, turn + 6 * p + 5)
        if half:
            for q in range(stride):
                at = begin + 16 * (q + stride * p)
                ar, ai = load8(values, at), load8(values, at + 8)
                br, bi = load8(values, at + leg), load8(values, at + leg + 8)
                to = end + 16 * (q + stride * 4 * p)
                store(target, to, ar + br)
                store(target, to + 8, ai + bi)
                _put_turned(target, to + step, ar + bi, ai - br, c1, s1)
                _put_turned(target, to + 2 * step, ar - br, ai - bi, c2, s2)
                _put_turned(target, to + 3 * step, ar - bi, ai + br, c3, s3)
        else:
            for q in range(stride):
                at = begin + 16 * (q + stride * p)
                ar, ai = load8(values, at), load8(values, at + 8)
                br, bi = load8(values, at + leg), load8(values, at + leg + 8)
                cr, ci = load8(values, at + 2 * leg), load8(values, at + 2 * leg + 8)
                dr, di = load8(values, at + 3 * leg), load8(values, at + 3 * leg + 8)
                acr, aci, amr, ami = ar + cr, ai + ci, ar - cr, ai - ci
                bdr, bdi, bmr, bmi = br + dr, bi + di, br - dr, bi - di
                to = end + 16 * (q + stride * 4 * p)
                store(target, to, acr + bdr)
                store(target, to + 8, aci + bdi)
                _put_turned(target, to + step, amr + bmi, ami - bmr, c1, s1)
                _put_turned(target, to + 2 * step, acr - bdr, aci - bdi, c2, s2)
                _put_turned(target, to + 3 * step, amr - bmi, ami + bmr, c3, s3)


@_kernel
def pass_of_2(values: Any, begin: int, target: Any, end: int, legs: int, stride: int, turns: Any, turn: int) -> None:
    """Do a pass of factor 2."""
    leg, step = 16 * stride * legs, 16 * stride
    for p in range(legs):
        c1, s1 = take8(turns, turn + 2 * p), take8(turns, turn + 2 * p + 1)
        for q in range(stride):
            at = begin + 16 * (q + stride * p)
            ar, ai = load8(values, at), load8(values, at + 8)
            br, bi = load8(values, at + leg), load8(values, at + leg + 8)
            to = end + 16 * (q + stride * 2 * p)
            store(target, to, ar + br)
            store(target, to + 8, ai + bi)
            _put_turned(target, to + step, ar - br, ai - bi, c1, s1)


@_kernel
def pass_of_3(values: Any, begin: int, target: Any, end: int, legs: int, stride: int, turns: Any, turn: int) -> None:
    """Do a pass of factor 3."""
    leg, step = 16 * stride * legs, 16 * stride
    half, sine = spread8(np.float32(0.5)), spread8(_SINE_3)
    for p in range(legs):
        c1, s1 = take8(turns, turn + 4 * p), take8(turns, turn + 4 * p + 1)
        c2, s2 = take8(turns, turn + 4 * p + 2), take8(turns, turn + 4 * p + 3)
        for q in range(stride):
            at = begin + 16 * (q + stride * p)
            ar, ai = load8(values, at), load8(values, at + 8)
            br, bi = load8(values, at + leg), load8(values, at + leg + 8)
            cr, ci = load8(values, at + 2 * leg), load8(values, at + 2 * leg + 8)
            tr, ti = br + cr, bi + ci
            mr, mi = ar - half * tr, ai - half * ti
            nr, ni = sine * (br - cr), sine * (bi - ci)
            to = end + 16 * (q + stride * 3 * p)
            store(target, to, ar + tr)
            store(target, to + 8, ai + ti)
            _put_turned(target, to + step, mr + ni, mi - nr, c1, s1)
            _put_turned(target, to + 2 * step, mr - ni, mi + nr, c2, s2)


@_kernel
def pass_of_5(values: Any, begin: int, target: Any, end: int, legs: int, stride: int, turns: Any, turn: int) -> None:
    """Do a pass of factor 5."""
    leg, step = 16 * stride * legs, 16 * stride
    cosine, cosine2, sine, sine2 = spread8(_COSINE_5), spread8(_COSINE_52), spread8(_SINE_5), spread8(_SINE_52)
    for p in range(legs):
        t = turn + 8 * p
        for q in range(stride):
            at = begin + 16 * (q + stride * p)
            ar, ai = load8(values, at), load8(values, at + 8)
            br, bi = load8(values, at + leg), load8(values, at + leg + 8)
            er, ei = load8(values, at + 4 * leg), load8(values, at + 4 * leg + 8)
            cr, ci = load8(values, at + 2 * leg), load8(values, at + 2 * leg + 8)
            dr, di = load8(values, at + 3 * leg), load8(values, at + 3 * leg + 8)
            t1r, t1i, t2r, t2i = br + er, bi + ei, cr + dr, ci + di
            t3r, t3i, t4r, t4i = br - er, bi - ei, cr - dr, ci - di
            to = end + 16 * (q + stride * 5 * p)
            store(target, to, ar + t1r + t2r)
            store(target, to + 8, ai + t1i + t2i)
            m1r = multiply_add(cosine, t1r, multiply_add(cosine2, t2r, ar))
            m1i = multiply_add(cosine, t1i, multiply_add(cosine2, t2i, ai))
            m2r = multiply_add(cosine2, t1r, multiply_add(cosine, t2r, ar))
            m2i = multiply_add(cosine2, t1i, multiply_add(cosine, t2i, ai))
            n1r, n1i = multiply_add(sine, t3r, sine2 * t4r), multiply_add(sine, t3i, sine2 * t4i)
            n2r, n2i = multiply_subtract(sine2, t3r, sine * t4r), multiply_subtract(sine2, t3i, sine * t4i)
            _put_turned(target, to + step, m1r + n1i, m1i - n1r, take8(turns, t), take8(turns, t + 1))
            _put_turned(target, to + 2 * step, m2r + n2i, m2i - n2r, take8(turns, t + 2), take8(turns, t + 3))
            _put_turned(target, to + 3 * step, m2r - n2i, m2i + n2r, take8(turns, t + 4), take8(turns, t + 5))
            _put_turned(target, to + 4 * step, m1r - n1i, m1i + n1r, take8(turns, t + 6), take8(turns, t + 7))
