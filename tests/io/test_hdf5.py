"""Our reader of HDF5 against h5py on sound files, and what it says of others."""

from __future__ import annotations

import io
import zlib
from typing import Any

import h5py
import numpy as np
import pytest

from neurohw.errors import FormatError
from neurohw.io.hdf5 import Dataset, Group, Limits, open_bytes, open_file
from neurohw.io.hdf5.source import _lookup3

VERSIONS = ["earliest", "v108", "v110", "latest"]


def file_of(write: Any, libver: str = "earliest", **options: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=(libver, "latest"), **options) as file:
        write(file)
    return out.getvalue()


def same(ours: Group, theirs: h5py.Group) -> int:
    """Hold every object against h5py's; how many there were."""
    members = ours.members()
    assert sorted(members) == sorted(theirs)
    assert set(ours.attributes()) == set(theirs.attrs)
    for name, value in ours.attributes().items():
        assert np.array_equal(value, theirs.attrs[name])
    count = 0
    for name, x in members.items():
        y: Any = theirs[name]
        if isinstance(x, Group):
            count += same(x, y)
            continue
        value, expected = x.read(), y[()]
        if x.is_text:
            assert np.shape(value) == np.shape(expected)
            plain = [t.encode() for t in np.ravel(np.array(value, object))]
            assert plain == list(np.ravel(np.array(expected, object)))
        else:
            assert value.shape == np.shape(expected)
            assert value.dtype == y.dtype.newbyteorder("=")
            assert value.tobytes() == np.asarray(expected, value.dtype).tobytes()
            assert not value.flags.writeable
        count += 1
    return count


def everything(file: h5py.File) -> None:
    rng = np.random.default_rng(0)
    names = {"<f8": "f8", ">f8": "bf8", "<f4": "f4", "<f2": "f2", ">i2": "i2", "<u8": "u8",
             "i1": "i1", "u4": "u4", "?": "bool"}  # fmt: skip
    for dtype, name in names.items():
        data = rng.integers(0, 2, (7, 5)).astype(dtype)
        file.create_dataset(f"plain {name}", data=data)
        packed = {"chunks": (3, 2), "compression": "gzip", "shuffle": True}
        file.create_dataset(f"packed {name}", data=data, **packed)
    text = h5py.string_dtype()
    file["scalar"], file["text"], file["no text"] = 3.5, "grüß dich", ""
    file["texts"] = np.array([["a", "b€"], ["", "d" * 300]], dtype=text)
    file["fixed"] = np.array([b"ab", b"c"])
    many = np.array([f"x{i}" for i in range(1500)], dtype=text)
    file.create_dataset("packed texts", data=many, chunks=(100,), compression="gzip")
    file["none"] = np.zeros((0, 3))
    big = rng.normal(size=(100, 80))
    for name, options in {
        "pages of blocks": {"chunks": (2, 3), "compression": "gzip"},
        "plain blocks": {"chunks": (2, 3)},
        "a row of blocks": {"chunks": (30, 80)},
        "one block": {"chunks": (100, 80), "compression": 9},
        "one plain block": {"chunks": (100, 80)},
    }.items():
        file.create_dataset(name, data=big, **options)
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space, kind = h5py.h5s.create_simple((3,)), h5py.h5t.NATIVE_INT32
    place = h5py.h5d.create(file.id, b"compact", kind, space, compact)
    place.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype=np.int32))
    for count in (1, 8, 9, 60, 300):
        group = file.create_group(f"{count} members")
        for i in range(count):
            group.create_group(f"n{i}" if i % 7 else "long" * (i % 50) + str(i))
    for name, value in {"dt": 0.5, "__type__": "x", "n": np.int64(4), "row": np.arange(3)}.items():
        file.attrs[name] = value


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_reads_what_h5py_reads(version: str, ordered: bool) -> None:
    data = file_of(everything, version, track_order=ordered)
    with h5py.File(io.BytesIO(data)) as theirs:
        assert same(open_bytes(data), theirs) == 31


def test_checksum_is_lookup3() -> None:
    # the self test in Bob Jenkins' lookup3.c (driver5)
    text = b"Four score and seven years ago"
    assert _lookup3(text) == 0x17770551
    assert _lookup3(b"") == 0xDEADBEEF


def test_damage_to_checksummed_structure_is_seen() -> None:
    data = bytearray(file_of(lambda f: f.create_dataset("x", data=np.ones(3)), "latest"))
    data[data.index(b"OHDR") + 20] ^= 1
    with pytest.raises(
        FormatError, match=r"checksum of the \w+ ?\w* is wrong: the file is damaged"
    ):
        open_bytes(bytes(data)).members()


# refusals ----------------------------------------------------------------------------------------


def refused(write: Any, libver: str = "earliest") -> str:
    root = open_bytes(file_of(write, libver), origin="a.h5")
    with pytest.raises(FormatError) as caught:
        for x in root.members().values():
            assert isinstance(x, Dataset)
            x.read()
    return str(caught.value)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (
            lambda f: f.__setitem__("x", h5py.SoftLink("/y")),
            "a.h5: /: 'x' is a soft link; allowed: members that are in the file itself",
        ),
        (
            lambda f: f.create_dataset("x", data=np.ones(9), compression="lzf"),
            "a.h5: /x: filtered in a way that is not read; got 'lzf'; allowed: gzip and shuffle; "
            "write it with compression='gzip'",
        ),
        (
            lambda f: f.create_dataset("x", data=np.ones(9), fletcher32=True),
            "a.h5: /x: filtered in a way that is not read; got 'fletcher32'; "
            "allowed: gzip and shuffle; write it with compression='gzip'",
        ),
        (
            lambda f: f.create_dataset("x", (3,), "f8", external=[("/etc/passwd", 0, 24)]),
            "a.h5: /x: is kept in other files; allowed: data in the file itself",
        ),
        (
            lambda f: f.create_dataset("x", data=f.ref),
            "a.h5: /x: cannot read references; allowed: integers, IEEE floats, booleans and text",
        ),
        (
            lambda f: f.create_dataset("x", data=np.zeros(2, [("a", "i4"), ("b", "f8")])),
            "a.h5: /x: cannot read compounds; allowed: integers, IEEE floats, booleans and text",
        ),
        (
            lambda f: f.create_dataset("x", (3,), h5py.vlen_dtype(np.int32)),
            "a.h5: /x: cannot read sequences of variable length; "
            "allowed: integers, IEEE floats, booleans and text",
        ),
        (
            lambda f: f.create_dataset("x", data=np.ones(3, np.longdouble)),
            "a.h5: /x: not IEEE floats; got '80 bits in 16 bytes'; allowed: 16, 32 or 64 bits",
        ),
        (
            lambda f: f.create_dataset("x", data=h5py.Empty("f8")),
            "a.h5: /x: holds nothing (a null dataspace); allowed: a value or an array",
        ),
        (
            lambda f: f.create_dataset("x", (2**40,), "f8"),
            "a.h5: /x: too large; got shape (1099511627776,); allowed: 2147483648 bytes in all",
        ),
        (
            lambda f: f.create_dataset("x", (2**20,), "f8"),
            "a.h5: /x: was never written; got 'shape (1048576,)'",
        ),
        (
            lambda f: f.create_dataset("x", (100, 9), "f8", chunks=(10, 9)),
            "a.h5: /x: was not all written; got '0 blocks'; allowed: 10",
        ),
    ],
)  # fmt: skip
def test_refused_in_every_version(write: Any, text: str) -> None:
    for version in ("earliest", "v110", "latest"):
        assert refused(write, version) == text


def test_a_dataset_that_grows_without_end_is_refused_where_its_index_is_not_read() -> None:
    def write(file: h5py.File) -> None:
        file.create_dataset("x", data=np.ones(9), chunks=(3,), maxshape=(None,))

    expected = "its blocks have an index that is not read; got 4; allowed: a dataset of fixed size"
    assert refused(write, "latest") == f"a.h5: /x: {expected}"

    def bounded(file: h5py.File) -> None:
        file.create_dataset("x", data=np.ones(9), chunks=(3,), maxshape=(20,))

    expected = (
        "its index of blocks does not fit; got '7 blocks'; allowed: 3, for a dataset of fixed size"
    )
    assert refused(bounded, "latest") == f"a.h5: /x: {expected}"
    root = open_bytes(file_of(write))  # the index of old files is one for all
    assert np.array_equal(root.members()["x"].read(), np.ones(9))  # type: ignore[union-attr]


def test_virtual_and_external(tmp_path: Any) -> None:
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    text = refused(lambda f: f.create_virtual_dataset("x", layout), "latest")
    assert text == (
        "a.h5: /x: is a virtual dataset: a view of others; allowed: data in the file itself"
    )
    text = refused(lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")))
    assert text == (
        "a.h5: /: 'x' is an external link; allowed: members that are in the file itself"
    )


# what is meant to hurt ---------------------------------------------------------------------------


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    # a mebibyte of zeros is a kibibyte packed; the limit is on what it unpacks to
    def write(file: h5py.File) -> None:
        file.create_dataset("x", data=np.zeros(2**20), compression=9)

    data = file_of(write)
    assert len(data) < 2**15
    x = open_bytes(data, limits=Limits(data_bytes=2**23 - 1)).members()["x"]
    assert isinstance(x, Dataset)
    with pytest.raises(
        FormatError, match=r"too large; got shape .1048576,.; allowed: 8388607 bytes"
    ):
        x.read()
    x = open_bytes(data, limits=Limits(data_bytes=2**23)).members()["x"]
    assert isinstance(x, Dataset)
    assert x.read().shape == (2**20,)


def test_a_block_that_unpacks_to_more_than_its_shape_is_refused() -> None:
    def write(file: h5py.File) -> None:
        x = file.create_dataset("x", (4,), "f8", chunks=(4,), compression="gzip")
        x.id.write_direct_chunk((0,), zlib.compress(bytes(2**24)))

    assert refused(write) == "a.h5: /x: a block unpacks to too much; allowed: 32 bytes"


def test_blocks_larger_than_the_data_count_as_what_they_unpack_to() -> None:
    # one number in a block of 32 MiB, under many names
    def write(file: h5py.File) -> None:
        options = {"chunks": (2**22,), "maxshape": (None,), "compression": "gzip"}
        x = file.create_dataset("x", (1,), "f8", **options)
        x.id.write_direct_chunk((0,), zlib.compress(bytes(2**25)))
        for i in range(100):
            file[f"x{i}"] = x

    root = open_bytes(file_of(write), limits=Limits(data_bytes=2**25 + 2**20))
    first, second, *_ = root.members().values()
    assert isinstance(first, Dataset) and isinstance(second, Dataset)
    assert first.read().tolist() == [0.0]
    with pytest.raises(FormatError, match="too large; got 1 blocks of 33554432 bytes"):
        second.read()


def test_groups_that_contain_themselves_end() -> None:
    def write(file: h5py.File) -> None:
        group = file.create_group("a")
        group["b"] = group
        group["c"] = file["/"]

    with pytest.raises(FormatError, match="a group that contains itself"):
        walk(open_bytes(file_of(write)))


def walk(group: Group) -> int:
    members = group.members().values()
    return len(members) + sum(walk(x) for x in members if isinstance(x, Group))


def test_doubling_by_hard_links_ends() -> None:
    # 60 groups, each twice in the next: 2**60 paths
    def write(file: h5py.File) -> None:
        group = file.create_group("g")
        for _ in range(60):
            inner = group.create_group("a")
            group["b"] = inner
            group = inner

    with pytest.raises(FormatError, match=r"referred to over and over|too many objects"):
        walk(open_bytes(file_of(write)))


def test_too_deep() -> None:
    def write(file: h5py.File) -> None:
        group: Any = file
        for _ in range(70):
            group = group.create_group("g")

    with pytest.raises(FormatError, match=r"too deep; .*allowed: 64 groups inside each other"):
        walk(open_bytes(file_of(write)))


def test_one_long_text_a_thousand_times_is_counted() -> None:
    def write(file: h5py.File) -> None:
        file.create_dataset("x", data=["t" * 50_000], dtype=h5py.string_dtype())

    data = bytearray(file_of(write))
    root = open_bytes(bytes(data), limits=Limits(data_bytes=60_000))
    x = root.members()["x"]
    assert isinstance(x, Dataset)
    x.read()
    with pytest.raises(FormatError, match="too large; got 50000 bytes of text"):
        x.read()


def test_limits_of_the_file(tmp_path: Any) -> None:
    path = tmp_path / "big.nir"
    path.write_bytes(file_of(lambda f: None) + bytes(1000))
    with pytest.raises(
        FormatError, match=r"big\.nir: too large; got '1800 bytes'; allowed: up to 9"
    ):
        open_file(path, limits=Limits(file_bytes=900))
    with pytest.raises(FormatError, match="cannot read the file; got 'No such file or directory'"):
        open_file(tmp_path / "nothing")
    with pytest.raises(FormatError, match="not a regular file"):
        open_file("/dev/null")
