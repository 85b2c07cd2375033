"""PyTorch backend of neurohw: every legal program, on any device that has 64-bit floats.

Importing this package imports nothing heavy, and not torch; :func:`backend` does.

What is promised, on the CPU and on CUDA alike:

- integers, draws and fixed-point programs: the bits of the reference;
- floats: each operation is the IEEE operation of the reference (``exp``, ``expm1`` and ``log``
  within 2 ulp of it), none contracted, nothing in TF32. On the CPU, and by fused kernels, spikes
  are added up in the reference's order, so that sums are its bits as well; where neither is so
  (CUDA without Triton), see :mod:`neurohw_torch.deliver` for the sums in another order.

A program runs operation by operation (:mod:`neurohw_torch.call`), or by fused Triton kernels
(:mod:`neurohw_torch.fused_run`), which is the default on CUDA; docs/gpu.md tells the two apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurohw_torch.run import TorchBackend

__all__ = ["backend"]


def backend(
    device: str | None = None, *, event_driven: bool | None = None, fused: bool | None = None
) -> TorchBackend:
    """Entry point.

    Parameters
    ----------
    device : str, optional
        A torch device, e.g. ``"cpu"`` or ``"cuda:1"``. Default: the environment variable
        ``NEUROHW_TORCH_DEVICE``, else ``cuda`` where there is one, else ``cpu``.
    event_driven : bool, optional
        Look at the spikes in every step and deliver only those (default on the CPU), or never
        wait for the device and deliver by matrix products (default elsewhere). Of no effect on
        fused kernels.
    fused : bool, optional
        Run programs by fused Triton kernels (default on CUDA, if Triton is installed), or operation
        by operation. On a CPU True runs the kernels by Triton's interpreter, which is very slow
        and meant for tests. Default: the environment variable ``NEUROHW_TORCH_FUSED``, which is
        ``0``, ``1`` (where there is CUDA) or ``interpret`` (on a CPU as well).

    Raises
    ------
    BackendError
        If there is no such device.
    ImportError
        If torch is not installed.
    """
    from neurohw_torch.run import TorchBackend

    return TorchBackend(device, event_driven=event_driven, fused=fused)
