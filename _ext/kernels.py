"""Kernels that their managers reach through a folder of their own.

By default Jupyter looks for free TCP ports and hands them to the kernel, which binds
them a moment later. With several kernels at a time another may have taken one by then,
and the kernel dies ("Address already in use", papermill's issue 511).
"""

import os
import socket
import tempfile

from jupyter_client import AsyncKernelManager, KernelManager

LONGEST = 100  # bytes in the name of a Unix socket: 108 on Linux, 104 on macOS


class _InFolder:
    """Let kernel and manager meet at sockets in a new folder, where there are such."""

    def __init__(self, **options):
        self._folder = tempfile.TemporaryDirectory()
        place = f"{self._folder.name}/kernel"
        if hasattr(socket, "AF_UNIX") and len(os.fsencode(f"{place}-99")) < LONGEST:
            options |= {"transport": "ipc", "ip": place}
        super().__init__(**options)


class AsyncFolderKernelManager(_InFolder, AsyncKernelManager):
    """For nbclient."""


class FolderKernelManager(_InFolder, KernelManager):
    """For nbval."""
