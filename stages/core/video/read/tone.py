"""High dynamic range shown on an ordinary screen: PQ and HLG of BT.2020 as BT.709.

Brightness is rolled off as ITU-R BT.2390-11 5.4.1 does (EETF), for a source of 1000 cd/m2 and a white of 203 (BT.2408),
by the largest of R, G, B, so that hues stay; decoded as BT.2100 says and coded for a screen of BT.1886.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Hdr = Literal["pq", "hlg"]
HDR: dict[int, Hdr] = {16: "pq", 18: "hlg"}  # ITU-T H.273, transfer characteristics
PEAK, WHITE = 1000.0, 203.0  # cd/m2
M1, M2 = 2610 / 16384, 2523 / 4096 * 128
C1, C2, C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
A, B, C = 0.17883277, 0.28466892, 0.55991073  # of HLG
LUMA_2020 = np.array((0.2627, 0.6780, 0.0593))
TO_709 = np.array(((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)))  # BT.2087
SIDE = 33  # of a table of three dimensions

Values = NDArray[np.float64]


def to_sdr(rgb: Values, hdr: Hdr) -> Values:
    """R'G'B' of BT.709, float64 [..., 3] from 0 to 1, of R'G'B' of BT.2020 in PQ or HLG."""
    light = _from_pq(rgb) if hdr == "pq" else _from_hlg(rgb)
    most = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light *= _roll_off(most) / most
    shown: Values = np.clip(light @ TO_709.T / WHITE, 0, 1) ** (1 / 2.4)
    return shown


def write_cube(file: Path, hdr: Hdr) -> None:
    """Writes `to_sdr` as a table that ffmpeg's lut3d reads (.cube)."""
    step = np.linspace(0, 1, SIDE)
    blue, green, red = np.meshgrid(step, step, step, indexing="ij")
    rows = to_sdr(np.stack([red, green, blue], axis=-1).reshape(-1, 3), hdr)
    file.write_text(f"LUT_3D_SIZE {SIDE}\n" + "".join(f"{r:.6f} {g:.6f} {b:.6f}\n" for r, g, b in rows))


def show_bgr(bgr: NDArray[np.uint8], hdr: Hdr) -> NDArray[np.uint8]:
    """A picture of BT.2020 in PQ or HLG, uint8 [height, width, 3] in B, G, R, as an ordinary screen shows it."""
    shown = to_sdr(bgr[..., ::-1] / 255, hdr)[..., ::-1]
    return np.ascontiguousarray(np.round(255 * shown).astype(np.uint8))


def _from_pq(code: Values) -> Values:
    """Light in cd/m2."""
    root = code ** (1 / M2)
    light: Values = 10_000 * (np.maximum(root - C1, 0) / (C2 - C3 * root)) ** (1 / M1)
    return light


def _to_pq(light: Values) -> Values:
    root = (light / 10_000) ** M1
    code: Values = ((C1 + C2 * root) / (1 + C3 * root)) ** M2
    return code


def _from_hlg(code: Values) -> Values:
    """Light in cd/m2 of a screen of 1000."""
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - C) / A) + B) / 12)
    luma = np.maximum(scene @ LUMA_2020, 1e-9)[..., None]
    light: Values = PEAK * luma**0.2 * scene
    return light


def _roll_off(light: Values) -> Values:
    peak = float(_to_pq(np.array(PEAK)))
    most = float(_to_pq(np.array(WHITE))) / peak
    knee = 1.5 * most - 0.5
    code = np.minimum(_to_pq(light) / peak, 1)
    t = np.maximum(code - knee, 0) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return _from_pq(np.where(code < knee, code, curve) * peak)
