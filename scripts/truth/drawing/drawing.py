"""How a film of the ground-truth corpus is drawn, picture by picture."""

from collections.abc import Iterator

import numpy as np

from scripts.truth.drawing.camera import Gaze
from scripts.truth.drawing.picture import BLACK, WHITE, Picture, Plane, mix
from scripts.truth.film import Film, Joint


def drawn(film: Film, seed: int) -> Iterator[Picture]:
    """The film's pictures in order, grain included."""
    rng = np.random.default_rng([seed, *film.name.encode()])
    noise = rng.standard_normal((film.size[1] + 64, film.size[0] + 64), np.float32)
    borders = [(0, 0, Joint()), *film.borders(), (film.frames, film.frames, Joint())]
    for n, (scene, _) in enumerate(film.shots):
        (start, clear, _), (leaving, end, joint) = borders[n], borders[n + 1]
        for frame in range(clear, end):
            t = film.clock(film.time_s(frame))
            picture = scene.picture(t - film.clock(film.time_s(start)), film.size)
            if frame >= leaving:
                following = film.shots[n + 1][0].picture(t - film.clock(film.time_s(leaving)), film.size)
                picture = joined(picture, following, joint, frame - leaving)
            finish(film, picture, frame)
            for plane, amount in zip(picture.planes, (film.grain, film.grain_chroma, film.grain_chroma), strict=True):
                if amount:
                    flip, (down, right) = int(rng.choice([-1, 1])), rng.integers(0, 64, 2)
                    part = noise[down : down + plane.shape[0], right : right + plane.shape[1]]
                    np.add(plane, np.float32(amount) * part[::flip], out=plane)
            yield picture


def finish(film: Film, picture: Picture, frame: int) -> None:
    """Paints the overlays of the whole film, and its fades at the start and the end."""
    whole = Gaze((0, 0), 1, 0, film.size)
    for prop in film.over:
        prop(picture, film.time_s(frame), whole)
    if frame < film.opens:
        picture.tint(BLACK, 1 - frame / film.opens)
    last = film.frames - film.closes
    if frame >= last:
        picture.tint(BLACK, (frame + 1 - last) / film.closes)


def joined(old: Picture, new: Picture, joint: Joint, frame: int) -> Picture:
    """The picture `frame` frames into a transition."""
    share = (frame + 1) / (joint.frames + 1)
    if joint.kind == "fade":
        colour = BLACK if joint.how == "black" else WHITE
        out = round((joint.frames - joint.hold) * joint.lean)
        if frame < out:
            old.tint(colour, (frame + 1) / out)
            return old
        back = joint.frames - joint.hold - out
        new.tint(colour, min(1.0, 1 - (frame + 1 - out - joint.hold) / (back + 1)))
        return new
    if joint.kind == "wipe":
        turns = wiped(joint.how, old.y.shape[1], old.y.shape[0])
        soft = max(joint.soft, 1.5 / old.y.shape[1])
        return mix(old, new, np.clip((share * (1 + soft) - turns) / soft, 0, 1).astype(np.float32))
    return mix(old, new, 0.5 - 0.5 * float(np.cos(np.pi * share)) if joint.how == "eased" else share)


def wiped(how: str, wide: int, high: int) -> Plane:
    """For each pixel, the progress of the wipe (0 to 1) at which it changes to the new shot."""
    rows, columns = np.indices((high, wide)) + 0.5
    x, y = columns / wide, rows / high
    forms = {
        "right": x,
        "left": 1 - x,
        "up": 1 - y,
        "diagonal": (x + y) / 2,
        "iris": np.hypot(x - 0.5, y - 0.5) * 2**0.5,
    }
    return np.asarray(forms[how], np.float32)
