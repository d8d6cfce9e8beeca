"""How nbval reads the notebooks of this book, which git holds without counts."""

import nbval.kernel
from kernels import FolderKernelManager

PICTURES = ("image/svg+xml",)  # drawn anew by every build; their captions are compared
# nbval has no option for it
nbval.kernel.KernelManager = FolderKernelManager


def pytest_collection_modifyitems(items):
    """Have nbval compare every cell's outputs with the stored ones.

    To nbval a cell without an execution count has never run: it then compares nothing,
    or fails if there are outputs.
    """
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            item.cell.execution_count = item.cell_num + 1
            skipped = (*item.parent.skip_compare, *PICTURES)
            item.parent.skip_compare = tuple(dict.fromkeys(skipped))
