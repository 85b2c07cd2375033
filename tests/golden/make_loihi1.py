"""Make the Loihi 1 golden files from two published emulators (one-off, not run in CI).

Two emulators whose output was compared with silicon by their authors are used as oracles:

* nengo-loihi 1.1.0 (Apache-2.0), its integer emulator at the level of blocks: the chip integers
  are written on the block as its discretiser would leave them, and the emulator is stepped;
* brian2-loihi 0.5.2 (MIT) on Brian 2 2.4.2, numpy code generation.

Neither installs on current Python, so each runs in an environment of its own, with Python 3.8::

    python3.8 -m venv env-nengo
    env-nengo/bin/pip install nengo-loihi==1.1.0 nengo==3.2.0 numpy==1.23.5 scipy==1.10.1
    env-nengo/bin/python make_loihi1.py nengo

    python3.8 -m venv env-brian2
    env-brian2/bin/pip install brian2-loihi==0.5.2 brian2==2.4.2 numpy==1.19.5 \
        "setuptools<60" "jinja2<3.1" "sympy<1.9"
    env-brian2/bin/python make_loihi1.py brian2
    env-brian2/bin/python make_loihi1.py brian2-wide

The first writes ``loihi1_nengo.npz``, ``loihi1_nengo_weights.npz`` and
``loihi1_nengo_discretize.json``, the second ``loihi1_brian2.npz`` and
``loihi1_brian2_weights.npz``, the third ``brian2_wide.npz``, all beside this script. Cases are
drawn from ``RandomState`` (a frozen stream), so a re-run gives the same content.

Convention of the golden files
------------------------------
Step ``k`` is row ``k`` (from 0) of every array.

* ``inputs[k, j]``: input ``j`` emits a spike in step ``k``.
* A spike emitted in step ``k`` (by an input or by a compartment) over a projection of delay
  ``d`` is added to ``u`` in step ``k + 1 + d``.
* ``u[k]``: the current that the voltage update of step ``k`` adds (decayed, then incremented).
* ``v[k]``: the voltage after step ``k``, reset applied (0 where the compartment spiked).
* ``spikes[k]``: the compartment crossed its threshold in step ``k``.

How the emulators' own clocks map to it:

* nengo-loihi counts steps from 1 and delivers an input labelled ``t`` in its step ``t + 1``;
  row ``k`` of ``inputs`` is therefore added with label ``k + 1``. Compartments, delay 0: the
  same. ``u`` and ``v`` are read from the emulator's state after each step.
* brian2-loihi delivers a *generator* spike in its own labelled step, so row ``k`` is labelled
  ``k + 1`` (the last row never arrives). Spikes of a neuron group reach ``I`` one step later
  on their own. Its stored ``I`` has already decayed at the end of a step; ``I`` is therefore
  sampled in the ``synapses`` slot, behind the synapses themselves (what its own
  LoihiStateMonitor does), where it is the value that the voltage update of that step uses.

Parameters (chip integers) of a case, in the JSON text of ``meta[i]``
---------------------------------------------------------------------
``du`` register (effective decay ``du + 1``: the number given to nengo-loihi, and one less than
Brian2Loihi's ``decay_I``), ``dv`` effective, ``vth_mant``, ``refr``, ``bias_mant``,
``bias_exp``: lists per compartment. ``vmin_exp``, ``vmax_exp``: v is clipped to
``[-2^vmin_exp + 1, 2^(9 + 2 vmax_exp) - 1]`` (None: no limit). ``projections``: ``source``
("input" or "recurrent"), ``exp``, ``delay``, ``sign_mode`` ("mixed", "exc", "inh"), ``bits``,
``mant`` [n_src][n] (0: no synapse) and ``weight``, the same after the emulator's own
quantisation, in units of u.
"""

# Python 3.8 runs this: it has neither zip(strict=) nor itertools.pairwise.
# ruff: noqa: B905, RUF007, UP031

import json
import os
import sys
import warnings

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = {"nengo": 20240501, "brian2": 20240502}
SIGN_MODES = ("mixed", "exc", "inh")


# --------------------------------------------------------------------------- drawing cases


def draw_decay(rng, n):
    """n decay integers 0..4095: edges, slow (log-uniform), or uniform."""
    kind = rng.randint(4)
    if kind == 0:
        d = rng.choice([0, 1, 2, 4094, 4095], size=n)
    elif kind == 1:
        d = rng.randint(0, 4096, size=n)
    else:
        d = np.floor(2.0 ** rng.uniform(3, 11, size=n))
    return d.astype(int)


def draw_mant(rng, shape, sign_mode, bits, density, on_grid=True):
    """Weight mantissas for a sign mode; in mixed mode multiples of the grid unless told."""
    mixed = sign_mode == "mixed"
    low, high = {"mixed": (-256, 254), "exc": (0, 255), "inh": (-256, 0)}[sign_mode]
    mant = rng.randint(low, high + 1, size=shape)
    if rng.rand() < 0.3:  # a narrow range: few bits left after a negative exponent
        mant = np.clip(mant // 8, low, high)
    grid = 2 ** (8 - bits + int(mixed))
    if on_grid:
        mant = (mant // grid) * grid
        if sign_mode == "mixed":
            mant = np.clip(mant, low, (high // grid) * grid)
    mant[rng.rand(*shape) >= density] = 0
    return mant.astype(int)


def draw_refr(rng, n):
    return rng.choice([1, 1, 2, 3, int(rng.randint(1, 64)), 63], size=n).astype(int)


def draw_inputs(rng, steps, n_in):
    rate = rng.choice([0.03, 0.1, 0.3, 0.7])
    inputs = rng.rand(steps, n_in) < rate
    if rng.rand() < 0.5:  # a silent stretch: currents and voltages decay to the end
        a = rng.randint(0, steps // 2)
        inputs[a : a + steps // 3] = False
    return inputs


def draw_threshold(rng, n, scale):
    """Thresholds about some multiple of a typical weight, so that most compartments spike."""
    if rng.rand() < 0.06:
        return np.full(n, rng.choice([0, 1, 131071]), dtype=int)
    factor = 2.0 ** rng.uniform(-1, 4, size=n)
    return np.clip(np.round(scale * factor / 64), 1, 131071).astype(int)


# --------------------------------------------------------------------------- writing


def save(name, cases):
    arrays = {"meta": np.array([json.dumps(c["meta"], sort_keys=True) for c in cases])}
    for i, case in enumerate(cases):
        for key in ("inputs", "u", "v", "spikes"):
            x = np.asarray(case[key])
            if key in ("u", "v"):
                assert np.abs(x).max() < 2**31 and np.all(x == np.round(x))
                x = x.astype(np.int32)
            arrays["case%03d/%s" % (i, key)] = x
    path = os.path.join(HERE, name)
    np.savez_compressed(path, **arrays)
    spiking = sum(bool(c["spikes"].any()) for c in cases)
    print(name, len(cases), "cases,", spiking, "with spikes,", os.path.getsize(path), "bytes")


# --------------------------------------------------------------------------- nengo-loihi

# (kind, number of cases)
NENGO_KINDS = (
    ("plain", 36),  # everything random, moderate exponents
    ("wrap_u", 10),  # u leaves 24 bits
    ("wrap_sum", 10),  # the sum of one step's weights leaves 22 bits
    ("clip_v", 12),  # small vmin and vmax
    ("wrap_bias", 8),  # u + bias leaves 24 bits
    ("edge", 1),  # not random: u and u + bias at and beside -2^23 and 2^23
)


def nengo_weights(mant, exp, sign_mode, bits):
    """Weights as nengo-loihi's discretiser makes them, and the mantissas it would write."""
    from nengo_loihi.block import SynapseConfig
    from nengo_loihi.builder.discretize import discretize_weights

    cfg = SynapseConfig(
        weight_exp=exp,
        weight_bits=SynapseConfig.WEIGHT_BITS_MAP.index(bits),
        fanout_type={"mixed": 1, "exc": 2, "inh": 3}[sign_mode],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Lost n extra bits in weight rounding"
        w = discretize_weights(cfg, np.array(mant, dtype=np.float32))
    chip = w // cfg.scale  # as written by its hardware builder
    assert np.all(chip == np.round(chip))
    return w.astype(int), chip.astype(int)


def nengo_case(kind, seed):
    rng = np.random.RandomState(seed)
    n_in = int(rng.randint(1, 9))
    n = int(rng.randint(1, 13))
    steps = int(rng.randint(60, 201))
    bias_p, exps, vmin_exp, vmax_exp = 0.4, (-4, 5), 23, 7
    du, dv = draw_decay(rng, n), draw_decay(rng, n)
    inputs = draw_inputs(rng, steps, n_in)
    if kind == "plain":
        exps = (-7, 6)
    elif kind == "wrap_u":
        exps, du = (6, 8), rng.choice([0, 0, 1, 7, 30], size=n)
        inputs = rng.rand(steps, n_in) < 0.6
        n = min(n, 6)
    elif kind == "wrap_sum":
        exps = (7, 8)
        n_in = int(rng.randint(4, 9))
        du = rng.choice([du[0], 4095, 2000], size=n)
        inputs = rng.rand(steps, n_in) < 0.7
    elif kind == "clip_v":
        vmin_exp, vmax_exp = int(rng.randint(0, 20)), int(rng.randint(0, 6))
        dv = np.minimum(dv, 600)
    elif kind == "wrap_bias":
        exps, bias_p, du = (6, 8), 1.0, rng.choice([0, 1, 3], size=n)
        inputs = rng.rand(steps, n_in) < 0.5
    n = min(n, len(du), len(dv))
    du, dv = du[:n], dv[:n]

    projections = []
    for source in ["input"] * int(rng.randint(1, 3)) + ["recurrent"] * int(rng.randint(0, 3)):
        exp = int(rng.randint(*exps))
        mode = SIGN_MODES[rng.choice(3, p=[0.5, 0.35, 0.15])]
        if kind == "wrap_bias":
            mode = ("exc", "inh", "mixed")[rng.randint(3)]
        bits = int(rng.choice([8, 8, 8, 6, 4]))
        shape = (n_in if source == "input" else n, n)
        density = rng.choice([0.5, 1.0]) if source == "input" else rng.choice([0.2, 0.5])
        # what is asked of the discretiser; what it would write on the chip is "mant"
        asked = draw_mant(rng, shape, mode, bits, density, on_grid=False)
        weight, mant = nengo_weights(asked, exp, mode, bits)
        projections.append(dict(source=source, exp=exp, delay=0, sign_mode=mode, bits=bits))
        projections[-1].update(mant=mant.tolist(), weight=weight.tolist())

    strong = [np.abs(p["weight"]).max() for p in projections]
    scale = max(float(max(strong)), 64.0)
    bias_exp = rng.randint(0, 8, size=n)
    top = np.clip(scale / 2.0**bias_exp, 1, 4095)
    bias_mant = np.round(rng.uniform(-0.3, 1, size=n) * top).astype(int)
    bias_mant[rng.rand(n) >= bias_p] = 0
    vth = draw_threshold(rng, n, scale)
    if kind == "wrap_bias":
        bias_mant, bias_exp = rng.choice([-4095, 4095, 4001], size=n), np.full(n, 7)
    if kind in ("wrap_u", "wrap_bias"):
        vth = rng.choice([131071, 131071, 20000], size=n)
    if kind == "clip_v":
        vmax = 2 ** (9 + 2 * vmax_exp) - 1
        vth = np.where(rng.rand(n) < 0.6, vmax // 64 // rng.choice([1, 2, 4]), vth)
        vth = np.maximum(vth, 1)

    meta = dict(emulator="nengo-loihi 1.1.0", kind=kind, seed=int(seed), n_in=n_in, n=n)
    meta.update(steps=steps, du=du.tolist(), dv=dv.tolist(), vth_mant=vth.tolist())
    meta.update(refr=draw_refr(rng, n).tolist(), vmin_exp=vmin_exp, vmax_exp=vmax_exp)
    meta.update(bias_mant=bias_mant.tolist(), bias_exp=bias_exp.tolist())
    meta["projections"] = projections
    return meta, inputs


def nengo_edge_case():
    """Compartments whose u (or u + bias) comes to lie at and beside the ends of 24 bits.

    With du = 0 a step takes ceil(|u| / 4096) from u, which is 64 j where u is 2^18 j. The inputs
    spike one after the other; each makes up for that loss and adds a multiple of 2^18.
    """
    bias = [0, 0, 0, 0, 0, 0, 64, 63, -64, -65]
    sign = [1, 1, 1, -1, -1, -1, 1, 1, -1, -1]
    last = [0, -64, 64, 0, -64, 64, -64, -64, -64, -64]  # |u| - 2^23 after the last input
    n, n_in, steps = len(bias), 5, 60
    goals = [0, 7, 14, 21, 28, 32]
    need = np.array([[(b - a) * 2**18 + a * 64] * n for a, b in zip(goals[:-1], goals[1:])])
    need[-1] += last
    assert need.max() < 2**21 and np.all(need % 64 == 0)
    projections = []
    for mode, mask in (("exc", np.array(sign) > 0), ("inh", np.array(sign) < 0)):
        for exp in (7, 0):
            units = need // 64
            ask = (units // 128 if exp == 7 else units % 128) * np.where(mask, sign, 0)
            weight, mant = nengo_weights(ask, exp, mode, 8)
            assert np.array_equal(mant, ask)
            projections.append(dict(source="input", exp=exp, delay=0, sign_mode=mode, bits=8))
            projections[-1].update(mant=mant.tolist(), weight=weight.tolist())
    inputs = np.zeros((steps, n_in), dtype=bool)
    inputs[:n_in] = np.eye(n_in, dtype=bool)
    inputs[30 : 30 + n_in] = inputs[:n_in]
    meta = dict(emulator="nengo-loihi 1.1.0", kind="edge", seed=None, n_in=n_in, n=n)
    meta.update(steps=steps, du=[0] * n, dv=[4095] * n, vth_mant=[131071] * n)
    meta.update(refr=[1] * n, vmin_exp=23, vmax_exp=7, bias_mant=bias, bias_exp=[0] * n)
    meta["projections"] = projections
    return meta, inputs


def run_nengo(meta, inputs):
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.builder import Model
    from nengo_loihi.emulator import EmulatorInterface
    from nengo_loihi.inputs import SpikeInput

    n, n_in, steps = meta["n"], meta["n_in"], meta["steps"]
    i32 = np.int32
    model = Model()
    block = LoihiBlock(n)
    comp = block.compartment
    # the state in which its discretiser leaves a compartment group
    comp.decay_u = np.array(meta["du"], dtype=i32)
    comp.decay_v = np.array(meta["dv"], dtype=i32)
    comp.scale_u = comp.scale_v = False
    comp.vth = np.array(meta["vth_mant"], dtype=i32) * i32(64)
    comp.bias = np.array(meta["bias_mant"], dtype=i32) * i32(2) ** np.array(
        meta["bias_exp"], dtype=i32
    )
    comp.refract_delay = np.array(meta["refr"], dtype=i32)
    comp.vmin = -(2 ** meta["vmin_exp"]) + 1
    comp.vmax = 2 ** (9 + 2 * meta["vmax_exp"]) - 1
    model.add_block(block)

    spike_input = SpikeInput(n_in)
    for k in range(steps):
        spike_input.add_spikes(k + 1, np.flatnonzero(inputs[k]))
    model.add_input(spike_input)

    for p in meta["projections"]:
        n_src = n_in if p["source"] == "input" else n
        synapse = Synapse(n_src)
        synapse.set_weights(np.ones((n_src, n)))
        synapse.weights = [np.array([row], dtype=i32) for row in p["weight"]]
        block.add_synapse(synapse)
        axon = Axon(n_src)
        axon.target = synapse
        (spike_input if p["source"] == "input" else block).add_axon(axon)

    u, v = np.zeros((2, steps, n), dtype=np.int64)
    spikes = np.zeros((steps, n), dtype=bool)
    events = {"q0": 0, "current": 0, "u2": 0, "vmin": 0, "vmax": 0}
    with EmulatorInterface(model, seed=0) as emu:
        assert emu.compartment.dtype == i32 and not emu.strict
        for k in range(steps):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                emu.step()
            for w in caught:
                text = str(w.message)
                assert text.startswith("Overflow in "), text
                events[text[12:]] += 1
            u[k] = emu.compartment.current
            v[k] = emu.compartment.voltage
            spikes[k] = emu.compartment.spiked
            events["vmin"] += int(np.any(v[k] == comp.vmin) and comp.vmin != 0)
            events["vmax"] += int(np.any(v[k] == comp.vmax))
    meta["events"] = events  # in how many steps each limit was met
    return dict(meta=meta, inputs=inputs, u=u, v=v, spikes=spikes)


def nengo_discretize_cases():
    """Floats given to the discretiser of nengo-loihi, and the integers that it chose."""
    from nengo_loihi.block import LoihiBlock, Synapse
    from nengo_loihi.builder.discretize import bias_to_manexp, discretize_block, vth_to_manexp

    rng = np.random.RandomState(20240503)
    cases = []
    while len(cases) < 16:
        i = len(cases)
        n, n_in = int(rng.randint(1, 5)), int(rng.randint(1, 5))
        tau_s = float(rng.choice([0.0, 0.002, 0.005, 0.02, 0.1]))
        tau_rc = float(rng.choice([0.005, 0.02, 0.05]))
        tau_ref = float(rng.choice([0.0, 0.001, 0.002, 0.005]))
        relu = bool(i % 4 == 3)
        min_voltage = float(rng.choice([0, 0, -1, -4]))
        bias = np.round(rng.uniform(-1, 2, size=n), 3).astype(np.float32)
        if i % 5 == 4:
            bias[:] = 0
        vth = float(rng.choice([1.0, 1.0, 0.5, 2.5]))
        weights = [
            (rng.normal(size=(n_in, n)) * s).astype(np.float32)
            for s in ([0.5], [0.05, 1.0], [3.0])[i % 3]
        ]
        block = LoihiBlock(n)
        comp = block.compartment
        if relu:
            comp.configure_relu(tau_ref=tau_ref, vth=vth)
            comp.vmin = min_voltage
        else:
            comp.configure_lif(tau_rc=tau_rc, tau_ref=tau_ref, vth=vth, min_voltage=min_voltage)
        comp.configure_filter(tau_s)
        comp.bias[:] = bias
        for w in weights:
            synapse = Synapse(n_in)
            synapse.set_weights(w)
            block.add_synapse(synapse)
        given = dict(
            neuron="relu" if relu else "lif", dt=0.001, tau_s=tau_s, tau_rc=tau_rc,
            tau_ref=tau_ref, vth=vth, vmin=min_voltage, bias=[float(b) for b in bias],
            weights=[[[float(x) for x in row] for row in w] for w in weights],
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            discretize_block(block)
        bias_mant, bias_exp = bias_to_manexp(comp.bias)
        vth_mant, _ = vth_to_manexp(comp.vth)
        info = comp.discretize_info
        chosen = dict(
            du=comp.decay_u.tolist(), dv=comp.decay_v.tolist(), refr=comp.refract_delay.tolist(),
            vth_mant=vth_mant.tolist(), bias=comp.bias.tolist(), bias_mant=bias_mant.tolist(),
            bias_exp=bias_exp.tolist(), vmin=int(comp.vmin), vmax=int(comp.vmax),
            exp=[int(s.synapse_cfg.weight_exp) for s in block.synapses],
            weight=[[w[0].tolist() for w in s.weights] for s in block.synapses],
            v_scale=float(info["v_scale"]), w_exp=int(info["w_exp"]),
            w_scale=np.ravel(info["w_scale"]).astype(float).tolist(),
        )  # fmt: skip
        cases.append(dict(given=given, chosen=chosen))
    return cases


def main_nengo():
    import nengo
    import nengo_loihi
    import scipy

    versions = (nengo_loihi.__version__, nengo.__version__, np.__version__, scipy.__version__)
    assert versions[0] == "1.1.0", versions
    print("nengo-loihi %s, nengo %s, numpy %s, scipy %s" % versions)
    cases = []
    for kind, count in NENGO_KINDS:
        for _ in range(count):
            if kind == "edge":
                meta, inputs = nengo_edge_case()
            else:
                meta, inputs = nengo_case(kind, SEED["nengo"] + len(cases))
            case = run_nengo(meta, inputs)
            for _ in range(5):  # a silent case: lower its thresholds
                if kind == "plain" and not case["spikes"].any():
                    meta["vth_mant"] = [x // 4 for x in meta["vth_mant"]]
                    case = run_nengo(meta, inputs)
            cases.append(case)
        events = [c["meta"]["events"] for c in cases if c["meta"]["kind"] == kind]
        print(kind, {k: sum(e[k] > 0 for e in events) for k in events[0]}, "of", count)
    save("loihi1_nengo.npz", cases)

    tables = {}
    mant = np.arange(-256, 256)
    for bits in (1, 2, 3, 4, 5, 6, 8):
        for mode in SIGN_MODES:
            low, high = {"mixed": (-256, 255), "exc": (0, 255), "inh": (-256, 0)}[mode]
            ask = mant[(mant >= low) & (mant <= high)]
            rows = [nengo_weights(ask, exp, mode, bits)[0] for exp in range(-7, 8)]
            tables["%s%d" % (mode, bits)] = np.array(rows, dtype=np.int32)
    save_weights("loihi1_nengo_weights.npz", tables, -7)

    path = os.path.join(HERE, "loihi1_nengo_discretize.json")
    with open(path, "w") as f:
        rows = ",\n".join(json.dumps(c, sort_keys=True) for c in nengo_discretize_cases())
        f.write("[\n" + rows + "\n]\n")
    print(os.path.basename(path), os.path.getsize(path), "bytes")


def save_weights(name, tables, first_exp):
    """Tables [exponent from first_exp, mantissa from the mode's lowest] of weights in u."""
    path = os.path.join(HERE, name)
    np.savez_compressed(path, first_exp=np.array(first_exp), **tables)
    print(name, len(tables), "tables,", os.path.getsize(path), "bytes")


# --------------------------------------------------------------------------- brian2-loihi

BRIAN2_KINDS = (
    ("plain", 36),  # delays, several projections, 1-3 groups of compartments
    ("long_delay", 12),
    ("few_bits", 12),  # 1..7 weight bits
    ("off_grid", 6),  # mixed sign, mantissas off the grid: quantised by the emulator
    ("edge", 1),  # not random: the largest and the smallest weights
)
SIGN_CODE = {"mixed": 1, "exc": 2, "inh": 3}


def brian2_case(kind, seed):
    rng = np.random.RandomState(seed)
    n_in = int(rng.randint(1, 9))
    n = int(rng.randint(1, 13))
    steps = int(rng.randint(100 if kind == "long_delay" else 60, 201))
    inputs = draw_inputs(rng, steps, n_in)
    cuts = sorted(set(rng.randint(0, n, size=rng.randint(0, 3)).tolist()) | {0, n})
    sizes = np.diff(cuts)  # one LoihiNeuronGroup each: its parameters are per group

    def per_group(draw):
        return np.repeat(draw, sizes)

    g = len(sizes)
    du, dv = per_group(draw_decay(rng, g)), per_group(draw_decay(rng, g))
    refr = per_group(draw_refr(rng, g))

    projections = []
    for source in ["input"] * int(rng.randint(1, 4)) + ["recurrent"] * int(rng.randint(0, 3)):
        exp = int(rng.randint(-8, 8) if rng.rand() < 0.3 else rng.randint(-3, 4))
        mode = SIGN_MODES[rng.choice(3, p=[0.45, 0.45, 0.1])]
        delay = int(rng.choice([0, 0, 1, 2, 5, int(rng.randint(0, 63))]))
        bits = 8
        if kind == "long_delay":
            delay = int(rng.choice([61, 62, int(rng.randint(20, 63))]))
        if kind == "few_bits":
            bits = int(rng.randint(1, 8))
        if kind == "off_grid":
            mode = "mixed"
        shape = (n_in if source == "input" else n, n)
        density = rng.choice([0.5, 1.0]) if source == "input" else rng.choice([0.2, 0.5])
        mant = draw_mant(rng, shape, mode, bits, density, on_grid=kind != "off_grid")
        projections.append(dict(source=source, exp=exp, delay=delay, sign_mode=mode, bits=bits))
        projections[-1]["mant"] = mant.tolist()
    scale = max(np.abs(p["mant"]).max() * 64 * 2.0 ** p["exp"] for p in projections)
    vth = per_group(draw_threshold(rng, g, max(scale, 64.0)))

    meta = dict(emulator="brian2-loihi 0.5.2", kind=kind, seed=int(seed), n_in=n_in, n=n)
    meta.update(steps=steps, du=du.tolist(), dv=dv.tolist(), vth_mant=vth.tolist())
    meta.update(refr=refr.tolist(), vmin_exp=None, vmax_exp=None)
    meta.update(bias_mant=[0] * n, bias_exp=[0] * n, group_sizes=sizes.tolist())
    meta["projections"] = projections
    return meta, inputs


def brian2_edge_case():
    """The extreme mantissas at the extreme exponents, one compartment each."""
    projections, n_in, steps = [], 1, 80
    asked = [(m, mode, e) for e in (7, -8) for m, mode in
             ((255, "exc"), (-256, "inh"), (-256, "mixed"), (254, "mixed"))]  # fmt: skip
    n = len(asked)
    for i, (m, mode, exp) in enumerate(asked):
        mant = [[m if j == i else 0 for j in range(n)]]
        projections.append(dict(source="input", exp=exp, delay=0, sign_mode=mode, bits=8))
        projections[-1]["mant"] = mant
    inputs = np.zeros((steps, n_in), dtype=bool)
    inputs[[3, 40]] = True
    meta = dict(emulator="brian2-loihi 0.5.2", kind="edge", seed=None, n_in=n_in, n=n)
    meta.update(steps=steps, du=[2047] * n, dv=[1023] * n, vth_mant=[40000] * n, refr=[2] * n)
    meta.update(vmin_exp=None, vmax_exp=None, bias_mant=[0] * n, bias_exp=[0] * n)
    meta.update(group_sizes=[n], projections=projections)
    return meta, inputs


def run_brian2(meta, inputs):
    from brian2 import SpikeMonitor, ms, start_scope
    from brian2_loihi import (
        LoihiNetwork,
        LoihiNeuronGroup,
        LoihiSpikeGeneratorGroup,
        LoihiStateMonitor,
        LoihiSynapses,
    )

    start_scope()
    n, n_in, steps = meta["n"], meta["n_in"], meta["steps"]
    k, j = np.nonzero(inputs)
    generator = LoihiSpikeGeneratorGroup(n_in, j, k + 1, name="gen")
    edges = np.concatenate([[0], np.cumsum(meta["group_sizes"])]).tolist()
    slices = list(zip(edges[:-1], edges[1:]))
    groups = [
        LoihiNeuronGroup(
            b - a,
            refractory=meta["refr"][a],
            threshold_v_mant=meta["vth_mant"][a],
            decay_v=meta["dv"][a],
            decay_I=meta["du"][a] + 1,
            name="group%d" % i,
        )
        for i, (a, b) in enumerate(slices)
    ]
    objects = [generator] + groups
    checks = []
    for p, proj in enumerate(meta["projections"]):
        mant = np.array(proj["mant"])
        weight = np.zeros_like(mant)
        if proj["source"] == "input":
            sources = [(generator, 0, n_in)]
        else:
            sources = [(g, a, b) for g, (a, b) in zip(groups, slices)]
        for s, (src, sa, sb) in enumerate(sources):
            for d, (dst, (da, db)) in enumerate(zip(groups, slices)):
                i, j = np.nonzero(mant[sa:sb, da:db])
                if len(i) == 0:
                    continue
                syn = LoihiSynapses(
                    src,
                    dst,
                    delay=proj["delay"],
                    w_exp=proj["exp"],
                    sign_mode=SIGN_CODE[proj["sign_mode"]],
                    num_weight_bits=proj["bits"],
                    name="syn%d_%d_%d" % (p, s, d),
                )
                syn.connect(i=i, j=j)
                syn.w = mant[sa:sb, da:db][i, j]
                weight[sa + i, da + j] = syn.w_act
                objects.append(syn)
                checks.append((syn, np.array(syn.w_act)))
        proj["weight"] = weight.tolist()

    # "I" is sampled in the slot of the synapses, behind them (their order there is -1): the
    # value that the voltage update of the same step uses
    mon_u = [LoihiStateMonitor(g, "I", name="zu%d" % i) for i, g in enumerate(groups)]
    mon_v = [LoihiStateMonitor(g, "v", name="zv%d" % i) for i, g in enumerate(groups)]
    mon_s = [SpikeMonitor(g, name="zs%d" % i) for i, g in enumerate(groups)]
    net = LoihiNetwork(*(objects + mon_u + mon_v + mon_s))
    net.run(steps)

    for syn, w_act in checks:  # the weights that the equations used are those reported
        assert np.array_equal(syn.get_states(["w_act"])["w_act"], w_act)
    u = np.concatenate([np.asarray(m.I) for m in mon_u]).T
    v = np.concatenate([np.asarray(m.v) for m in mon_v]).T
    spikes = np.zeros((steps, n), dtype=bool)
    for m, (a, _) in zip(mon_s, slices):
        spikes[np.round(np.asarray(m.t / ms)).astype(int), a + np.asarray(m.i)] = True
    assert np.all(u == np.round(u)) and np.all(v == np.round(v))
    return dict(meta=meta, inputs=inputs, u=u, v=v, spikes=spikes)


def in_range(case):
    """Whether no limit of the chip was met (the emulator has none)."""
    meta = case["meta"]
    total = np.zeros(meta["n"], dtype=int)
    for p in meta["projections"]:
        total = total + np.abs(p["weight"]).sum(axis=0)
    return (
        np.all(total < 2**21)
        and np.abs(case["u"]).max() < 2**23
        and (np.abs(case["v"]).max() < 2**23)
    )


def wide_case(seed):
    """A case that leaves the chip's 24 bits, which the emulator does not have."""
    rng = np.random.RandomState(seed)
    n_in, n, steps = 8, int(rng.randint(3, 9)), 120
    inputs = rng.rand(steps, n_in) < rng.choice([0.1, 0.3, 0.6])
    projections = []
    for source in ("input", "input", "recurrent"):
        mode = SIGN_MODES[rng.choice(3, p=[0.4, 0.2, 0.4])]
        shape = (n_in if source == "input" else n, n)
        mant = draw_mant(rng, shape, mode, 8, 0.7)
        exp = int(rng.randint(5, 8))
        projections.append(dict(source=source, exp=exp, delay=int(rng.randint(0, 4))))
        projections[-1].update(sign_mode=mode, bits=8, mant=mant.tolist())
    meta = dict(emulator="brian2-loihi 0.5.2", kind="wide", seed=int(seed), n_in=n_in, n=n)
    meta.update(steps=steps, du=[int(rng.choice([0, 1, 7, 30, 200]))] * n)
    meta.update(dv=[int(rng.choice([0, 5, 100, 2000, 4096]))] * n)
    meta.update(vth_mant=[int(rng.choice([131071, 90000]))] * n, refr=[int(rng.randint(1, 6))] * n)
    meta.update(vmin_exp=None, vmax_exp=None, bias_mant=[0] * n, bias_exp=[0] * n)
    meta.update(group_sizes=[n], projections=projections)
    return meta, inputs


def main_brian2_wide():
    """``brian2_wide.npz``: what Brian2Loihi makes of numbers that no chip holds."""
    import brian2
    import brian2_loihi  # noqa: F401

    brian2.prefs.codegen.target = "numpy"
    cases = []
    for seed in range(20261129, 20261129 + 40):
        meta, inputs = wide_case(seed)
        case = run_brian2(meta, inputs)
        most = [np.abs(case[k]).max() for k in ("u", "v")]
        if 2**23 < max(most) < 2**31:
            cases.append(case)
        if len(cases) == 12:
            break
    save("brian2_wide.npz", cases)


def main_brian2():
    import brian2
    import brian2_loihi  # noqa: F401
    from pkg_resources import get_distribution

    brian2.prefs.codegen.target = "numpy"
    version = get_distribution("brian2-loihi").version
    assert version == "0.5.2", version
    print("brian2-loihi %s, brian2 %s, numpy %s" % (version, brian2.__version__, np.__version__))
    cases = []
    for kind, count in BRIAN2_KINDS:
        for _ in range(count):
            if kind == "edge":
                meta, inputs = brian2_edge_case()
            else:
                meta, inputs = brian2_case(kind, SEED["brian2"] + len(cases))
            for attempt in range(20):
                case = run_brian2(meta, inputs)
                if not in_range(case):
                    for p in meta["projections"]:
                        p["exp"] = max(p["exp"] - 1, -8)
                    meta["vth_mant"] = [x // 2 for x in meta["vth_mant"]]
                elif attempt < 5 and not case["spikes"].any():
                    meta["vth_mant"] = [x // 4 for x in meta["vth_mant"]]
                else:
                    break
            else:
                raise RuntimeError("case %d stays out of range" % len(cases))
            print(len(cases), kind, "spikes", int(case["spikes"].sum()), flush=True)
            cases.append(case)
    save("loihi1_brian2.npz", cases)

    from brian2_loihi import LoihiNeuronGroup, LoihiSynapses

    tables = {}
    group = LoihiNeuronGroup(1)
    for bits in range(9):
        for mode in SIGN_MODES:
            low, high = {"mixed": (-256, 254), "exc": (0, 255), "inh": (-256, 0)}[mode]
            rows = []
            for exp in range(-8, 8):
                syn = LoihiSynapses(
                    group, group, w_exp=exp, sign_mode=SIGN_CODE[mode], num_weight_bits=bits
                )
                rows.append(syn.calcActualWeights(np.arange(low, high + 1)))
            tables["%s%d" % (mode, bits)] = np.array(rows, dtype=np.int32)
    save_weights("loihi1_brian2_weights.npz", tables, -8)


if __name__ == "__main__":
    mains = {"nengo": main_nengo, "brian2": main_brian2, "brian2-wide": main_brian2_wide}
    mains[sys.argv[1]]()
