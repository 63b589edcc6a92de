"""Which way a radiograph was taken, as far as its header says so in words of the Standard.

What people write there by hand is as often a habit as a fact; so words that the Standard does not know say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

_POSITIONS = {
    **{term: term for term in ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO")},  # PS3.3 C.8.1.1, C.8.11.5
    **{"LATERAL": "LATERAL", "LAT": "LATERAL"},  # not the Standard's, but plain, and frequent
}
_CODES = {  # PS3.16 CID 4010, by SNOMED CT and by the older SNOMED RT
    **{"399348003": "AP", "R-10206": "AP"},
    **{"272479007": "PA", "R-10214": "PA", "R-40888": "PA"},
    **{"399067008": "LATERAL", "R-102CD": "LATERAL"},
    **{"399173006": "LL", "R-10236": "LL"},
    **{"399198007": "RL", "R-10232": "RL"},
    **{"399182000": "OBLIQUE", "R-102C1": "OBLIQUE"},
    **{"399135007": "OBLIQUE", "R-10220": "OBLIQUE", "399356000": "OBLIQUE", "R-40985": "OBLIQUE"},
    **{"399006002": "OBLIQUE", "R-10212": "OBLIQUE", "399038007": "OBLIQUE", "R-10210": "OBLIQUE"},
}
VIEWS = frozenset((*_POSITIONS.values(), *_CODES.values()))
"""All views that are told apart."""

_HEAD = ("SKULL", "HEAD", "BRAIN", "FACE", "JAW", "MANDIBLE", "ZYGOMA", "ORBIT", "EYE", "NOSE", "SINUS")
_LIMBS = (
    *("ELBOW", "FOREARM", "WRIST", "HAND", "FINGER", "THUMB", "ARM", "HUMERUS", "RADIUS", "ULNA", "EXTREMITY"),
    *("THIGH", "FEMUR", "KNEE", "PATELLA", "LEG", "CALF", "TIBIA", "FIBULA", "ANKLE", "FOOT", "TOE", "CALCANEUS"),
)


def view_of(position: str, codes: Iterable[str] = ()) -> str | None:
    """Return the view that a header states.

    Args:
        position: `ViewPosition`, empty without one.
        codes: `CodeValue` of the items of `ViewCodeSequence`.

    Returns:
        One of :data:`VIEWS`; None if it states none, or in no known word.

    Example:
        >>> view_of("LL"), view_of("", ["272479007"]), view_of("PORTABLE")
        ('LL', 'PA', None)
    """
    known = [_POSITIONS.get(position.strip().upper()), *map(_CODES.get, codes)]
    return next((view for view in known if view is not None), None)


def is_elsewhere(body_part: str) -> bool:
    """Tell whether `BodyPartExamined` names the head or a limb, where no organ of the trunk can be seen.

    Example:
        >>> is_elsewhere("HAND"), is_elsewhere("ABDOMEN"), is_elsewhere("")
        (True, False, False)
    """
    return body_part.strip().upper() in (*_HEAD, *_LIMBS)
