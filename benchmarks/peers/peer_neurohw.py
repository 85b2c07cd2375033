"""neurohw, backend ``native``, used as a user would: lower, compile, simulate, spikes recorded."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np
import protocol
import workloads as w

BACKEND = "native"


def load() -> dict[str, str]:
    """Import all that a run needs."""
    global nh, lowering, backend, chip, program, lower, Recording, numba
    import importlib.metadata

    import numba

    import neurohw as nh
    import neurohw.lowering.chip as chip
    from neurohw import backend, program
    from neurohw.lowering import lower
    from neurohw.recording import Recording

    backend.load(BACKEND)
    names = ("neurohw", "numba", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


class Ready:
    """A compiled program, and what drives it."""

    def __init__(self, asked: dict, made: Any, inputs: dict | None = None) -> None:
        self.steps, self.inputs, self.program = asked["steps"], inputs, made
        if asked.get("threads"):
            numba.set_num_threads(asked["threads"])
        engine = backend.load(BACKEND)
        start = time.perf_counter()
        self.compiled = backend.compile_program(engine, made)
        self._simulate(2)
        self.compile_s = time.perf_counter() - start
        self.names = [p.population for p in made.probes if p.value == "spikes"]
        bare = dataclasses.replace(made, probes=())
        self.bare = (backend.compile_program(engine, bare), bare) if inputs else None
        if self.bare:
            self._simulate(2, self.bare)
        self.about = {"target": made.target, "threads": numba.get_num_threads()}

    def _simulate(self, steps: int, run: tuple | None = None) -> Any:
        given = {k: x[:steps] for k, x in self.inputs.items()} if self.inputs else None
        compiled, made = run or (self.compiled, self.program)
        return backend.simulate(compiled, made, steps, inputs=given)[1]

    def run(self, seed: int) -> dict:
        """One run, and what it takes to have its spikes as arrays.

        Where spikes come in from outside, also a run that records nothing.
        """
        seconds, probes = protocol.timed(self._simulate, self.steps)
        start = time.perf_counter()
        recording = Recording.of(self.program, probes, backend=BACKEND)
        spikes = sum(len(recording.spikes(name)) for name in self.names)
        read = time.perf_counter() - start
        found = {"seconds": seconds, "spikes": spikes, "read_s": read}
        if self.bare:
            found["silent_s"] = protocol.timed(self._simulate, self.steps, self.bare)[0]
        return found

    def dump(self, path: str) -> None:
        """Spikes, u and v of every step, of the first (only) population that spikes."""
        name = self.names[-1]
        more = tuple(program.Probe(name, x) for x in ("u", "v"))
        made = dataclasses.replace(self.program, probes=self.program.probes + more)
        run = backend.compile_program(backend.load(BACKEND), made)
        probes = self._simulate(self.steps, (run, made))
        size = made.population(name).size
        events = probes.events[name]
        spikes = np.zeros((self.steps, size), bool)
        spikes[events.step, events.element] = True
        found = {x: np.asarray(probes.traces[f"{name}.{x}"]).reshape(self.steps, size)
                 for x in ("u", "v")}  # fmt: skip
        np.savez(path, spikes=spikes, **found)


def _ready(asked: dict, net: Any, target: str = "float32", trials: int = 1, dt: float | None = None,
           method: str = "exponential", spikes: tuple[str, ...] = ("N",)) -> Ready:  # fmt: skip
    for name in spikes:
        net.probe(name, "spikes")
    lowered = lower(net, target, dt=dt or w.DT, trials=trials, method=method,
                    seed=asked.get("seed", 0))  # fmt: skip
    return Ready(asked, lowered.program)


def w1(asked: dict) -> Ready:
    """One neuron, as many trials as asked."""
    return _ready(asked, w1_network(), asked.get("target", "float32"), trials=asked["size"])


def w1_network() -> Any:
    """The neuron of W1; its capacitance only sets the unit of current."""
    p, capacity = w.W1, 1e-9
    net = nh.Network("W1")
    lif = nh.LIF(C=capacity, tau=p["tau"], E_L=p["E_L"], V_th=p["V_th"], V_reset=p["V_reset"],
                 t_ref=p["t_ref"], t_ref_sigma=p["t_ref_sigma"],
                 I_bias=capacity * p["mu"] / p["tau"])  # fmt: skip
    net.population("N", lif, noise=[nh.AdditiveNoise(sigma=capacity * w.w1_strength())])
    return net


def w2_explicit(asked: dict) -> Ready:
    """Every train a source of its own, drawn by its intervals unless asked otherwise."""
    net, n = w2_network(asked)
    sampling = asked.get("sampling", "interval")
    for k in "EI":
        trains = w.W2["trains_" + k]
        rate = w.W2["rate_" + k]
        net.driver(k, nh.Poisson(size=n * trains, rate=rate, sampling=sampling))
        matrix = nh.CSR((n, n * trains), trains * np.arange(n + 1), np.arange(n * trains),
                        np.full(n * trains, w.W2["w_" + k]))  # fmt: skip
        net.connect(k, "N", w2_synapse(k, matrix))
    return _ready(asked, net)


def w2_pooled(asked: dict) -> Ready:
    """The sum of a neuron's trains of each kind is drawn at once."""
    net, n = w2_network(asked)
    for k in "EI":
        pool = nh.PooledPoisson(size=n, trains=w.W2["trains_" + k], rate=w.W2["rate_" + k])
        net.driver(k, pool)
        net.connect(k, "N", w2_synapse(k, np.full(n, w.W2["w_" + k])), connectivity="one_to_one")
    return _ready(asked, net)


def w2_network(asked: dict) -> tuple[Any, int]:
    """The neurons alone, and their number."""
    net, n = nh.Network("W2"), asked["size"]
    names = ("C", "g_L", "E_L", "V_th", "V_reset", "t_ref")
    net.population("N", nh.LIF(size=n, **{k: w.W2[k] for k in names}))
    return net, n


def w2_synapse(k: str, weight: Any) -> Any:
    return nh.Conductance(weight=weight, tau=w.W2["tau_syn"], E_rev=w.W2["E_" + k], receptor=k)


def w3(asked: dict) -> Ready:
    """Excitatory and inhibitory neurons, four random matrices."""
    p, n = w.W3, asked["size"]
    net, rng = nh.Network("W3"), np.random.default_rng(asked.get("seed", 0))
    sizes = dict(zip("EI", w.w3_sizes(n), strict=True))
    weights = dict(zip("EI", w.w3_weights(n), strict=True))
    ohm = p["tau"] / p["C"]
    for k, size in sizes.items():
        start = rng.uniform(p["V_reset"], p["V_th"], size)
        net.population(k, nh.LIF(size=size, V_init=start, **{x: p[x] for x in (
            "C", "tau", "E_L", "V_th", "V_reset", "t_ref")}))  # fmt: skip
    for i, (a, b) in enumerate((a, b) for a in "EI" for b in "EI"):
        matrix = nh.network.pairwise_bernoulli(sizes[b], sizes[a], p["p"], weight=weights[a] / ohm,
                                               seed=4 * asked.get("seed", 0) + i)  # fmt: skip
        net.connect(a, b, nh.Exponential(weight=matrix, tau=p["tau_" + a]), delay=p["delay"])
    return _ready(asked, net, spikes=("E", "I"))


def w4_binary(asked: dict) -> Ready:
    """The input as spikes."""
    return _layer(asked, nh.SpikeArray, "spikes", lambda given: given > 0)


def w4(asked: dict) -> Ready:
    """The input as numbers."""
    return _layer(asked, nh.AnalogInput, "value", lambda given: given)


def _layer(asked: dict, driver: Any, external: str, sent: Any) -> Ready:
    """Jumps of V, a trial per item of the batch; tau such that V keeps beta of itself in a step."""
    n, p = asked["size"], w.W4
    with np.load(asked["data"]) as data:
        weights, given = data["weights"], data["given"]
    net = nh.Network("W4")
    net.driver("S", driver(size=n))
    tau = -w.DT / math.log(p["beta"])
    net.population("N", nh.LIF(size=n, C=1e-9, tau=tau, E_L=0.0, V_th=p["threshold"]))
    net.connect("S", "N", nh.Delta(weight=weights), delay_steps=0)
    net.probe("N", "spikes")
    made = lower(net, "float32", dt=w.DT, method="exponential", trials=p["batch"]).program
    return Ready(asked, made, {f"S.{external}": sent(given)})


def w5(asked: dict) -> Ready:
    """The registers given as they are; Lava's rules (``lava``) or Loihi 1's (``loihi1``)."""
    from neurohw.targets import load_target

    n, p = asked["size"], w.W5
    target = asked.get("target", "lava")
    with np.load(asked["data"]) as data:
        weights, given = data["weights"], data["spikes"]
    source = program.Builder("S", n)
    source.spike(source.external("spikes"))
    number = program.Int(9)  # as lowering has it
    dense = program.Dense(number, program.freeze(weights.astype(np.int64), number))
    cells, edges, watches = chip.chip_population(
        chip.ChipLIF(name="N", size=n, keep_u=4095 - p["du"], keep_v=4096 - p["dv"],
                     threshold=w.w5_threshold(n) << 6,
                     inputs=(chip.ChipInput("S", dense, 1),)),
        load_target(target),
    )  # fmt: skip
    made = program.Program(
        "W5",
        target,
        populations=(source.build(), cells),
        edges=tuple(edges),
        watches=tuple(watches),
        probes=(program.Probe("N", "spikes"),),
    )
    return Ready(asked, made, {"S.spikes": given})


def w6(asked: dict) -> Ready:
    """A current for each neuron."""
    p, n = w.W6, asked["size"]
    net = nh.Network("W6")
    net.population("N", nh.HodgkinHuxley(size=n, I_bias=np.linspace(p["I_low"], p["I_high"], n),
                                         **w.HH))  # fmt: skip
    return _ready(asked, net, dt=p["dt"])


CASES = {"W1": w1, "W2-pooled": w2_pooled, "W2-explicit": w2_explicit, "W3": w3, "W4": w4,
         "W4-binary": w4_binary, "W5": w5, "W6": w6}  # fmt: skip

if __name__ == "__main__":
    protocol.serve(load, CASES)
