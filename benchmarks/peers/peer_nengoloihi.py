"""nengo-loihi's integer emulator, at the level of its blocks (no Nengo model around it)."""

import time
import warnings

import numpy as np
import protocol
import workloads as w


def load():
    """Import it."""
    global nengo_loihi, LoihiBlock, Axon, Synapse, Model, EmulatorInterface, SpikeInput
    import nengo_loihi
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.builder import Model
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput

    return {"nengo-loihi": nengo_loihi.__version__, "numpy": np.__version__}


class Ready:
    """The numbers; each run gets a model and an emulator of its own, which is not timed."""

    def __init__(self, asked):
        self.n, self.steps = asked["size"], asked["steps"]
        with np.load(asked["data"]) as data:
            self.weights, self.given = data["weights"].astype(np.int32), data["spikes"]

    def _model(self):
        n, p = self.n, w.W5
        i32 = np.int32
        block = LoihiBlock(n)
        comp = block.compartment  # the state in which its discretiser leaves a group
        comp.decay_u = np.full(n, p["du"], i32)
        comp.decay_v = np.full(n, p["dv"], i32)
        comp.scale_u = comp.scale_v = False
        comp.vth = np.full(n, w.w5_threshold(n) * 64, i32)
        comp.bias = np.zeros(n, i32)
        comp.refract_delay = np.ones(n, i32)
        comp.vmin, comp.vmax = -(2**23) + 1, 2**23 - 1
        model = Model()
        model.add_block(block)
        source = SpikeInput(n)
        for k in range(self.steps):
            source.add_spikes(k + 1, np.flatnonzero(self.given[k]))
        model.add_input(source)
        synapse = Synapse(n)
        synapse.set_weights(np.ones((n, n), np.float32))
        synapse.weights = [64 * row[None, :] for row in np.ascontiguousarray(self.weights.T)]
        block.add_synapse(synapse)
        axon = Axon(n)
        axon.target = synapse
        source.add_axon(axon)
        return model

    def run(self, seed):
        """Step by step, since spikes are read after each."""
        spikes = np.zeros((self.steps, self.n), bool)
        with EmulatorInterface(self._model(), seed=0) as emulator, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            for k in range(self.steps):
                emulator.step()
                spikes[k] = emulator.compartment.spiked
            seconds = time.perf_counter() - start
        return {"seconds": seconds, "spikes": int(spikes.sum())}


if __name__ == "__main__":
    protocol.serve(load, {"W5": Ready})
