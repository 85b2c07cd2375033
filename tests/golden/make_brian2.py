"""Make the Brian 2 golden files: three models in physical units (one-off, not run in CI).

Brian 2 (CeCILL 2.1) is only run, nothing of it is kept but numbers. Brian 2 2.9.0 cannot be
imported with NumPy 2.4, so it has an environment of its own, with Python 3.11::

    python3.11 -m venv env-brian2
    env-brian2/bin/pip install brian2==2.9.0 numpy==2.3.5 scipy==1.17.1
    env-brian2/bin/python make_brian2.py

It writes ``brian2_hh.npz``, ``brian2_conductance.npz`` and ``brian2_network.npz`` beside this
script (or into ``--out``); NumPy code generation, no noise. Cases are drawn from ``RandomState`` (a
frozen stream) keyed by ``--seed``, so a re-run gives the same inputs. ``origin`` in every file says
versions, date and command.

Clocks
------
A step of Brian 2 is: state update, thresholds, synapses, resets. A spike of step k that a pathway
of delay d carries acts on its target *after* the state update of step k + d, so it is first used in
step k + d + 1. A step of neurohw is: spikes arrive, conductances, V, threshold, reset. A spike of
step k over a delay of D steps is used in step k + D itself. Hence:

* **delay**: D = d + 1, for conductances and for jumps.
* **conductance**: neurohw updates g' = decay g + arrived and then V with g'; Brian 2 updates V
  with the g before its own update. neurohw's g' of step k is Brian 2's g after step k - 1,
  synapses included, so both use the same numbers for V. ``g_E`` and ``g_I`` here are Brian 2's at
  the *start* of a step: neurohw's of that step. Two paths to one thing, not a coincidence: the
  exponential rules agree as well, since either holds g fixed while V moves.
* **jump**: neurohw's is V' = decay V + drift + w. Brian 2 adds its jump before the next state
  update, which decays it: its weight is w / decay, with decay = 1 - dt/tau (euler) or exp(-dt/tau)
  (exact). :func:`network` also runs a second schedule, in which synapses act between state update
  and threshold (one step later, then) and the jump is w itself, and requires the same spikes.
* **refractory period**: after a spike in step k, neurohw holds V in steps k+1 .. k+P, where
  P = t_ref/dt. Brian 2 with ``refractory`` R holds it in k+1 .. k+R/dt-1: R = t_ref + dt.
* **jumps while refractory** are ignored by neurohw in steps k+1 .. k+P; they were added in Brian 2
  at the end of steps k .. k+P-1. A variable marked ``(unless refractory)`` takes no jump while
  ``not_refractory`` is false, which is one step more. So V is not marked: its derivative is
  multiplied by ``int(not_refractory)``, which is what the mark does to it, and the synapse asks for
  the time since the last spike, ``timestep(t - lastspike, dt) >= P``. (P = 0 has no such mapping:
  Brian 2 resets after its synapses and so loses the jump of step k.)
* **V** is taken after the state update and before threshold and reset (``after_groups``), which is
  neurohw's ``v_pre``; V of the Hodgkin-Huxley neuron is never reset.
* **Hodgkin-Huxley**: a spike is the first step with V > 0 after one with V <= 0 (Brian 2:
  ``refractory="v > 0*mV"``). All four variables are updated from the old values of all four, in
  either method. ``exponential_euler`` solves each variable's equation, which is linear in that
  variable, with the others held.

Arrays
------
Row i of a trace belongs to the end of step ``steps[i]`` (steps count from 0); ``spikes`` has rows
(step, neuron). SI units throughout, float64.
"""

import argparse
import datetime
import json
import platform
from pathlib import Path

import brian2 as b2
import numpy as np

HERE = Path(__file__).parent
SEED = 20251117
METHODS = ("euler", "exponential")


def start(dt):
    """A clean Brian 2 with step ``dt`` in s."""
    b2.start_scope()
    b2.prefs.codegen.target = "numpy"
    b2.defaultclock.dt = dt * b2.second


def rows(monitor):
    """Spikes of a SpikeMonitor as int32 rows (step, neuron), ascending."""
    dt = float(b2.defaultclock.dt)
    steps = np.rint(np.asarray(monitor.t / b2.second) / dt).astype(np.int32)
    found = np.stack([steps, np.asarray(monitor.i, np.int32)], axis=1)
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def every(group, variables, period, when):
    """A StateMonitor that samples steps 0, period, 2 period, ..."""
    clock = period * b2.defaultclock.dt
    return b2.StateMonitor(group, variables, record=True, dt=clock, when=when, order=1000)


def taken(monitor, variable):
    """[sample, neuron] in SI units."""
    return np.ascontiguousarray(np.asarray(getattr(monitor, variable)).T)


# --------------------------------------------------------------------------- Hodgkin-Huxley

HH = dict(C=1e-2, g_Na=1200.0, g_K=360.0, g_L=3.0, E_Na=0.050, E_K=-0.077, E_L=-0.054387)
"""Per square metre: F, S; V. Hodgkin and Huxley, J. Physiol. 117:500 (1952), shifted to -65 mV."""


def hh_case(seed):
    """Currents 0, 5, 8, 10, 15 and 20 uA/cm2, in A/m2; with another seed, six others."""
    amperes = np.array([0, 5, 8, 10, 15, 20]) * 1e-2
    if seed != SEED:
        amperes = np.random.RandomState(seed).uniform(0, 25, 6) * 1e-2
    return dict(dt=1e-5, duration=15000, current=amperes, v_init=-0.065, every=25, every_gate=100)


def hodgkin_huxley(case, method):
    """V, m, h, n and spikes of one neuron for each current."""
    start(case["dt"])
    equations = """
    dv/dt = (I - g_Na*m**3*h*(v - E_Na) - g_K*n**4*(v - E_K) - g_L*(v - E_L))/C : volt
    dm/dt = a_m*(1 - m) - b_m*m : 1
    dh/dt = a_h*(1 - h) - b_h*h : 1
    dn/dt = a_n*(1 - n) - b_n*n : 1
    a_m = 1/exprel(-(v + 40*mV)/(10*mV))/ms : Hz
    b_m = 4*exp(-(v + 65*mV)/(18*mV))/ms : Hz
    a_h = 0.07*exp(-(v + 65*mV)/(20*mV))/ms : Hz
    b_h = 1/(1 + exp(-(v + 35*mV)/(10*mV)))/ms : Hz
    a_n = 0.1/exprel(-(v + 55*mV)/(10*mV))/ms : Hz
    b_n = 0.125*exp(-(v + 65*mV)/(80*mV))/ms : Hz
    I : amp/meter**2 (constant)
    """
    units = dict(C=b2.farad, g_Na=b2.siemens, g_K=b2.siemens, g_L=b2.siemens)
    area = {k: HH[k] * unit / b2.metre**2 for k, unit in units.items()}
    volts = {k: HH[k] * b2.volt for k in ("E_Na", "E_K", "E_L")}
    group = b2.NeuronGroup(
        len(case["current"]),
        equations,
        threshold="v > 0*mV",
        refractory="v > 0*mV",
        method="euler" if method == "euler" else "exponential_euler",
        namespace=area | volts,
    )
    group.v = case["v_init"] * b2.volt
    group.I = case["current"] * b2.amp / b2.metre**2
    for gate in "mhn":
        setattr(group, gate, f"a_{gate}/(a_{gate} + b_{gate})")
    v = every(group, "v", case["every"], "after_groups")
    gates = every(group, ["m", "h", "n"], case["every_gate"], "after_groups")
    spikes = b2.SpikeMonitor(group)
    network = b2.Network(group, v, gates, spikes)
    network.run(case["duration"] * b2.defaultclock.dt)
    out = dict(v=taken(v, "v"), spikes=rows(spikes))
    return out | {gate: taken(gates, gate) for gate in "mhn"}


# --------------------------------------------------------------------------- conductances

LIF = dict(C=200e-12, g_L=20e-9, E_L=-0.060, V_th=-0.055, V_reset=-0.070, t_ref=8e-3)
SYNAPSE = dict(g=2.4e-9, tau_E=2e-3, tau_I=5e-3, E_E=0.0, E_I=-0.080)
"""Thieu and Melnik, section 3.2 (tau_m = C/g_L = 10 ms); g and tau from Neuromatch W2D3."""


def conductance_case(seed):
    """100 excitatory trains of 10 Hz and 50 inhibitory ones of 20 Hz, one uniform per step."""
    rng = np.random.RandomState(seed)
    steps, dt = 10000, 1e-4
    e, i = rng.rand(steps, 100) < 10 * dt, rng.rand(steps, 50) < 20 * dt
    return dict(
        dt=dt,
        duration=steps,
        every=20,
        delay=np.array([4, 9]),  # of Brian 2, in steps: excitatory, inhibitory
        current=np.array([8, 50, 100, 200, 400]) * 1e-12,
        v_init=-0.065,
        input_E=np.argwhere(e).astype(np.int32),
        input_I=np.argwhere(i).astype(np.int32),
    )


def conductance(case, method):
    """V, both conductances and spikes of one neuron for each current; all hear the same trains."""
    start(case["dt"])
    equations = """
    dv/dt = (g_L*(E_L - v) + g_E*(E_E - v) + g_I*(E_I - v) + I)/C : volt (unless refractory)
    dg_E/dt = -g_E/tau_E : siemens
    dg_I/dt = -g_I/tau_I : siemens
    I : amp (constant)
    """
    names = dict(C=b2.farad, g_L=b2.siemens, E_L=b2.volt, V_th=b2.volt, V_reset=b2.volt)
    space = {k: LIF[k] * unit for k, unit in names.items()}
    space |= {k: SYNAPSE[k] * b2.volt for k in ("E_E", "E_I")}
    space |= {k: SYNAPSE[k] * b2.second for k in ("tau_E", "tau_I")} | dict(
        w=SYNAPSE["g"] * b2.siemens
    )
    group = b2.NeuronGroup(
        len(case["current"]),
        equations,
        threshold="v >= V_th",
        reset="v = V_reset",
        refractory=LIF["t_ref"] * b2.second + b2.defaultclock.dt,
        method="euler" if method == "euler" else "exponential_euler",
        namespace=space,
    )
    group.v = case["v_init"] * b2.volt
    group.I = case["current"] * b2.amp
    parts = [group]
    for receptor, size, delay in zip("EI", (100, 50), case["delay"], strict=True):
        trains = case[f"input_{receptor}"]
        source = b2.SpikeGeneratorGroup(size, trains[:, 1], trains[:, 0] * b2.defaultclock.dt)
        synapse = b2.Synapses(source, group, on_pre=f"g_{receptor}_post += w", namespace=space)
        synapse.connect()
        synapse.delay = delay * b2.defaultclock.dt
        parts += [source, synapse]
    v = every(group, "v", case["every"], "after_groups")
    g = every(group, ["g_E", "g_I"], case["every"], "before_groups")
    spikes = b2.SpikeMonitor(group)
    network = b2.Network(*parts, v, g, spikes)
    network.run(case["duration"] * b2.defaultclock.dt)
    return dict(v=taken(v, "v"), spikes=rows(spikes)) | {k: taken(g, k) for k in ("g_E", "g_I")}


# --------------------------------------------------------------------------- 200 neurons

CELL = dict(C=250e-12, tau=20e-3, E_L=-0.070, V_th=-0.050, V_reset=-0.065, t_ref=2e-3)


def network_case(seed):
    """160 + 40 neurons, 16 + 4 inputs each, currents 4 to 30 % above rheobase, mixed V(0)."""
    rng = np.random.RandomState(seed + 1)
    n_e, n_i = 160, 40
    n = n_e + n_i
    sources = np.zeros((n, 20), np.int32)
    for target in range(n):
        others = np.delete(np.arange(n), target)
        sources[target, :16] = rng.choice(others[others < n_e], 16, replace=False)
        sources[target, 16:] = rng.choice(others[others >= n_e], 4, replace=False)
    rheobase = (CELL["V_th"] - CELL["E_L"]) * CELL["C"] / CELL["tau"]
    return dict(
        dt=1e-4,
        duration=5000,
        every=125,
        n_excitatory=n_e,
        delay=9,  # of Brian 2, in steps
        sources=sources,
        weight=np.array([0.4e-3, -2.5e-3]),
        current=rheobase * rng.uniform(1.04, 1.3, n),
        v_init=rng.uniform(CELL["V_reset"], CELL["V_th"], n),
    )


def network(case, method, schedule="standard"):
    """V and spikes of the network; ``schedule="early"`` puts synapses before the threshold."""
    start(case["dt"])
    step = b2.defaultclock.dt
    units = dict(C=b2.farad, tau=b2.second, E_L=b2.volt, V_th=b2.volt, V_reset=b2.volt)
    held = round(CELL["t_ref"] / case["dt"])
    space = {k: CELL[k] * unit for k, unit in units.items()} | dict(held=held)
    n = len(case["current"])
    drift, mark = "int(not_refractory)*(E_L - v + I*tau/C)/tau : volt", ""
    if schedule == "early":
        drift, mark = "(E_L - v + I*tau/C)/tau : volt", "(unless refractory)"
    group = b2.NeuronGroup(
        n,
        f"dv/dt = {drift} {mark}\nI : amp (constant)",
        threshold="v >= V_th",
        reset="v = V_reset",
        refractory=CELL["t_ref"] * b2.second + step,
        method="euler" if method == "euler" else "exact",
        namespace=space,
    )
    group.v = case["v_init"] * b2.volt
    group.I = case["current"] * b2.amp
    ratio = case["dt"] / CELL["tau"]
    decay = 1 - ratio if method == "euler" else np.exp(-ratio)
    jump = "v_post += w*int(timestep(t - lastspike_post, dt) >= held)"
    weight = case["weight"] / decay
    if schedule == "early":
        jump, weight = "v_post += w", case["weight"]
    synapse = b2.Synapses(group, group, "w : volt", on_pre=jump, namespace=space)
    sources = case["sources"]
    synapse.connect(i=sources.ravel(), j=np.repeat(np.arange(n), sources.shape[1]))
    inhibitory = np.asarray(synapse.i) >= case["n_excitatory"]
    synapse.w = weight[inhibitory.astype(int)] * b2.volt
    synapse.delay = case["delay"] * step
    v = every(group, "v", case["every"], "after_groups" if schedule == "standard" else "thresholds")
    if schedule == "early":
        v.order = -1
    spikes = b2.SpikeMonitor(group)
    net = b2.Network(group, synapse, v, spikes)
    if schedule == "early":
        net.schedule = ["start", "groups", "synapses", "thresholds", "resets", "end"]
    net.run(case["duration"] * step)
    return dict(v=taken(v, "v"), spikes=rows(spikes))


# --------------------------------------------------------------------------- writing


def cases(seed):
    """Name -> (case, function of (case, method) -> arrays, parameters)."""
    return {
        "hh": (hh_case(seed), hodgkin_huxley, HH),
        "conductance": (conductance_case(seed), conductance, LIF | SYNAPSE),
        "network": (network_case(seed), network, CELL),
    }


def main():
    """Run all, write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    origin = dict(
        brian2=b2.__version__,
        numpy=np.__version__,
        python=platform.python_version(),
        codegen="numpy",
        command="python make_brian2.py",
        seed=options.seed,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    for name, (case, function, parameters) in cases(options.seed).items():
        arrays = dict(origin=json.dumps(origin), parameters=json.dumps(parameters))
        arrays |= {f"case/{k}": np.asarray(v) for k, v in case.items()}
        for method in METHODS:
            out = function(case, method)
            arrays |= {f"{method}/{k}": v for k, v in out.items()}
            print(name, method, len(out["spikes"]), "spikes", flush=True)
            if name == "network":
                early = function(case, method, schedule="early")
                assert np.array_equal(early["spikes"], out["spikes"])
                print("  early schedule: same spikes, largest difference of V",
                      float(np.abs(early["v"] - out["v"]).max()), "V")  # fmt: skip
        path = options.out / f"brian2_{name}.npz"
        np.savez_compressed(path, **arrays)
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
