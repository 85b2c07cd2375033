"""A reader of plain HDF5 files that does not trust them.

libhdf5 (and with it h5py) may loop for ever on a damaged file, inside C, where no caller can stop
it; ``benchmarks/fuzz_nir.py --reader h5py`` shows it. What simple files use of HDF5 is small, so it
is read here in Python, where every step is bounded: nothing outside the file is touched, no more
structure is looked at than a fixed multiple of the file's size, and no array is made before its
size is known to be allowed and its data to be there.

Read are: superblocks 0 to 3; groups of both kinds; integers, IEEE floats, booleans and text, in
either byte order; compact, contiguous and chunked data of fixed size, with gzip and shuffle;
attributes kept in the object itself. Refused, by name: links to elsewhere, external files, virtual
datasets, other filters, shared messages, references, compounds and all other types.

Source: "HDF5 File Format Specification Version 3.0", The HDF Group,
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from neurohw.io.hdf5.file import Dataset, Group, Limits, open_bytes, open_file

__all__ = ["Dataset", "Group", "Limits", "open_bytes", "open_file"]
