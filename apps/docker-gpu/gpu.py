"""What GPUs there are, asked of NVIDIA's driver itself: no package is needed for that."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_OK = 0


@dataclass(frozen=True)
class Gpu:
    """One card; *memory* in bytes."""

    name: str
    memory: int


class NoGpuError(Exception):
    """There is no GPU to be had; the message says why."""


def find() -> list[Gpu]:
    """
    Return the GPUs that this process may use.

    Source: CUDA Driver API, sections "Initialization" and "Device Management".

    Raises:
        NoGpuError: there is no driver, or it has no device for us.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise NoGpuError("there is no NVIDIA driver in this container (libcuda.so.1)") from None
    _call(driver.cuInit, 0)
    count = ctypes.c_int()
    _call(driver.cuDeviceGetCount, ctypes.byref(count))
    if not count.value:
        raise NoGpuError("the NVIDIA driver has no device")
    return [_described(driver, number) for number in range(count.value)]


def _described(driver: ctypes.CDLL, number: int) -> Gpu:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(100)
    _call(driver.cuDeviceGet, ctypes.byref(device), number)
    _call(driver.cuDeviceGetName, name, len(name), device)
    _call(driver.cuDeviceTotalMem_v2, ctypes.byref(memory), device)
    return Gpu(name.value.decode(), memory.value)


def _call(function: ctypes._CFuncPtr, *arguments: object) -> None:
    status = function(*arguments)
    if status != _OK:
        raise NoGpuError(f"the NVIDIA driver refuses with CUDA error {status}")
