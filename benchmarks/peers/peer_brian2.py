"""Brian 2: C++ standalone (built once, the binary run again and again), or Cython at run time.

Standalone reports the seconds of its own simulation loop; making synapses, reading and writing
files are outside it. Options: ``mode`` (``cpp``, ``cython``), ``threads`` (1: no OpenMP).
"""

import shutil
import tempfile
import time

import numpy as np
import protocol
import workloads as w


def load():
    """Import Brian 2."""
    global b2
    import brian2 as b2

    b2.prefs.logging.console_log_level = "ERROR"
    b2.prefs.logging.file_log = False
    return {"brian2": b2.__version__, "numpy": np.__version__}


class Ready:
    """A network that can be run again from its start."""

    def __init__(self, asked, make, duration, dt, real):
        self.mode, threads = asked.get("mode", "cpp"), asked.get("threads", 1)
        self.duration = duration
        self.about = {"threads": threads, "float": real}
        b2.prefs.core.default_float_dtype = np.dtype(real).type
        self.folder = tempfile.mkdtemp(prefix="brian2_")
        if self.mode == "cpp":
            b2.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
            b2.set_device("cpp_standalone", build_on_run=False, directory=None)
        else:
            b2.prefs.codegen.target = "cython"
        b2.defaultclock.dt = dt * b2.second
        self.objects = make(asked)
        self.monitors = [x for x in self.objects if isinstance(x, b2.SpikeMonitor)]
        start = time.perf_counter()
        self.net = b2.Network(*self.objects)
        if self.mode == "cpp":
            self.net.run(duration * b2.second)
            b2.device.build(directory=self.folder, compile=True, run=False, debug=False)
        else:
            self.net.store()
            self.net.run(2 * dt * b2.second)  # compiles
        self.compile_s = time.perf_counter() - start

    def run(self, seed):
        """From the start, with new random numbers."""
        if self.mode == "cpp":
            b2.device.run(directory=self.folder, with_output=False)
            seconds = b2.device._last_run_time
        else:
            self.net.restore()
            seconds, _ = protocol.timed(self.net.run, self.duration * b2.second)
        return {"seconds": seconds, "spikes": sum(int(m.num_spikes) for m in self.monitors)}

    def close(self):
        """Remove the generated program."""
        shutil.rmtree(self.folder, ignore_errors=True)


def w1(asked):
    """As many neurons as trials."""
    p = {k: v * b2.volt for k, v in w.W1.items() if k not in ("tau", "t_ref", "t_ref_sigma")}
    p.update({k: w.W1[k] * b2.second for k in ("tau", "t_ref", "t_ref_sigma")})
    # Brian2 counts the step of the spike and cuts the rest to whole steps, the others round it
    p["more"] = 1.5 * w.DT * b2.second

    def make(asked):
        group = b2.NeuronGroup(
            asked["size"],
            """dv/dt = (E_L - v + mu)/tau + sigma*sqrt(2/tau)*xi : volt (unless refractory)
               hold : second""",
            threshold="v > V_th", reset="v = V_reset; hold = t_ref + more + t_ref_sigma*randn()",
            refractory="hold", method="euler", namespace=p,
        )  # fmt: skip
        group.v = p["E_L"]
        return [group, b2.SpikeMonitor(group)]

    ready = Ready(asked, make, asked["steps"] * w.DT, w.DT, asked.get("real", "float32"))
    ready.about["method"] = "euler"
    return ready


def w2(asked):
    """Conductances; ``case`` says how their trains are drawn."""
    p, pooled = w.W2, asked["case"] == "W2-pooled"
    units = {"C": b2.farad, "g_L": b2.siemens, "w_E": b2.siemens, "w_I": b2.siemens,
             "t_ref": b2.second, "tau_syn": b2.second}  # fmt: skip
    names = {k: p[k] * units.get(k, b2.volt) for k in p if not k.startswith(("trains", "rate"))}

    def make(asked):
        n = asked["size"]
        group = b2.NeuronGroup(
            n,
            """dv/dt = (g_L*(E_L - v) + g_E*(E_E - v) + g_I*(E_I - v))/C : volt (unless refractory)
               dg_E/dt = -g_E/tau_syn : siemens
               dg_I/dt = -g_I/tau_syn : siemens""",
            threshold="v > V_th", reset="v = V_reset", refractory="t_ref",
            method="exponential_euler", namespace=names,
        )  # fmt: skip
        group.v = names["E_L"]
        out = [group, b2.SpikeMonitor(group)]
        for k in "EI":
            trains, rate = p["trains_" + k], p["rate_" + k] * b2.Hz
            if pooled:
                out.append(b2.PoissonInput(group, "g_" + k, trains, rate, weight=names["w_" + k]))
                continue
            source = b2.PoissonGroup(n * trains, rate)
            synapses = b2.Synapses(source, group, on_pre=f"g_{k}_post += w_{k}",
                                   namespace=names)  # fmt: skip
            synapses.connect(i=np.arange(n * trains), j=np.repeat(np.arange(n), trains))
            out += [source, synapses]
        return out

    return Ready(asked, make, asked["steps"] * w.DT, w.DT, asked.get("real", "float32"))


def w3(asked):
    """The benchmark's own network, as in Brian 2's examples, at any size."""
    p, n = w.W3, asked["size"]
    volts = ("E_L", "V_th", "V_reset")
    names = {k: p[k] * b2.volt for k in volts}
    names.update({k: p[k] * b2.second for k in ("tau", "t_ref", "tau_E", "tau_I")})
    names["w_E"], names["w_I"] = (x * b2.volt for x in w.w3_weights(n))

    def make(asked):
        first, _ = w.w3_sizes(n)
        group = b2.NeuronGroup(
            n,
            """dv/dt = (g_E + g_I - (v - E_L))/tau : volt (unless refractory)
               dg_E/dt = -g_E/tau_E : volt
               dg_I/dt = -g_I/tau_I : volt""",
            threshold="v > V_th", reset="v = V_reset", refractory="t_ref", method="exact",
            namespace=names,
        )  # fmt: skip
        group.v = "V_reset + rand()*(V_th - V_reset)"
        out = [group, b2.SpikeMonitor(group)]
        for k, part in (("E", group[:first]), ("I", group[first:])):
            synapses = b2.Synapses(part, group, on_pre=f"g_{k} += w_{k}",
                                   delay=p["delay"] * b2.second, namespace=names)  # fmt: skip
            synapses.connect(p=p["p"])
            out.append(synapses)
        return out

    return Ready(asked, make, asked["steps"] * w.DT, w.DT, asked.get("real", "float32"))


def w6(asked):
    """Hodgkin and Huxley's equations for a square centimetre."""
    p = w.HH
    units = {"C": b2.farad, "g": b2.siemens, "E": b2.volt, "V": b2.volt}
    names = {k: p[k] * units[k.split("_")[0]] for k in p}
    low, high = (w.W6[k] * b2.amp for k in ("I_low", "I_high"))
    rates = {
        "am": "0.1*10/exprel((-40 - u)/10)", "bm": "4*exp(-(u + 65)/18)",
        "ah": "0.07*exp(-(u + 65)/20)", "bh": "1/(1 + exp(-(u + 35)/10))",
        "an": "0.01*10/exprel((-55 - u)/10)", "bn": "0.125*exp(-(u + 65)/80)",
    }  # fmt: skip
    for k, text in rates.items():
        rates[k] = f"({text})/ms".replace("u", "v/mV")

    def make(asked):
        n = asked["size"]
        gates = "\n".join(
            f"d{y}/dt = ({a})*(1 - {y}) - ({b})*{y} : 1"
            for y, a, b in ((y, rates["a" + y], rates["b" + y]) for y in "mhn")
        )
        group = b2.NeuronGroup(
            n,
            """dv/dt = (g_Na*m**3*h*(E_Na - v) + g_K*n**4*(E_K - v) + g_L*(E_L - v) + I)/C : volt
               I : amp (constant)\n""" + gates,
            threshold="v > 0*mV", refractory="v > 0*mV", method="exponential_euler",
            namespace=names,
        )  # fmt: skip
        group.v = names["V_init"]
        for y in "mhn":
            a, b = rates["a" + y], rates["b" + y]
            setattr(group, y, f"({a})/(({a}) + ({b}))")
        group.I = np.linspace(float(low), float(high), n) * b2.amp
        return [group, b2.SpikeMonitor(group)]

    return Ready(asked, make, asked["steps"] * w.W6["dt"], w.W6["dt"], asked.get("real", "float64"))


if __name__ == "__main__":
    protocol.serve(load, {"W1": w1, "W2-pooled": w2, "W2-explicit": w2, "W3": w3, "W6": w6})
