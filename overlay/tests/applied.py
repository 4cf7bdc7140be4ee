"""What tests of `apply` share."""

import copy
from typing import Any

from espalier_overlay.apply import apply

URL = "postgresql://orchard:p%40ss@10.0.0.10:5432/orchard"
V42, V52 = (4, 2, 0), (5, 2, 0)


def applied(settings: dict[str, Any], version: tuple = V52, **environ: str) -> dict[str, Any]:
    names = {f"ESPALIER_{name}": value for name, value in environ.items()}
    before = copy.deepcopy(settings)
    result = apply(settings, names, version)
    assert settings == before, "apply changed its argument"
    return result
