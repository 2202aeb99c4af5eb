"""The machine a benchmark runs on: what it is, whether others keep it busy, and how much memory a run takes."""

import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from kveraser_core.errors import KVEraserError

_BUSY_CORES = 0.1
_WATCH_S = 2.0
_PROC = Path("/proc/self")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`."""


class MachineBusy(KVEraserError):
    """Other processes use the processor, so that timings would mean little."""


class OthersWatch:
    """How many cores processes other than this one keep busy, from its creation on."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._used = _used_by_others()

    def cores(self) -> float:
        """Cores' worth of processor time that others have used a second, the host's share included."""
        return max(0.0, (_used_by_others() - self._used) / (time.perf_counter() - self._started))


def _used_by_others() -> float:
    all_times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    idle = all_times.idle + getattr(all_times, "iowait", 0.0)
    guest = getattr(all_times, "guest", 0.0) + getattr(all_times, "guest_nice", 0.0)
    return sum(all_times) - guest - idle - own.user - own.system


def refuse_when_busy() -> None:
    """Watch for two seconds. Raises `MachineBusy` when others use more than a tenth of a core."""
    watch = OthersWatch()
    time.sleep(_WATCH_S)
    if (cores := watch.cores()) > _BUSY_CORES:
        raise MachineBusy(
            f"Other processes keep {cores:.1f} of {os.cpu_count()} cores busy, so timings would mean little: "
            "stop them, or measure anyway with --even-if-busy."
        )


def keep_freed_memory() -> None:
    """Have this process keep what it frees, where its C library is glibc.

    Else the system takes back a copy of a context that one run has freed while the next one, of another member,
    is timed: on a virtual machine that took up to two thirds as long again.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, 2**25)  # the most that it takes
        libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def describe(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What decides the timings: processor, memory, device, dtype and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """The processor's name, and the instructions that decide how fast it multiplies."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    name = fields.get("model name", platform.machine()).strip()
    flags = fields.get("flags", "").split()
    fast = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if flag in flags]
    return f"{name} ({', '.join(fast)})" if fast else name


class PeakMemory:
    """Bytes by which memory rose at most; `None` where the system does not tell."""

    grown: int | None = None


@contextmanager
def peak_memory(device: torch.device) -> Iterator[PeakMemory]:
    """The peak of the device's memory inside the block above its use before: of the process, on the CPU.

    Memory that the process freed earlier is given back first, or else it would hide new use.
    """
    peak = PeakMemory()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.grown = torch.cuda.max_memory_allocated(device) - before
    elif device.type == "cpu" and _forget_highest_resident():
        before = psutil.Process().memory_info().rss
        yield peak
        peak.grown = max(0, _highest_resident() - before)
    else:
        yield peak


def _forget_highest_resident() -> bool:
    """Give freed memory back and let the highest use count from now on; false where the system cannot."""
    if sys.platform != "linux":
        return False
    ctypes.CDLL(None).malloc_trim(0)
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _highest_resident() -> int:
    line = next(line for line in (_PROC / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
