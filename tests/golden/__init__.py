"""Golden files: what independent emulators computed, in chip integers.

``make_xylo.py`` made ``xylo.npz``, ``make_speck.py`` made ``speck.npz``; each documents its file.
``make_loihi1.py`` made the ``loihi1_*`` files
and documents their convention (step numbering, when u and v are sampled) and their parameters.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PER_COMPARTMENT = ("du", "dv", "vth_mant", "refr", "bias_mant", "bias_exp")


def load_cases(name):
    """The cases of a golden file ("loihi1_nengo" or "loihi1_brian2"), a dict each.

    Parameters are as in the file's JSON, those per compartment and the ``mant`` and ``weight``
    of each projection as int64 arrays; ``inputs``, ``spikes`` (bool), ``u``, ``v`` (int64) are
    arrays [steps, ...].
    """
    cases = []
    with np.load(HERE / f"{name}.npz", allow_pickle=False) as data:
        for i, text in enumerate(data["meta"]):
            case = json.loads(str(text))
            for key in PER_COMPARTMENT:
                case[key] = np.array(case[key], dtype=np.int64)
            for p in case["projections"]:
                p["mant"] = np.array(p["mant"], dtype=np.int64)
                p["weight"] = np.array(p["weight"], dtype=np.int64)
            for key in ("inputs", "spikes"):
                case[key] = data[f"case{i:03d}/{key}"]
            for key in ("u", "v"):
                case[key] = data[f"case{i:03d}/{key}"].astype(np.int64)
            case["id"] = f"{name}-{i:03d}-{case['kind']}"
            cases.append(case)
    return cases


def load_weight_tables(name):
    """(first exponent, {"mixed8": weights [exponent, mantissa], ...}) of a weights file.

    Mantissas run from the lowest of the sign mode (0 for "exc", else -256); exponents from the
    first one upwards; the number in the key is the number of weight bits.
    """
    with np.load(HERE / f"{name}.npz", allow_pickle=False) as data:
        tables = {k: data[k].astype(np.int64) for k in data.files if k != "first_exp"}
        return int(data["first_exp"]), tables


def load_xylo():
    """The cases of ``xylo.npz`` (``make_xylo.py``); see ``_load``."""
    return _load("xylo")


def load_speck():
    """The cases of ``speck.npz`` (``make_speck.py``); see ``_load``."""
    return _load("speck")


def _load(name):
    """A dict for each case: parameters as in the file's JSON, integer arrays as int64."""
    cases = []
    with np.load(HERE / f"{name}.npz", allow_pickle=False) as data:
        for i, text in enumerate(data["meta"]):
            head = f"case{i:03d}/"
            case = json.loads(str(text))
            for key in data.files:
                if key.startswith(head):
                    x = data[key]
                    case[key.removeprefix(head)] = x.astype(np.int64) if x.dtype.kind in "iu" else x
            case["id"] = f"{name}-{i:03d}-{case.get('kind') or case['reset']}"
            cases.append(case)
    return cases
