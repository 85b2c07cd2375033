"""Brian2Loihi on Brian 2.4.2 and Python 3.8: its own groups, code generation as asked."""

import time

import numpy as np
import protocol
import workloads as w


def load():
    """Import it; it sets Brian's preferences itself."""
    global b2, loihi
    import brian2 as b2
    import brian2_loihi as loihi
    from pkg_resources import get_distribution

    b2.prefs.logging.console_log_level = "ERROR"
    return {"brian2-loihi": get_distribution("brian2-loihi").version, "brian2": b2.__version__}


class Ready:
    """A network with a stored start."""

    def __init__(self, asked):
        n, self.steps, p = asked["size"], asked["steps"], w.W5
        b2.prefs.codegen.target = asked.get("codegen", "cython")
        self.about = {"codegen": b2.prefs.codegen.target}
        with np.load(asked["data"]) as data:
            weights, given = data["weights"].astype(int), data["spikes"][: self.steps]
        step, source = np.nonzero(given)
        generator = loihi.LoihiSpikeGeneratorGroup(n, source, step + 1)
        # its decay of the current is the effective one, one more than the register
        cells = loihi.LoihiNeuronGroup(
            n, refractory=1, threshold_v_mant=w.w5_threshold(n), decay_v=p["dv"],
            decay_I=p["du"] + 1,
        )  # fmt: skip
        synapses = loihi.LoihiSynapses(generator, cells, delay=0, w_exp=0, sign_mode=1)
        synapses.connect(p=1)
        synapses.w = weights.T.ravel()
        self.monitor = b2.SpikeMonitor(cells)
        start = time.perf_counter()
        self.net = loihi.LoihiNetwork(generator, cells, synapses, self.monitor)
        self.net.store()
        self.net.run(2)
        self.compile_s = time.perf_counter() - start

    def run(self, seed):
        """From the stored start."""
        self.net.restore()
        seconds, _ = protocol.timed(self.net.run, self.steps)
        return {"seconds": seconds, "spikes": int(self.monitor.num_spikes)}


if __name__ == "__main__":
    protocol.serve(load, {"W5": Ready})
