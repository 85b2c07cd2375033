"""What Brian 2 makes of circuits: ``python brian2_package.py brian2 IN.npz OUT.npz``."""

from __future__ import annotations

from typing import Any

import brian2 as b2
import numpy as np
from circuits import DT, Array, Circuit, Layer, Result, answer

SECOND = b2.second
METHOD = {"exponential": "exact", "euler": "euler"}


def equations(layer: Layer) -> str:
    """Of one layer; a resistance of 1 ohm makes currents volts."""
    blocked = " (unless refractory)" if layer.t_ref or layer.reset == "to" else ""
    lines = [f"dv/dt = (v_leak - v{' + I' if layer.tau_syn else ''} + bias) / tau : 1{blocked}"]
    if layer.tau_syn:
        lines.append("dI/dt = -I / tau_syn : 1")
    lines += [f"{x} : 1 (constant)" for x in ("v_leak", "bias", "v_th", "v_reset")]
    return "\n".join([*lines, "tau : second (constant)"])


def run(circuit: Circuit) -> Result:
    """The whole network at once, with the default schedule."""
    b2.start_scope()
    b2.prefs.codegen.target = "numpy"
    b2.defaultclock.dt = DT * SECOND
    steps = len(circuit.spikes)
    when, which = np.nonzero(circuit.spikes)
    source: Any = b2.SpikeGeneratorGroup(circuit.spikes.shape[1], which, when * DT * SECOND)
    net, found = b2.Network(source), []
    for layer in circuit.layers:
        after = {"to": "v = v_reset", "subtract": "v -= v_th - v_reset", "none": ""}[layer.reset]
        group = b2.NeuronGroup(
            len(layer.v_th), equations(layer), threshold="v > v_th", reset=after,
            refractory=layer.t_ref * DT * SECOND if layer.t_ref else False,
            method=METHOD[circuit.options["method"]],
            namespace={"tau_syn": layer.tau_syn * SECOND},
        )  # fmt: skip
        group.tau = layer.tau_mem * SECOND
        for key in ("v_leak", "bias", "v_th", "v_reset"):
            setattr(group, key, getattr(layer, key))
        group.v = layer.v_leak
        to = "I_post += w" if layer.tau_syn else "v_post += w"
        synapses = b2.Synapses(source, group, "w : 1", on_pre=to)
        rows, columns = np.indices(layer.weight.shape)
        synapses.connect(i=columns.ravel(), j=rows.ravel())
        synapses.w = layer.weight.ravel()
        spikes = b2.SpikeMonitor(group)
        voltage = b2.StateMonitor(group, "v", record=True, when="end")
        net.add(group, synapses, spikes, voltage)
        found.append((spikes, voltage, len(layer.v_th)))
        source = group
    net.run(steps * DT * SECOND)
    result = Result([], [])
    for spikes, voltage, size in found:
        dense: Array = np.zeros((steps, size), np.int64)
        dense[
            np.rint(np.asarray(spikes.t / SECOND) / DT).astype(int), np.asarray(spikes.i, int)
        ] = 1
        result.spikes.append(dense)
        result.v.append(np.asarray(voltage.v).T)
    return result


if __name__ == "__main__":
    answer(run, version=b2.__version__, numpy=np.__version__)
