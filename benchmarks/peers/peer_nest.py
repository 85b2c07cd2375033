"""NEST: its precise grid at dt, ``local_num_threads`` as asked; ``Simulate`` alone is timed."""

import time

import numpy as np
import protocol
import workloads as w


def load():
    """Import NEST."""
    global nest
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    return {"nest": nest.__version__, "numpy": np.__version__}


class Ready:
    """A network; a run is set back by building it anew, which is not timed."""

    def __init__(self, asked, make, dt, leaves_out=""):
        self.asked, self.make, self.dt = asked, make, dt
        self.about = {"threads": asked.get("threads", 1), "leaves_out": leaves_out}
        self.compile_s = 0.0
        self._build(1)

    def _build(self, seed):
        nest.ResetKernel()
        nest.resolution = self.dt * 1e3
        nest.local_num_threads = self.asked.get("threads", 1)
        nest.rng_seed = seed + 1
        self.recorder = nest.Create("spike_recorder")
        nest.Connect(self.make(self.asked), self.recorder)
        nest.Prepare()
        self.fresh = True

    def run(self, seed):
        """Build again if it has run, then simulate."""
        if not self.fresh:
            nest.Cleanup()
            self._build(seed)
        self.fresh = False
        milliseconds = self.asked["steps"] * self.dt * 1e3
        start = time.perf_counter()
        nest.Run(milliseconds)
        return {"seconds": time.perf_counter() - start, "spikes": int(self.recorder.n_events)}


def w1(asked):
    """White noise held for a step, such that V is exact on the grid; a fixed refractory period."""
    p, capacity = w.W1, 1e-9
    tau, leak = p["tau"], np.exp(-w.DT / p["tau"])
    step = w.w1_strength() * np.sqrt(tau / 2 * (1 - leak**2))
    current = capacity / tau / (1 - leak)  # A per V of change in one step

    def make(asked):
        cells = nest.Create("iaf_psc_delta", asked["size"], {
            "C_m": capacity * 1e12, "tau_m": tau * 1e3, "E_L": p["E_L"] * 1e3,
            "V_m": p["E_L"] * 1e3,
            "V_th": p["V_th"] * 1e3, "V_reset": p["V_reset"] * 1e3, "t_ref": p["t_ref"] * 1e3,
            "I_e": capacity * p["mu"] / tau * 1e12,
        })  # fmt: skip
        noise = nest.Create("noise_generator", {"std": step * current * 1e12, "dt": w.DT * 1e3})
        nest.Connect(noise, cells, syn_spec={"delay": w.DT * 1e3})
        return cells

    return Ready(asked, make, w.DT, "refractory jitter")


def w2(asked):
    """Adaptive solver; the trains of a neuron by one generator (pooled) or by parrot neurons."""
    p = w.W2

    def make(asked):
        n = asked["size"]
        cells = nest.Create("iaf_cond_exp", n, {
            "C_m": p["C"] * 1e12, "g_L": p["g_L"] * 1e9, "E_L": p["E_L"] * 1e3,
            "E_ex": p["E_E"] * 1e3, "E_in": p["E_I"] * 1e3, "V_m": p["E_L"] * 1e3,
            "V_th": p["V_th"] * 1e3, "V_reset": p["V_reset"] * 1e3, "t_ref": p["t_ref"] * 1e3,
            "tau_syn_ex": p["tau_syn"] * 1e3, "tau_syn_in": p["tau_syn"] * 1e3,
        })  # fmt: skip
        for k, sign in (("E", 1), ("I", -1)):
            spec = {"weight": sign * p["w_" + k] * 1e9, "delay": w.DT * 1e3}
            trains, rate = p["trains_" + k], p["rate_" + k]
            if asked["case"] == "W2-pooled":
                nest.Connect(nest.Create("poisson_generator", {"rate": trains * rate}), cells,
                             syn_spec=spec)  # fmt: skip
                continue
            source = nest.Create("poisson_generator", {"rate": rate})
            relays = nest.Create("parrot_neuron", n * trains)
            nest.Connect(source, relays, syn_spec={"delay": w.DT * 1e3})
            ones = np.ones(n * trains)
            nest.Connect(
                np.array(relays.tolist()),
                np.repeat(cells.tolist(), trains),
                "one_to_one",
                {"weight": ones * spec["weight"], "delay": ones * spec["delay"]},
            )
        return cells

    return Ready(asked, make, w.DT)


def w3(asked):
    """Currents that decay exponentially, exact integration."""
    p, ohm = w.W3, w.W3["tau"] / w.W3["C"]

    def make(asked):
        n = asked["size"]
        cells = nest.Create("iaf_psc_exp", n, {
            "C_m": p["C"] * 1e12, "tau_m": p["tau"] * 1e3, "E_L": p["E_L"] * 1e3,
            "V_th": p["V_th"] * 1e3, "V_reset": p["V_reset"] * 1e3, "t_ref": p["t_ref"] * 1e3,
            "tau_syn_ex": p["tau_E"] * 1e3, "tau_syn_in": p["tau_I"] * 1e3,
        })  # fmt: skip
        cells.V_m = np.random.default_rng(1).uniform(p["V_reset"], p["V_th"], n) * 1e3
        first, _ = w.w3_sizes(n)
        for part, weight in zip((cells[:first], cells[first:]), w.w3_weights(n)):  # noqa: B905
            nest.Connect(
                part,
                cells,
                {"rule": "pairwise_bernoulli", "p": p["p"]},
                {"weight": weight / ohm * 1e12, "delay": p["delay"] * 1e3},
            )
        return cells

    return Ready(asked, make, w.DT)


def w6(asked):
    """Adaptive solver; a spike is the highest point, at most every 2 ms."""
    p, area = w.HH, 1e-4  # square centimetres: 100 pF

    def make(asked):
        n = asked["size"]
        cells = nest.Create("hh_psc_alpha", n, {
            "C_m": p["C"] * area * 1e12, "g_Na": p["g_Na"] * area * 1e9,
            "g_K": p["g_K"] * area * 1e9, "g_L": p["g_L"] * area * 1e9, "E_Na": p["E_Na"] * 1e3,
            "E_K": p["E_K"] * 1e3, "E_L": p["E_L"] * 1e3, "V_m": p["V_init"] * 1e3,
        })  # fmt: skip
        cells.I_e = np.linspace(w.W6["I_low"], w.W6["I_high"], n) * area * 1e12
        return cells

    return Ready(asked, make, w.W6["dt"])


if __name__ == "__main__":
    protocol.serve(load, {"W1": w1, "W2-pooled": w2, "W2-explicit": w2, "W3": w3, "W6": w6})
