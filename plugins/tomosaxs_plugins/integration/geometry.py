"""Where the pixels of a flat, tilted area detector are; plain numpy, no framework.

Convention: that of pyFAI (doi:10.1107/S1600576715004306). Lengths in m, angles in rad. Axis 1 runs along
the rows of the array, axis 2 along its columns, axis 3 along the beam; the sample is the origin. A point
of the detector is given in *edge* coordinates: pixel (i, j) covers [i, i+1) x [j, j+1), its centre is
(i + 0.5, j + 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from tomosaxs_plugins.integration.arrays import Curve

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DetectorGeometry:
    """Six numbers of a calibration, the pixel sizes and the wavelength.

    Parameters
    ----------
    distance : float
        Sample to the point of normal incidence, m.
    poni1, poni2 : float
        Point of normal incidence along rows and columns, m from the outer corner of pixel (0, 0).
    rot1, rot2, rot3 : float
        Rotations of the detector, rad, as in pyFAI.
    pixel1, pixel2 : float
        Height and width of a pixel, m.
    wavelength : float or None
        m.
    shape : tuple of int or None
        Rows and columns of the detector.

    Raises
    ------
    ValueError
        When a number is not finite, a size is not positive, or the detector is tilted by 90 degrees or more.
    """

    distance: float
    poni1: float
    poni2: float
    rot1: float
    rot2: float
    rot3: float
    pixel1: float
    pixel2: float
    wavelength: float | None = None
    shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("distance", "poni1", "poni2", "rot1", "rot2", "rot3", "pixel1", "pixel2"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}: a finite number is needed")
        for name in ("distance", "pixel1", "pixel2"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r} m: it must be positive")
        if self.wavelength is not None and not (np.isfinite(self.wavelength) and self.wavelength > 0):
            raise ValueError(f"wavelength is {self.wavelength!r} m: it must be positive")
        if not np.cos(self.rot1) * np.cos(self.rot2) > 0:
            raise ValueError("the detector is tilted by 90 degrees or more: the beam never meets its front")

    @classmethod
    def from_beam(
        cls,
        centre: tuple[float, float],
        beam_distance: float,
        rotation: Floats,
        pixel: tuple[float, float],
        wavelength: float | None = None,
        shape: tuple[int, int] | None = None,
    ) -> DetectorGeometry:
        """Build a geometry from where the direct beam meets the detector plane.

        Parameters
        ----------
        centre : (row, column)
            Edge coordinates in pixels; may lie outside the detector.
        beam_distance : float
            Sample to that point, along the beam, m.
        rotation : (3, 3) array
            Takes components along (rows, columns, away from the sample) of the detector to those
            along axes 1, 2, 3.
        pixel : (height, width)
            m.

        Raises
        ------
        ValueError
            When `rotation` is not a rotation.
        """
        rotation = np.asarray(rotation, dtype=np.float64)
        off = np.abs(rotation @ rotation.T - np.eye(3)).max()
        if not off < 1e-4 or not np.linalg.det(rotation) > 0:
            raise ValueError(f"the orientation is not a rotation matrix (it is off by {off:.2g})")
        if not rotation[2, 2] > 0:
            raise ValueError("the detector is tilted by 90 degrees or more: the beam never meets its front")
        rot1 = np.arctan2(-rotation[2, 1], rotation[2, 2])
        rot2 = np.arctan2(rotation[2, 0], np.hypot(rotation[2, 1], rotation[2, 2]))
        rot3 = np.arctan2(rotation[1, 0], rotation[0, 0])
        # from here on the exact rotation, not the rounded one of a file: the beam then hits `centre` exactly
        c1, s1, c2, s2 = np.cos(rot1), np.sin(rot1), np.cos(rot2), np.sin(rot2)
        return cls(
            distance=float(beam_distance * c1 * c2),
            poni1=float(centre[0] * pixel[0] - beam_distance * s2),
            poni2=float(centre[1] * pixel[1] + beam_distance * c2 * s1),
            rot1=float(rot1), rot2=float(rot2), rot3=float(rot3),
            pixel1=pixel[0], pixel2=pixel[1], wavelength=wavelength, shape=shape,
        )  # fmt: skip

    @classmethod
    def from_tilt(
        cls,
        centre: tuple[float, float],
        beam_distance: float,
        tilt: float,
        plane_rotation: float,
        pixel: tuple[float, float],
        wavelength: float | None = None,
        shape: tuple[int, int] | None = None,
    ) -> DetectorGeometry:
        """Build a geometry from beam centre, tilt and tilt plane rotation, as pyFAI's setFit2D takes them.

        `tilt` (rad) is the angle between beam and detector normal; `plane_rotation` (rad) the direction
        in the array, from columns towards rows, in which the detector lies farther from the sample:
        minus `tilt_direction`, and minus what FIT2D itself prints, because FIT2D counts rows from the
        bottom. (tilt, rotation) and (-tilt, rotation + pi) are the same.
        Source of the convention: Hammersley et al. 1996, doi:10.1080/08957959608201408.
        """
        a = np.sin(tilt) * np.sin(plane_rotation)
        b = np.sin(tilt) * np.cos(plane_rotation)
        c = np.cos(tilt)
        rotation = np.array(
            [[1 - a * a / (1 + c), -a * b / (1 + c), -a], [-a * b / (1 + c), 1 - b * b / (1 + c), -b], [a, b, c]]
        )
        return cls.from_beam(centre, beam_distance, rotation, pixel, wavelength, shape)

    @classmethod
    def from_dawn(
        cls,
        centre: tuple[float, float],
        beam_distance: float,
        orientation: Floats,
        pixel: tuple[float, float],
        wavelength: float | None = None,
        shape: tuple[int, int] | None = None,
    ) -> DetectorGeometry:
        """Build a geometry from DAWN's orientation matrix.

        DAWN's laboratory frame has z along the beam, y up, x = y cross z; `orientation` (3, 3) turns
        laboratory components of a vector into detector components, where the array's columns run along
        -x and its rows along -y (doi:10.1107/S1600576717004708 and DAWN's DetectorProperties).
        """
        # the same two frames with axes (down, right, beam) in place of (x, y, z)
        swap = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        rotation = swap @ np.asarray(orientation, dtype=np.float64).reshape(3, 3).T @ swap
        return cls.from_beam(centre, beam_distance, rotation, pixel, wavelength, shape)

    @property
    def rotation(self) -> Floats:
        """(3, 3) rotation from detector to laboratory components."""
        c1, s1 = np.cos(self.rot1), np.sin(self.rot1)
        c2, s2 = np.cos(self.rot2), np.sin(self.rot2)
        c3, s3 = np.cos(self.rot3), np.sin(self.rot3)
        first = np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
        second = np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
        third = np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
        return np.asarray(third @ second @ first, dtype=np.float64)

    @property
    def beam_distance(self) -> float:
        """Sample to the point where the direct beam meets the detector plane, m."""
        return float(self.distance / (np.cos(self.rot1) * np.cos(self.rot2)))

    @property
    def beam_centre(self) -> tuple[float, float]:
        """(row, column), in pixels from the outer corner of pixel (0, 0), where the direct beam falls."""
        along = self.rotation[2] * self.beam_distance
        return float((self.poni1 + along[0]) / self.pixel1), float((self.poni2 + along[1]) / self.pixel2)

    @property
    def tilt(self) -> float:
        """Angle between beam and detector normal, rad, 0 or more."""
        return float(np.arctan2(np.hypot(self.rotation[2, 0], self.rotation[2, 1]), self.rotation[2, 2]))

    @property
    def tilt_direction(self) -> float:
        """Direction in the array in which the detector lies farther from the sample, rad, (-pi, pi].

        As azimuths: 0 along increasing columns, counter-clockwise in a picture with row 0 at the top; 0
        without tilt.
        """
        down, right = self.rotation[2, 0], self.rotation[2, 1]
        return float(np.arctan2(-down, right)) if down or right else 0.0

    def cropped(self, offset: tuple[int, int], shape: tuple[int, int]) -> DetectorGeometry:
        """Return the geometry of a part that begins at pixel `offset` (row, column)."""
        return replace(
            self,
            poni1=self.poni1 - offset[0] * self.pixel1,
            poni2=self.poni2 - offset[1] * self.pixel2,
            shape=(int(shape[0]), int(shape[1])),
        )

    def flipped(self, rows: bool, columns: bool) -> DetectorGeometry:
        """Return the geometry for the array mirrored along rows and (or) columns; needs `shape`.

        Raises
        ------
        ValueError
            When the shape is not known.
        """
        if not (rows or columns):
            return self
        if self.shape is None:
            raise ValueError("the detector's shape is needed to mirror its geometry")
        change: dict[str, float] = {"rot3": self.rot3 * (-1 if rows != columns else 1)}
        if rows:
            change.update(poni1=self.shape[0] * self.pixel1 - self.poni1, rot2=-self.rot2)
        if columns:
            change.update(poni2=self.shape[1] * self.pixel2 - self.poni2, rot1=-self.rot1)
        return replace(self, **change)  # type: ignore[arg-type]

    def positions(self, rows: ArrayLike, columns: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return positions along axes 1, 2, 3 in m of points given in edge coordinates (broadcast)."""
        p1 = np.asarray(rows, dtype=np.float64) * self.pixel1 - self.poni1
        p2 = np.asarray(columns, dtype=np.float64) * self.pixel2 - self.poni2
        turn = self.rotation
        first, second, third = (row[0] * p1 + row[1] * p2 + row[2] * self.distance for row in turn)
        return first, second, third

    def two_theta(self, rows: ArrayLike, columns: ArrayLike) -> Floats:
        """Return scattering angles in rad; atan2 keeps them exact near the beam, where acos does not."""
        first, second, third = self.positions(rows, columns)
        return np.asarray(np.arctan2(np.hypot(first, second), third), dtype=np.float64)

    def azimuth(self, rows: ArrayLike, columns: ArrayLike) -> Floats:
        """Return azimuths chi in rad, (-pi, pi].

        0 points along increasing columns, +90 degrees towards row 0: counter-clockwise in a picture
        that shows row 0 at the top.
        """
        first, second, _ = self.positions(rows, columns)
        return np.asarray(np.arctan2(-first, second), dtype=np.float64)

    def q(self, rows: ArrayLike, columns: ArrayLike) -> Floats:
        """Return q = 4 pi sin(theta) / wavelength in nm^-1 of points given in edge coordinates.

        Raises
        ------
        ValueError
            When the wavelength is not known.
        """
        if self.wavelength is None:
            raise ValueError("q needs the wavelength, which the calibration does not give")
        sine = np.sin(self.two_theta(rows, columns) / 2)
        return np.asarray(4e-9 * np.pi / self.wavelength * sine, dtype=np.float64)

    def chi(self, rows: ArrayLike, columns: ArrayLike) -> Floats:
        """Return azimuths in degrees, (-180, 180]; `azimuth` tells from where they count."""
        return np.degrees(self.azimuth(rows, columns))

    def integrate(self, image: ArrayLike, **options: Any) -> Curve:
        """Integrate images over the azimuth: ``q, intensity, sigma = geometry.integrate(image)``.

        See `tomosaxs_plugins.integration.arrays.integrate` for the options: ``bins=``, ``range=``, ``unit=``,
        ``mask=``, ``dark=``, ``flat=``, ``polarization=``, ``error_model=`` and so on.
        """
        from tomosaxs_plugins.integration.arrays import integrate

        return integrate(self, image, **options)
