# SPDX-License-Identifier: BSD-3-Clause
"""Hold a core's cycle model to functions that were measured on silicon; see ``__main__``."""
