"""The streak of one fibre at one point of reciprocal space: its value and derivatives. Plain functions on numbers.

The streak lies on a sphere of radius R = q0 / delta, whose centre c0 = q0 - R is on the fibre's axis: with |u| the
component of Q along the fibre and p the one across it, a = |u| - c0, D = sqrt(a^2 + p^2) and theta = atan2(p, a),

    V = exp(-(R theta)^2 / (2 E^2)) / (1 + ((D - R) / wa)^2),        E = q0 tan(wmu).

V is 1 at the peak of the streak (unit height). Nothing is the difference of large numbers, although R is a thousand
q0 at delta = 0.001: with t = |u| - q0 and w = t (t + 2 R) + p^2, D = sqrt(R^2 + w) and D - R = w / (D + R); and theta
comes from the tangent of its half, p / (D + a), by a polynomial. p itself is nowhere needed, so p = 0 is no exception.

Arcus tangent and exponential are polynomials (least error at Chebyshev points), in which a compiler can work on many
points at once; they are good to 2e-16 and 2e-13 of their values.
"""

from __future__ import annotations

import math
from functools import partial

from tomosaxs_plugins.compiled import compiled

_inlined = partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")


@_inlined
def arc_over_tangent(z: float) -> float:
    """Return atan(y) / y for y^2 = z between 0 and 1."""
    z2 = z * z
    z4 = z2 * z2
    p0 = (1.0 - 0.333333333333307 * z) + (0.1999999999964796 - 0.14285714266926733 * z) * z2
    p1 = (0.11111110578002083 - 0.09090899793217341 * z) + (0.07692198997458294 - 0.06665764910689723 * z) * z2
    p2 = (0.058768281144872724 - 0.052374234719188166 * z) + (0.04668745304848529 - 0.040811247503178855 * z) * z2
    p3 = (0.03387126702700675 - 0.02556862364437174 * z) + (0.01671959606350739 - 0.00899108054265826 * z) * z2
    p4 = (0.003751138483965141 - 0.0011252544302234645 * z) + (0.00021423810738603946 - 1.93423475928923e-05 * z) * z2
    return (p0 + p1 * z4) + ((p2 + p3 * z4) + p4 * (z4 * z4)) * (z4 * z4)


@_inlined
def decay(x: float) -> float:
    """Return exp(-x) for x >= 0 as the 1024th power of exp(-x / 1024); beyond 700 as at 700."""
    y = (x if x < 700.0 else 700.0) * (1.0 / 1024.0)
    y2 = y * y
    y4 = y2 * y2
    p0 = (1.0 - 0.4999999999999957 * y) + (0.16666666666641855 - 0.04166666666102501 * y) * y2
    p1 = (0.008333333267468733 - 0.0013888884396447804 * y) + (0.00019841078410572294 - 2.4796331247215304e-05 * y) * y2
    p2 = 2.746407883810468e-06 - 2.6518461339761315e-07 * y + 1.832525214693379e-08 * y2
    p = 1.0 - y * ((p0 + p1 * y4) + p2 * (y4 * y4))
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p * p


@_inlined
def exponent(q: float, u: float, q0: float, radius: float, steep: float) -> float:
    """Return (R theta)^2 / (2 E^2), the exponent of the transverse Gaussian; parameters as of `streak`."""
    u = abs(u)
    across = (q - u) * (q + u)
    across = across if across > 0.0 else 0.0
    a = u - q0 + radius
    half = math.sqrt(a * a + across) + a + 1e-100
    arc = radius * 2.0 * arc_over_tangent(across / (half * half)) / half
    return arc * arc * across * steep


@_inlined
def streak(q: float, u: float, q0: float, radius: float, steep: float, narrow: float) -> float:
    """Return V at unit height.

    Parameters
    ----------
    q, u : float
        Length of Q, above 0, and its component along the fibre, in nm^-1.
    q0, radius : float
        q0 and R = q0 / delta in nm^-1.
    steep, narrow : float
        1 / (2 E^2) and 1 / wa^2 in nm^2.
    """
    u = abs(u)
    t = u - q0
    across = (q - u) * (q + u)
    across = across if across > 0.0 else 0.0
    a = t + radius
    w = t * (t + 2.0 * radius) + across
    inside = radius * radius + w
    d = math.sqrt(inside if inside > 0.0 else 0.0)
    half = d + a + 1e-100
    far = d + radius
    inverse = 1.0 / (half * far)
    s = w * inverse * half
    half = far * inverse
    arc = radius * 2.0 * arc_over_tangent(across * half * half) * half
    return decay(arc * arc * across * steep) / (1.0 + s * s * narrow)


@_inlined
def streak_derivatives(
    q: float, u: float, q0: float, radius: float, steep: float, narrow: float, rest: float, turn: float
) -> tuple[float, float, float, float, float, float]:
    """Return V and its derivatives with respect to q0, log wa, log wmu, logit delta and u, at unit height.

    Parameters
    ----------
    q, u, q0, radius, steep, narrow : float
        As of `streak`.
    rest : float
        1 - delta.
    turn : float
        d log E / d log wmu = wmu (1 + T^2) / T with T = tan(wmu).
    """
    sign = 1.0 if u >= 0.0 else -1.0
    u = abs(u)
    t = u - q0
    across = (q - u) * (q + u)
    across = across if across > 0.0 else 0.0
    a = t + radius
    w = t * (t + 2.0 * radius) + across
    inside = radius * radius + w
    d = math.sqrt(inside if inside > 0.0 else 0.0) + 1e-100
    half = d + a
    far = d + radius
    inverse = 1.0 / (half * far * d)
    s = w * inverse * half * d
    per_half = far * d * inverse
    per_d = half * far * inverse
    arc = 2.0 * arc_over_tangent(across * per_half * per_half) * per_half  # theta / p
    g = radius * radius * arc * across  # R^2 theta p
    exponent = g * arc * steep  # (R theta)^2 / (2 E^2)
    lorentzian = 1.0 / (1.0 + s * s * narrow)
    value = decay(exponent) * lorentzian
    pull = 2.0 * lorentzian * s * narrow  # -d log V / d s
    bend = across * per_half * per_d  # 1 - a / D
    slope = radius * per_d * per_d  # R (d theta / d c0) / p
    push = 2.0 * g * steep  # R^2 theta p / E^2
    one_over_delta = radius / q0
    q0_slope = pull * (bend * one_over_delta + 1.0 - bend) + 2.0 * exponent / q0
    q0_slope -= push * (arc * one_over_delta - slope * (one_over_delta - 1.0)) / radius
    delta_slope = -rest * (pull * radius * bend + push * (slope - arc))
    along = 2.0 * radius * radius * arc * steep * (q * q + (radius - q0) * u) * per_d * per_d
    along -= pull * (radius - q0) * per_d
    return (
        value,
        value * q0_slope,
        value * 2.0 * (1.0 - lorentzian),
        value * 2.0 * exponent * turn,
        value * delta_slope,
        value * along * sign,
    )
