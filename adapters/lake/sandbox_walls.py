"""What the operating system forbids the process that runs an analyst's query.

Resource limits everywhere; on Linux also Landlock: it reads the interpreter, its packages and the
lake's files, writes its own temporary folder, starts no program, and makes TCP connections to the
ports given and no others. Nothing of it can be undone from inside. Landlock is of the calling
thread and those that it starts, so `enclose` comes before any other thread.
"""

import contextlib
import ctypes
import os
import resource
import struct
import sys
from collections.abc import Collection, Iterable

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_PATH, _PORT = 1, 2
_VERSION_OF_PORTS = 4
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_EXECUTE, _WRITE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_READ = _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE | _READ_FILE | _TRUNCATE | _IOCTL
_OWN = _READ | _WRITE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _TRUNCATE
_BIND, _CONNECT = 1, 2
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_HANDLED_LATEST = (1 << 16) - 1
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ssl", "/etc/pki"),
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/services"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat"),
    *("/proc/self/cgroup", "/sys/fs/cgroup", "/sys/devices/system/cpu"),
)
_NOFILE = 256


def enclose(
    readable: Iterable[str], own_folder: str, ports: Collection[int], address_mb: int, spill_mb: int
) -> bool:
    """For good. Answers whether the files are enclosed; limits always hold."""
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _NOFILE),
        (resource.RLIMIT_FSIZE, spill_mb << 20),
        (resource.RLIMIT_AS, address_mb << 20),
    ):
        _, hard = resource.getrlimit(limit)
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _landlock(libc, (*_SYSTEM, sys.prefix, sys.base_prefix, *readable), own_folder, ports)


def limit_processor(seconds: int) -> None:
    """So much more than what was used until now; the kernel ends what uses more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _landlock(
    libc: ctypes.CDLL, readable: Iterable[str], own_folder: str, ports: Collection[int]
) -> bool:
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if version < 1:
        return False
    handled = _HANDLED.get(version, _HANDLED_LATEST)
    has_ports = version >= _VERSION_OF_PORTS
    # A shorter structure than the kernel knows is filled up with zeros: nothing more is handled.
    fields = (handled, _BIND | _CONNECT) if has_ports else (handled,)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = _called(libc, _CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path in readable:
            _allow_path(libc, rules, path, _READ & handled)
        _allow_path(libc, rules, own_folder, _OWN & handled)
        for port in ports if has_ports else ():
            given = struct.pack("=QQ", _CONNECT, port)
            _called(libc, _ADD_RULE, rules, _PORT, given, 0)
        _called(libc, _RESTRICT, rules, 0)
    finally:
        os.close(rules)
    return True


def _allow_path(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # Not on this system: then nothing of it is needed.
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= _OF_FILES
        _called(libc, _ADD_RULE, rules, _PATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def _called(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    found = int(libc.syscall(number, *arguments))
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"The kernel refuses to enclose the process: {os.strerror(error)}")
    return found
