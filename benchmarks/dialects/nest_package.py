"""What NEST makes of circuits: ``python nest_package.py nest IN.npz OUT.npz``.

A volt is a mV here, an ampere a pA, and C in pF has the number of tau in ms: 1 ohm becomes 1 GOhm.
A spike of step k has the time stamp k + 1, and V after step k is that of time k + 1.
"""

from __future__ import annotations

import nest
import numpy as np
from circuits import DT, Array, Circuit, Result, answer

MS = 1e3


def run(circuit: Circuit) -> Result:
    """The whole network at once; every connection has a delay of one step."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = DT * MS
    steps = len(circuit.spikes)
    source = nest.Create("spike_generator", circuit.spikes.shape[1])
    for k, generator in enumerate(source):
        generator.spike_times = (np.flatnonzero(circuit.spikes[:, k]) + 1) * DT * MS
    found = []
    for layer in circuit.layers:
        neurons = nest.Create("iaf_psc_exp" if layer.tau_syn else "iaf_psc_delta", len(layer.v_th))
        settings = dict(
            C_m=layer.tau_mem * MS, tau_m=layer.tau_mem * MS, E_L=layer.v_leak, V_th=layer.v_th,
            V_reset=layer.v_reset, I_e=layer.bias, V_m=layer.v_leak,
        )  # fmt: skip
        for key, values in settings.items():
            settings[key] = values.tolist()
        neurons.set(t_ref=layer.t_ref * DT * MS)
        # all at once: each on its own might meet a threshold below the old reset potential
        neurons.set([{k: v[i] for k, v in settings.items()} for i in range(len(neurons))])
        if layer.tau_syn:
            neurons.set(tau_syn_ex=layer.tau_syn * MS, tau_syn_in=layer.tau_syn * MS)
        nest.Connect(source, neurons, "all_to_all", {"weight": layer.weight, "delay": DT * MS})
        spikes = nest.Create("spike_recorder")
        meter = nest.Create("multimeter", {"record_from": ["V_m"], "interval": DT * MS})
        nest.Connect(neurons, spikes)
        nest.Connect(meter, neurons)
        found.append((neurons, spikes, meter))
        source = neurons
    nest.Simulate((steps + 1) * DT * MS)
    result = Result([], [])
    for neurons, spikes, meter in found:
        first = neurons[0].global_id
        dense: Array = np.zeros((steps + 2, len(neurons)), np.int64)
        events = spikes.get("events")
        at = np.rint(np.asarray(events["times"]) / (DT * MS)).astype(int) - 1
        dense[at, np.asarray(events["senders"], int) - first] = 1
        v = np.full((steps + 2, len(neurons)), np.nan)
        events = meter.get("events")
        at = np.rint(np.asarray(events["times"]) / (DT * MS)).astype(int) - 1
        v[at, np.asarray(events["senders"], int) - first] = events["V_m"]
        result.spikes.append(dense[:steps])
        result.v.append(v[:steps])
    return result


if __name__ == "__main__":
    answer(run, version=nest.__version__, numpy=np.__version__)
