"""Small networks written as NIR files by a framework's own exporter. Run by ``nir_frameworks``.

``nir_exports.py FRAMEWORK FOLDER``: writes ``FRAMEWORK_NAME.nir`` for each of its networks and
prints a JSON object, name -> error (empty where the file is there). Needs no neurohw.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Net = Callable[[], Any]
"""Makes a network, exports it, and returns nir's graph."""


def _snntorch() -> Mapping[str, Net]:
    import snntorch as snn
    import torch
    from snntorch.export_nir import export_to_nir
    from torch import nn

    def linear(a: int, b: int) -> Any:
        return nn.Linear(a, b)

    def leaky(*shape: int, **more: Any) -> Any:
        ones = torch.ones(*shape)
        return snn.Leaky(beta=0.9 * ones, threshold=ones, init_hidden=True, **more)

    def of(*layers: Any, shape: tuple[int, ...] = (3,)) -> Net:
        return lambda: export_to_nir(nn.Sequential(*layers), torch.zeros(1, *shape),
                                     ignore_dims=[0])  # fmt: skip

    two = torch.ones(2)
    feed = of(linear(3, 4), leaky(4), linear(4, 2),
              snn.Synaptic(alpha=0.8 * two, beta=0.9 * two, threshold=two, init_hidden=True,
                           output=True))  # fmt: skip
    scalar = of(linear(3, 4), snn.Leaky(beta=0.9, init_hidden=True, output=True))

    def recurrent(cell: Callable[..., Any], **decay: Any) -> Net:
        rnn = cell(**decay, all_to_all=True, linear_features=4, init_hidden=True)
        return of(linear(3, 4), rnn, linear(4, 2), leaky(2))

    conv = of(nn.Conv2d(1, 2, 3), leaky(2, 4, 4), nn.AvgPool2d(2), nn.Flatten(), linear(8, 2),
              shape=(1, 6, 6))  # fmt: skip

    return {
        "feed": feed, "scalar": scalar, "conv": conv,
        "rleaky": recurrent(snn.RLeaky, beta=0.9),
        "rsynaptic": recurrent(snn.RSynaptic, alpha=0.8, beta=0.9),
    }  # fmt: skip


def _norse() -> Mapping[str, Net]:
    import norse.torch as norse
    import torch
    from norse.torch.utils.export_nir import to_nir
    from torch import nn

    def box(n: int) -> Any:
        return norse.LIFBoxCell(norse.LIFBoxParameters(
            tau_mem_inv=100 * torch.ones(n), v_leak=torch.zeros(n),
            v_th=torch.ones(n)))  # fmt: skip

    def feed() -> Any:
        net = norse.SequentialState(nn.Linear(3, 4), box(4), nn.Linear(4, 2), norse.LIBoxCell())
        return to_nir(net, torch.zeros(3))

    def cuba() -> Any:
        p = norse.LIFParameters(tau_syn_inv=200 * torch.ones(2), tau_mem_inv=100 * torch.ones(2),
                                v_leak=torch.zeros(2), v_th=torch.ones(2))  # fmt: skip
        return to_nir(norse.SequentialState(nn.Linear(3, 2), norse.LIFCell(p)), torch.zeros(3))

    def iaf() -> Any:
        p = norse.IAFParameters(v_th=torch.ones(2))
        return to_nir(norse.SequentialState(nn.Linear(3, 2), norse.IAFCell(p)), torch.zeros(3))

    def conv() -> Any:
        net = norse.SequentialState(nn.Conv2d(1, 2, 3), norse.LIFBoxCell())
        return to_nir(net, torch.zeros(1, 6, 6))

    return {"feed": feed, "cuba": cuba, "iaf": iaf, "conv": conv}


def _sinabs() -> Mapping[str, Net]:
    import sinabs.layers as sl
    import torch
    from sinabs.nir import to_nir
    from torch import nn

    def of(*layers: Any, shape: tuple[int, ...] = (3,)) -> Net:
        def make() -> Any:
            return to_nir(nn.Sequential(*layers), torch.zeros(1, *shape))

        return make

    return {
        "iaf": of(nn.Linear(3, 2), sl.IAFSqueeze(batch_size=1)),
        "lif": of(nn.Linear(3, 2), sl.LIFSqueeze(tau_mem=20.0, batch_size=1)),
        "expleak": of(nn.Linear(3, 2), sl.ExpLeakSqueeze(tau_mem=20.0, batch_size=1)),
        "conv": of(nn.Conv2d(1, 2, 3), sl.IAFSqueeze(batch_size=1), sl.SumPool2d(2), nn.Flatten(),
                   nn.Linear(8, 2), shape=(1, 6, 6)),
    }  # fmt: skip


def _spikingjelly() -> Mapping[str, Net]:
    import torch
    from spikingjelly.activation_based import layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir
    from torch import nn

    def of(*layers: Any, shape: tuple[int, ...] = (3,)) -> Net:
        return lambda: export_to_nir(nn.Sequential(*layers), torch.zeros(1, *shape))

    return {
        "feed": of(layer.Linear(3, 4), neuron.IFNode(), layer.Linear(4, 2, bias=False),
                   neuron.LIFNode(tau=5.0)),
        "lif": of(layer.Linear(3, 2), neuron.LIFNode(tau=5.0, decay_input=False, v_reset=-0.1)),
        "cuba": of(layer.Linear(3, 2), neuron.CUBALIFNode(c_decay=0.8, v_decay=0.9)),
        "soft": of(layer.Linear(3, 2), neuron.IFNode(v_reset=None)),
        "conv": of(layer.Conv2d(1, 2, 3), neuron.IFNode(), layer.AvgPool2d(2), layer.Flatten(),
                   layer.Linear(8, 2), shape=(1, 6, 6)),
    }  # fmt: skip


def _rockpool() -> Mapping[str, Net]:
    import torch
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules.torch import (
        ExpSynTorch,
        LIFNeuronTorch,
        LIFTorch,
        LinearTorch,
    )
    from rockpool.nn.modules.torch.nir import to_nir

    def cuba(n: int) -> Any:
        more = {"tau_mem": 0.02 * torch.ones(n), "tau_syn": 0.01 * torch.ones(n, 1)}
        return LIFTorch(n, **more, bias=torch.zeros(n), threshold=torch.ones(n), dt=1e-3)

    def of(*layers: Any) -> Net:
        return lambda: to_nir(Sequential(*layers), torch.zeros(1, 1, 3))

    return {
        "feed": of(LinearTorch((3, 4)), cuba(4), LinearTorch((4, 2), has_bias=True), cuba(2)),
        "lif": of(LinearTorch((3, 2)), LIFNeuronTorch(2, dt=1e-3)),
        "expsyn": of(LinearTorch((3, 2)), ExpSynTorch(2, dt=1e-3)),
    }


def _spyx() -> Mapping[str, Net]:
    import numpy as np
    import spyx.nn as snn
    from flax import nnx
    from spyx.nir import to_nir

    def of(make: Callable[[Any], tuple[Any, ...]], *shape: int) -> Net:
        ends = {"input": np.array(shape)}, {"output": np.array([2])}
        return lambda: to_nir(snn.Sequential(*make(nnx.Rngs(1))), *ends, dt=1e-3)

    return {
        "feed": of(lambda r: (nnx.Linear(3, 4, rngs=r), snn.LIF((4,), beta=0.9, rngs=r),
                              nnx.Linear(4, 2, use_bias=False, rngs=r),
                              snn.CuBaLIF((2,), rngs=r)), 3),
        "rlif": of(lambda r: (nnx.Linear(3, 2, rngs=r), snn.RLIF((2,), rngs=r)), 3),
        "psu": of(lambda r: (nnx.Linear(3, 2, rngs=r), snn.PSU_LIF((2,), rngs=r)), 3),
        "conv": of(lambda r: (nnx.Conv(1, 2, (3, 3), padding="VALID", rngs=r), snn.IF((4, 4, 2)),
                              snn.SumPool(2, 2, "VALID"), snn.Flatten(),
                              nnx.Linear(8, 2, rngs=r)), 1, 6, 6),
    }  # fmt: skip


NETS: Mapping[str, Callable[[], Mapping[str, Net]]] = {
    "snntorch": _snntorch, "norse": _norse, "sinabs": _sinabs,
    "spikingjelly": _spikingjelly, "rockpool": _rockpool, "spyx": _spyx,
}  # fmt: skip


def main() -> None:
    """Write what can be written."""
    warnings.simplefilter("ignore")
    logging.disable()
    framework, folder = sys.argv[1:]
    told = {}
    with contextlib.redirect_stdout(io.StringIO()):
        import nir

        with contextlib.suppress(ImportError):  # where torch is not, networks bring their seed
            import torch

            torch.manual_seed(1)
        for name, make in NETS[framework]().items():
            if "torch" in sys.modules:
                torch.manual_seed(1)
            path = Path(folder, f"{framework}_{name}.nir")
            try:
                nir.write(str(path), make())
                told[name] = ""
            except Exception as error:
                text = (str(error).strip().splitlines() or [""])[0]
                told[name] = f"{type(error).__name__}: {text[:200]}"
                path.unlink(missing_ok=True)  # what was begun
    print(json.dumps(told))


if __name__ == "__main__":
    main()
